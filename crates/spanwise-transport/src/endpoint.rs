//! The endpoint of requests: a validated URL.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::uri::{Authority, PathAndQuery, Scheme, Uri};

use crate::{EndpointProblem, Protocol, Signal, text, unix_socket, url};

/// An OTLP endpoint: a validated `http` or `https` URL, or a Unix socket.
///
/// A Unix socket is `unix:/path`, with an absolute path of at most 107 bytes (103 on some systems).
/// Requests to it are in plain text, for the host `localhost` and the path `/v1/traces`.
///
/// `Debug` and `Display` redact the query: some vendors put a key there.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    uri: Uri,
    /// The path of a Unix socket.
    socket: Option<Arc<str>>,
}

impl Endpoint {
    /// Parses the endpoint of one signal, as in `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`: the URL is
    /// used unchanged, with the path `/` when it has none. Characters that path and query cannot
    /// hold (RFC 3986, 3.3 and 3.4: letters beyond ASCII, spaces) are percent-encoded; a fragment
    /// is removed.
    ///
    /// # Errors
    /// When `url` is neither an `http` or `https` URL with a host nor a Unix socket, or holds a control
    /// character; or it is a Unix socket, and the system has none. The error names `setting`.
    pub fn parse(setting: &str, url: &str) -> Result<Self, EndpointError> {
        check(url).map_err(|problem| EndpointError::new(setting, url, problem))
    }

    /// Parses the endpoint of all signals, as in `OTEL_EXPORTER_OTLP_ENDPOINT`: `/v1/traces` is
    /// appended to its path.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_base(setting: &str, url: &str) -> Result<Self, EndpointError> {
        Self::parse_base_of(Signal::Traces, setting, url)
    }

    /// Parses a gRPC endpoint: as [`parse`](Self::parse), and `host:port` alone means `https`, or
    /// `http` when `insecure` (`OTEL_EXPORTER_OTLP_INSECURE`). The path is ignored.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_grpc(setting: &str, url: &str, insecure: bool) -> Result<Self, EndpointError> {
        if url.contains("://") || unix_socket::path_of(url.trim()).is_some() {
            return Self::parse(setting, url);
        }
        let scheme = if insecure { "http" } else { "https" };
        check(&format!("{scheme}://{}", url.trim()))
            .map_err(|problem| EndpointError::new(setting, url, problem))
    }

    /// The specification's default for `protocol`: `http://localhost:4318/v1/traces` or
    /// `http://localhost:4317`.
    pub fn localhost(protocol: Protocol) -> Self {
        Self::localhost_of(Signal::Traces, protocol)
    }

    pub(crate) fn from_static(url: &'static str) -> Self {
        Self { uri: Uri::from_static(url), socket: None }
    }

    /// The path of the Unix socket, if the endpoint is one.
    pub fn unix_path(&self) -> Option<&str> {
        self.socket.as_deref()
    }

    /// The peer of connections: host and port, or a Unix socket.
    pub(crate) fn peer(&self) -> String {
        match &self.socket {
            Some(path) => format!("unix:{path}"),
            None => self.authority().to_owned(),
        }
    }

    /// Whether the scheme is `https`.
    pub fn is_https(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS)
    }

    /// Host and port, as given; `localhost` of a Unix socket.
    pub fn authority(&self) -> &str {
        self.uri.authority().map_or("", Authority::as_str)
    }

    /// The host without the port, an IPv6 address in brackets; `localhost` of a Unix socket.
    pub fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    /// The path, beginning with `/`.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The query, which may hold a token, and its values.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        let query = self.uri.query().unwrap_or_default();
        query.split('&').filter_map(|pair| pair.split_once('=').map(|(_, v)| v)).chain([query])
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    #[cfg_attr(not(feature = "grpc"), expect(dead_code, reason = "only gRPC replaces the path"))]
    pub(crate) fn with_fixed_path(&self, path: &'static str) -> Uri {
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::from_static(path));
        Uri::from_parts(parts).unwrap_or_else(|_| self.uri.clone())
    }

    /// Appends `path`, which must be percent-encoded, to the path; the query is preserved.
    pub(crate) fn join_path(self, path: &str) -> Result<Self, EndpointProblem> {
        if url::encoded(path) != path {
            return Err(EndpointProblem::Syntax);
        }
        let base = self.uri.path().trim_end_matches('/');
        let path = match self.uri.query() {
            Some(query) => format!("{base}{path}?{query}"),
            None => format!("{base}{path}"),
        };
        self.with_path(&path)
    }

    pub(crate) fn with_path(self, path: &str) -> Result<Self, EndpointProblem> {
        let (mut parts, socket) = (self.uri.into_parts(), self.socket);
        parts.path_and_query =
            Some(PathAndQuery::try_from(path).map_err(|_| EndpointProblem::Syntax)?);
        Uri::from_parts(parts).map(|uri| Self { uri, socket }).map_err(|_| EndpointProblem::Syntax)
    }
}

/// The URL as [`parse_base`](Endpoint::parse_base) reads it, for OTLP/HTTP: `/v1/traces` is appended to its path. An
/// error names the setting `endpoint`.
impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(url: &str) -> Result<Self, EndpointError> {
        Self::parse_base("endpoint", url)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.socket {
            return write!(f, "unix:{}", text::sanitize(path));
        }
        // The query is left out first: an `@` in it would redact the host too.
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let query = if self.uri.query().is_some() { "?" } else { "" };
        let url = format!("{scheme}://{}{}{query}", self.authority(), self.path());
        f.write_str(&url::redacted(&url))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

/// An invalid endpoint URL, with its setting, its value and the problem.
///
/// Credentials and the query of the URL are redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointError {
    setting: String,
    value: String,
    problem: EndpointProblem,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, value, problem } = self;
        match problem {
            EndpointProblem::Scheme if names_a_host(value) => write!(
                f,
                "{setting}=`{value}`: it has no scheme; write http://{value}, or https://{value} \
                 for TLS"
            ),
            problem if unix_socket::path_of(value).is_some() => {
                write!(f, "{setting}=`{value}`: {problem}; accepted is unix:/path")
            }
            EndpointProblem::Scheme if value.starts_with('/') => write!(
                f,
                "{setting}=`{value}`: it has no scheme; for a Unix socket, write unix:{value}"
            ),
            _ => write!(
                f,
                "{setting}=`{value}`: {problem}; accepted is http://host:port or \
                 https://host:port, with a path if need be, or unix:/path for a Unix socket"
            ),
        }
    }
}

impl std::error::Error for EndpointError {}

debug_as_display!(EndpointError);

/// Whether a scheme is all that `url` lacks.
fn names_a_host(url: &str) -> bool {
    let is_host = url.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    // `http:/host` and `http//host` are slips of a scheme.
    let is_slip = |start: &str| {
        let rest = url.get(start.len()..).filter(|_| url.starts_with(start));
        rest.is_some_and(|rest| rest.starts_with(['+', ':', '/']))
    };
    let is_slip = is_slip("http") || is_slip("https");
    is_host && !is_slip && !url.contains("://") && check(&format!("http://{url}")).is_ok()
}

impl EndpointError {
    pub(crate) fn new(setting: &str, url: &str, problem: EndpointProblem) -> Self {
        let value = unix_socket::shown(url).unwrap_or_else(|| url::redacted(url));
        Self { setting: text::sanitize(setting), value, problem }
    }

    /// The problem of the URL.
    pub fn problem(&self) -> EndpointProblem {
        self.problem
    }
}

fn check(url: &str) -> Result<Endpoint, EndpointProblem> {
    let url = url.trim();
    if url.is_empty() {
        return Err(EndpointProblem::Empty);
    }
    if let Some(path) = unix_socket::path_of(url) {
        let (uri, socket) = (Uri::from_static("http://localhost/v1/traces"), Some(path?.into()));
        return Ok(Endpoint { uri, socket });
    }
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(EndpointProblem::Scheme);
    }
    let uri: Uri = match encode_url(url)?.parse() {
        Ok(uri) => uri,
        Err(_) if url.ends_with("://") => return Err(EndpointProblem::Host),
        Err(_) => return Err(EndpointProblem::Syntax),
    };
    let authority = uri.authority().ok_or(EndpointProblem::Host)?;
    if authority.as_str().contains('@') {
        return Err(EndpointProblem::Credentials);
    }
    if authority.host().is_empty() {
        return Err(EndpointProblem::Host);
    }
    let after_host = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    if after_host.len() > 1 && authority.port_u16().is_none() {
        return Err(EndpointProblem::Port);
    }
    Ok(Endpoint { uri, socket: None })
}

/// `url` with its path and query percent-encoded and without its fragment.
fn encode_url(url: &str) -> Result<String, EndpointProblem> {
    let url = url.split('#').next().unwrap_or_default();
    let host_at = url.find("://").map_or(0, |at| at + 3);
    let host_len = url.get(host_at..).and_then(|rest| rest.find(['/', '?'])).unwrap_or(url.len());
    let (before, after) = url.split_at_checked(host_at + host_len).unwrap_or((url, ""));
    if after.chars().any(char::is_control) {
        return Err(EndpointProblem::Control);
    }
    Ok(format!("{before}{}", url::encoded(after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_endpoint_gets_the_signal_path_and_a_signal_endpoint_does_not() {
        let cases = [
            ("http://c:4318", "/", "/v1/traces"),
            ("http://c:4318/", "/", "/v1/traces"),
            ("https://c/otlp", "/otlp", "/otlp/v1/traces"),
            ("https://c/otlp//", "/otlp//", "/otlp/v1/traces"),
            ("  http://[::1]:4318/x  ", "/x", "/x/v1/traces"),
            ("http://c/v1/traces", "/v1/traces", "/v1/traces/v1/traces"),
        ];
        for (url, signal, base) in cases {
            assert_eq!(Endpoint::parse("S", url).unwrap().path(), signal, "{url}");
            assert_eq!(Endpoint::parse_base("S", url).unwrap().path(), base, "{url}");
        }
        let keyed = Endpoint::parse_base("S", "http://c/a?key=secret").unwrap();
        assert_eq!(keyed.uri().query(), Some("key=secret"));
        assert_eq!(format!("{keyed:?}"), "Endpoint(http://c/a/v1/traces?[redacted])");
    }

    #[test]
    fn an_invalid_endpoint_has_its_problem() {
        use EndpointProblem::*;
        let cases = [
            ("", Empty),
            ("  ", Empty),
            ("localhost:4318", Scheme),
            ("localhost", Scheme),
            ("ftp://h", Scheme),
            ("http://", Host),
            ("http://:4318", Host),
            ("http://h:99999", Port),
            ("http://h:port", Port),
            ("http://us er@h", Syntax),
            ("httpx://h", Scheme),
            ("http://u:hunter2@h", Credentials),
            ("/v1/traces", Scheme),
            ("http://h/a\tb", Control),
            ("http://h/a?\u{85}x", Control),
            ("http://b\u{fc}cher/", Syntax),
        ];
        for (url, problem) in cases {
            let error = Endpoint::parse("OTEL_X", url).unwrap_err();
            assert_eq!(error.problem(), problem, "{url}: {error}");
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("OTEL_X") && !shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn an_error_names_the_form_that_was_meant() {
        let cases = [
            ("collector:4318", "it has no scheme; write http://collector:4318, or https://"),
            ("/tmp/otlp.sock", "it has no scheme; for a Unix socket, write unix:/tmp/otlp.sock"),
            ("http//x:4318", "accepted is http://host:port or https://host:port, with a path"),
            ("http+unix:/tmp/x", "or unix:/path for a Unix socket"),
            ("https:/x", "accepted is http://host:port"),
            (
                "unix:@abstract",
                "`unix:@abstract`: the path of its socket is not absolute, ends with / or has more than",
            ),
            ("unix:/run/a@b/", "`unix:/run/a@b/`: the path of its socket is not absolute"),
            ("UNIX:me:hunter2@h", "`unix:[redacted]@h`: the path of its socket is not absolute"),
            ("unix:p?hunter2", "`unix:p?[redacted]`: the path of its socket is not absolute"),
        ];
        for (url, expected) in cases {
            let error = url.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.starts_with("endpoint=`") && error.contains(expected), "{error}");
            assert!(!error.contains("http://http") && !error.contains("hunter2"), "{error}");
            let is_socket = url.to_lowercase().starts_with("unix:");
            assert_eq!(error.ends_with("accepted is unix:/path"), is_socket, "{error}");
        }
        assert_eq!("http://c:4318".parse::<Endpoint>().unwrap().path(), "/v1/traces");
    }

    /// RFC 3986, 2.1, 3.3 and 3.4.
    #[test]
    fn the_host_has_no_port() {
        let host = |url: &str| Endpoint::parse("test", url).unwrap().host().to_owned();
        assert_eq!(host("http://collector:4318/v1"), "collector");
        assert_eq!(host("https://[::1]:4318"), "[::1]");
        assert_eq!(host("https://[::1]"), "[::1]");
        assert_eq!(host("http://127.0.0.1"), "127.0.0.1");
    }

    #[test]
    fn path_and_query_are_percent_encoded_once() {
        let cases = [
            ("http://c/\u{e4}", "/%C3%A4"),
            ("http://c/a b", "/a%20b"),
            ("http://c/a%20b%2f", "/a%20b%2f"),
            ("http://c/50%", "/50%25"),
            ("http://c/%zz", "/%25zz"),
            ("http://c/\"<>^`{|}[]\\", "/%22%3C%3E%5E%60%7B%7C%7D%5B%5D%5C"),
            ("http://c/-._~!$&'()*+,;=:@/", "/-._~!$&'()*+,;=:@/"),
            ("http://c/a#\u{e4}", "/a"),
        ];
        for (url, path) in cases {
            assert_eq!(Endpoint::parse("S", url).unwrap().path(), path, "{url}");
        }
        let query = Endpoint::parse_base("S", "http://c?k=\u{fc} %41").unwrap();
        assert_eq!(query.uri().to_string(), "http://c/v1/traces?k=%C3%BC%20%41");
    }

    #[test]
    fn an_error_about_a_missing_scheme_shows_the_url_with_one() {
        for (url, fix) in [
            ("collector:4318", "write http://collector:4318, or https://collector:4318"),
            ("localhost", "write http://localhost,"),
            ("[::1]:4318/x", "write http://[::1]:4318/x,"),
        ] {
            let error = Endpoint::parse("OTEL_X", url).unwrap_err();
            assert!(error.to_string().contains(fix), "{error}");
            assert_eq!(format!("{error:?}"), error.to_string());
        }
        let other = Endpoint::parse("OTEL_X", "ftp://h/").unwrap_err().to_string();
        assert!(other.contains("accepted is http://host:port"), "{other}");
    }

    #[test]
    fn errors_contain_no_secret() {
        for url in [
            "ftp://u:hunter2@h/p?k=hunter2",
            "u:hunter2@h:1",
            "http://u:hun/hunter2@h",
            "ftp://h/?hunter2",
            "ftp://h/?key=a@hunter2",
            "http://h:port/?key=a@b@hunter2#x",
            "http://u:hun?hunter2@h",
            "http://u:hunter2?x@h",
            "http://u:hunter2#x@h",
            "http://h:port/#hunter2",
        ] {
            let error = Endpoint::parse("S", url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_grpc_endpoint_may_be_host_and_port() {
        let secure = Endpoint::parse_grpc("S", "collector:4317", false).unwrap();
        assert!(secure.is_https());
        assert_eq!(secure.authority(), "collector:4317");
        assert!(!Endpoint::parse_grpc("S", "collector:4317", true).unwrap().is_https());
        assert!(!Endpoint::parse_grpc("S", "http://collector:4317", false).unwrap().is_https());
        assert!(Endpoint::parse_grpc("S", "  ", false).is_err());
    }

    #[test]
    fn the_default_endpoints_are_those_of_the_specification() {
        let http = Endpoint::localhost(Protocol::HttpProtobuf);
        assert_eq!(http, Endpoint::parse_base("S", "http://localhost:4318").unwrap());
        assert_eq!(Endpoint::localhost(Protocol::Grpc).authority(), "localhost:4317");
    }
}
