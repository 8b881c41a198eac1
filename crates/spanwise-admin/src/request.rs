//! The head of a request: RFC 9112, what a scraper, a browser and `curl` send.

/// The head of a request, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub(crate) is_head: bool,
    /// The path, without the query.
    pub path: String,
    /// After the `?`; empty without one.
    pub(crate) query: String,
    pub(crate) host: String,
    /// The values of all `Accept` headers, with commas between them.
    pub accept: String,
    /// `Sec-Fetch-Site`: a page of which site caused the request.
    pub(crate) fetch_site: Option<String>,
    /// Whether the client uses the connection for further requests.
    pub(crate) keeps_alive: bool,
}

/// The reason why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// No HTTP/1.0 or HTTP/1.1, or a header that is no header.
    Malformed,
    /// Another version of HTTP.
    Version,
    /// No `GET` and no `HEAD`.
    Method,
    /// It announces a body.
    Body,
    /// No `Host`, or several.
    Host,
}

impl Request {
    /// The first parameter `name` of the query, not decoded: the values of our parameters are numbers and words.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Parses a head, without the empty line at its end.
    pub(crate) fn parse(head: &[u8]) -> Result<Self, HeadError> {
        let head = std::str::from_utf8(head).map_err(|_| HeadError::Malformed)?;
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap_or_default();
        let mut words = line.split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(HeadError::Malformed);
        };
        let is_1_1 = match version {
            "HTTP/1.1" => true,
            "HTTP/1.0" => false,
            other if other.starts_with("HTTP/") => return Err(HeadError::Version),
            _ => return Err(HeadError::Malformed),
        };
        let is_head = match method {
            "GET" => false,
            "HEAD" => true,
            other if !other.is_empty() && other.bytes().all(is_token) => {
                return Err(HeadError::Method);
            }
            _ => return Err(HeadError::Malformed),
        };
        let is_visible = |byte: u8| (0x21..=0x7e).contains(&byte);
        if !target.starts_with('/') || !target.bytes().all(is_visible) {
            return Err(HeadError::Malformed);
        }
        let target = target.split_once('#').map_or(target, |(target, _)| target);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            is_head,
            path: path.to_owned(),
            query: query.to_owned(),
            host: String::new(),
            accept: String::new(),
            fetch_site: None,
            keeps_alive: is_1_1,
        };
        let mut hosts = 0;
        for line in lines {
            let (name, value) = header(line).ok_or(HeadError::Malformed)?;
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if is("host") {
                hosts += 1;
                request.host = value.to_owned();
            } else if is("accept") {
                if !request.accept.is_empty() {
                    request.accept.push(',');
                }
                request.accept.push_str(value);
            } else if is("sec-fetch-site") {
                request.fetch_site = Some(value.to_ascii_lowercase());
            } else if is("connection") {
                let has = |word: &str| {
                    value.split(',').any(|option| option.trim().eq_ignore_ascii_case(word))
                };
                request.keeps_alive = !has("close") && (request.keeps_alive || has("keep-alive"));
            } else if is("transfer-encoding") || (is("content-length") && value != "0") {
                return Err(HeadError::Body);
            }
        }
        match hosts {
            1 => Ok(request),
            _ => Err(HeadError::Host),
        }
    }

    /// Whether a page of another site caused the request.
    pub(crate) fn is_cross_site(&self) -> bool {
        !matches!(self.fetch_site.as_deref(), None | Some("none" | "same-origin"))
    }
}

/// Name and value of a header line. A line that continues the previous one (RFC 9112, section 5.2) is none.
fn header(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let is_text = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    let is_valid = !name.is_empty() && name.bytes().all(is_token) && value.bytes().all(is_text);
    is_valid.then(|| (name, value.trim_matches([' ', '\t'])))
}

/// A byte of a token (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;

    fn parse(head: &str) -> Result<Request, HeadError> {
        Request::parse(head.as_bytes())
    }

    #[test]
    fn the_head_of_a_scraper() {
        let head = "GET /metrics?a=1&b=2 HTTP/1.1\r\nHost: 127.0.0.1:9464\r\nACCEPT: text/plain\r\naccept:\t*/*;q=0.1\r\n\
                    User-Agent: Prometheus/3.0";
        let request = parse(head).unwrap();
        assert_eq!((&*request.path, request.parameter("b")), ("/metrics", Some("2")));
        assert_eq!((&*request.host, &*request.accept), ("127.0.0.1:9464", "text/plain,*/*;q=0.1"));
        assert!(request.keeps_alive && !request.is_head && !request.is_cross_site());
    }

    #[test]
    fn connections_are_reused_as_the_version_and_the_header_state() {
        for (version, header, expected) in [
            ("1.1", "X: y", true),
            ("1.1", "Connection: close", false),
            ("1.1", "Connection: TE, Close", false),
            ("1.0", "X: y", false),
            ("1.0", "Connection: Keep-Alive", true),
        ] {
            let head = format!("GET / HTTP/{version}\r\nHost: localhost\r\n{header}");
            assert_eq!(parse(&head).unwrap().keeps_alive, expected, "{head}");
        }
    }

    #[test]
    fn requests_that_pages_of_other_sites_cause_are_recognized() {
        let of = |site: &str| {
            let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: {site}");
            parse(&head).unwrap().is_cross_site()
        };
        assert!(of("cross-site") && of("same-site") && of("something-new"));
        assert!(!of("same-origin") && !of("none"));
    }

    #[test]
    fn other_requests_are_refused() {
        for (head, expected) in [
            ("GET /", HeadError::Malformed),
            ("", HeadError::Malformed),
            ("GET / HTTP/2.0\r\nHost: a", HeadError::Version),
            ("GET / SPDY/3\r\nHost: a", HeadError::Malformed),
            ("GET  / HTTP/1.1\r\nHost: a", HeadError::Malformed),
            ("GET /\tx HTTP/1.1\r\nHost: a", HeadError::Malformed),
            ("GET http://a/ HTTP/1.1\r\nHost: a", HeadError::Malformed),
            ("POST / HTTP/1.1\r\nHost: a", HeadError::Method),
            ("get / HTTP/1.1\r\nHost: a", HeadError::Method),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5", HeadError::Body),
            ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked", HeadError::Body),
            ("GET / HTTP/1.1", HeadError::Host),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b", HeadError::Host),
            ("GET / HTTP/1.1\r\nHost : a", HeadError::Malformed),
            ("GET / HTTP/1.1\r\nHost: a\r\n continued", HeadError::Malformed),
            ("GET / HTTP/1.1\r\nHost: a\nX: y", HeadError::Malformed),
        ] {
            assert_eq!(parse(head), Err(expected), "{head:?}");
        }
        assert_eq!(Request::parse(b"GET /\xff HTTP/1.1"), Err(HeadError::Malformed));
        assert!(parse("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0").is_ok());
    }
}
