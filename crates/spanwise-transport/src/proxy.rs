//! A proxy of HTTP requests: its URL, its credentials, and the endpoints that it serves.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::uri::{Authority, Scheme, Uri};
use percent_encoding::percent_decode_str;

use crate::proxy_variables::proxy_variable;
use crate::{Endpoint, tcp, text, url};

/// An HTTP proxy: `http://host:port`, with credentials if need be.
///
/// A proxy tunnels requests to `https` endpoints, and all of gRPC, by `CONNECT` (RFC 9110, 9.3.6): it sees
/// neither headers nor spans. It forwards OTLP/HTTP requests to `http` endpoints, which it reads.
///
/// `Debug` and `Display` redact the credentials.
///
/// ```
/// use spanwise_transport::{Proxy, TransportBuilder};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let proxy = Proxy::parse("PROXY", "http://me:secret@proxy.example:3128")?;
///     assert_eq!(proxy.to_string(), "http://[redacted]@proxy.example:3128");
///     let _builder = TransportBuilder::default().with_proxy(proxy);
///     Ok(())
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    credentials: Option<Credentials>,
}

#[derive(Clone, PartialEq, Eq)]
struct Credentials {
    header: HeaderValue,
    secrets: [String; 3],
}

impl Proxy {
    /// Parses the URL of a proxy, as in `HTTPS_PROXY`: `http://[user:password@]host[:port]`, or without
    /// the scheme. User and password may be percent-encoded. The default port is 80.
    ///
    /// # Errors
    /// When `url` is no such URL. The error names `setting`.
    pub fn parse(setting: &str, url: &str) -> Result<Self, ProxyError> {
        parse(url).map_err(|problem| ProxyError {
            setting: text::sanitize(setting),
            value: url::redacted(url),
            problem,
        })
    }

    /// The proxy that the environment variables of `lookup` name for `endpoint`: `HTTPS_PROXY` for
    /// `https`, `HTTP_PROXY` for `http`, unless `NO_PROXY` excludes the host; each also in lower case,
    /// which is read second. `None` without one, for `localhost` and addresses of the loopback, and for
    /// a Unix socket.
    ///
    /// A CGI program (`REQUEST_METHOD` is set) does not use `HTTP_PROXY`, which a client sets there by
    /// the header `Proxy`.
    ///
    /// `NO_PROXY` is a list of hosts: `example.com` with its subdomains, `.example.com` for them alone, an
    /// address, a network (`10.0.0.0/8`), each with a port if need be, or `*` for all.
    ///
    /// # Errors
    /// The variable that applies is not the URL of a proxy.
    pub fn from_variables(
        lookup: impl Fn(&'static str) -> Option<String>,
        endpoint: &Endpoint,
    ) -> Result<Option<Self>, ProxyError> {
        let Some((name, url)) = proxy_variable(lookup, endpoint) else { return Ok(None) };
        Self::parse(name, &url).map(Some)
    }

    /// The value of `Proxy-Authorization` (RFC 7617), if the URL has credentials.
    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        self.credentials.as_ref().map(|credentials| &credentials.header)
    }

    /// The credentials, as a proxy might echo them.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.credentials.iter().flat_map(|credentials| &credentials.secrets).map(String::as_str)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = if self.credentials.is_some() { "[redacted]@" } else { "" };
        match self.host.contains(':') {
            true => write!(f, "http://{user}[{}]:{}", self.host, self.port),
            false => write!(f, "http://{user}{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// An invalid URL of a proxy, with its setting, its value and the problem. Credentials are redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyError {
    setting: String,
    value: String,
    problem: &'static str,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, value, problem } = self;
        write!(
            f,
            "{setting}=`{value}`: {problem}; accepted is http://host:port or \
             http://user:password@host:port"
        )
    }
}

impl std::error::Error for ProxyError {}

debug_as_display!(ProxyError);

fn parse(url: &str) -> Result<Proxy, &'static str> {
    let url = url.trim();
    if url.is_empty() {
        return Err("it is empty");
    }
    // `curl` and Go take a URL without a scheme, too.
    let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let uri: Uri = with_scheme.parse().map_err(|_| "it is not a URL")?;
    match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => {}
        Some(scheme) if *scheme == Scheme::HTTPS => {
            return Err("a proxy that is reached over TLS is not supported");
        }
        _ => return Err("its scheme is not http"),
    }
    if uri.path_and_query().is_some_and(|path| path.as_str() != "/") {
        return Err("it has a path or a query");
    }
    let authority = uri.authority().ok_or("it names no host")?;
    let (host, port) = tcp::host_and_port(&uri);
    if host.is_empty() {
        return Err("it names no host");
    }
    if port == 0 || has_bad_port(authority) {
        return Err("its port is not a number from 1 to 65535");
    }
    let user = authority.as_str().rsplit_once('@').map(|(user, _)| user);
    let credentials = user.filter(|user| !user.is_empty()).map(credentials).transpose()?;
    Ok(Proxy { host: host.to_owned(), port, credentials })
}

/// Whether something stands in the place of the port that is none.
fn has_bad_port(authority: &Authority) -> bool {
    let host_and_port = authority.as_str().rsplit('@').next().unwrap_or_default();
    let after_host = host_and_port.strip_prefix(authority.host()).unwrap_or_default();
    after_host.len() > 1 && authority.port_u16().is_none()
}

fn credentials(user_info: &str) -> Result<Credentials, &'static str> {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let decoded = |part: &str| {
        let part = percent_decode_str(part).decode_utf8().map_err(|_| "its user is not UTF-8")?;
        // RFC 7617, 2: no control characters.
        match part.chars().any(char::is_control) {
            true => Err("its user or password holds a control character"),
            false => Ok(part.into_owned()),
        }
    };
    let (user, password) = (decoded(user)?, decoded(password)?);
    if user.contains(':') {
        return Err("its user holds a colon");
    }
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    let header = HeaderValue::try_from(format!("Basic {encoded}"));
    let mut header = header.map_err(|_| "its user or password cannot be sent")?;
    header.set_sensitive(true);
    Ok(Credentials { header, secrets: [user, password, encoded] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_a_host_a_port_and_credentials() {
        for (url, host, port, header) in [
            ("http://proxy:3128", "proxy", 3128, None),
            (" proxy.example ", "proxy.example", 80, None),
            ("10.0.0.1:8080/", "10.0.0.1", 8080, None),
            ("http://[::1]:3128", "::1", 3128, None),
            (
                "http://Aladdin:open%20sesame@p:1",
                "p",
                1,
                Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ),
            ("http://user@p", "p", 80, Some("Basic dXNlcjo=")),
        ] {
            let proxy = Proxy::parse("S", url).unwrap();
            assert_eq!((&*proxy.host, proxy.port), (host, port), "{url}");
            assert_eq!(proxy.authorization().map(|value| value.to_str().unwrap()), header, "{url}");
        }
    }

    #[test]
    fn an_unusable_proxy_is_an_error_without_its_password() {
        for (url, problem) in [
            ("", "is empty"),
            ("https://u:hunter2@p:443", "over TLS is not supported"),
            ("socks5://u:hunter2@p:1080", "scheme is not http"),
            ("http://u:hunter2@:3128", "names no host"),
            ("http://u:hunter2@p:99999", "port is not"),
            ("http://u:hunter2@p:0", "port is not"),
            ("http://u:hunter2@p/path", "has a path"),
            ("http://u:hunter2@p?query", "has a path"),
            ("http://u:hunter2%0a@p", "control character"),
            ("http://u%3Ax:hunter2@p", "holds a colon"),
            ("http://u:hunter2 @p", "is not a URL"),
        ] {
            let error = Proxy::parse("HTTPS_PROXY", url).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(problem), "{url}: {shown}");
            assert!(shown.starts_with("HTTPS_PROXY=`") && !shown.contains("hunter2"), "{shown}");
        }
        let proxy = Proxy::parse("S", "http://hunter2:hunter2@p:1").unwrap();
        assert_eq!(format!("{proxy:?}"), "Proxy(http://[redacted]@p:1)");
        assert!(proxy.secrets().any(|secret| secret == "hunter2"));
    }

    #[test]
    fn the_variables_name_the_proxy_of_an_endpoint() {
        let chosen = |endpoint: &str, set: &[(&str, &str)]| {
            let endpoint = Endpoint::parse("S", endpoint).unwrap();
            let lookup = |name: &str| {
                let found = set.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            Proxy::from_variables(lookup, &endpoint).unwrap().map(|proxy| proxy.host)
        };
        let both = [("HTTPS_PROXY", "s"), ("HTTP_PROXY", "h"), ("https_proxy", "x")];
        for (endpoint, set, host) in [
            ("https://c.example", &both[..], Some("s")),
            ("http://c.example", &both, Some("h")),
            ("https://c.example", &[("https_proxy", "low")], Some("low")),
            ("http://c.example", &[("HTTP_PROXY", " "), ("http_proxy", "low")], Some("low")),
            ("https://c.example", &[("HTTP_PROXY", "h")], None),
            ("http://c.example", &[("HTTP_PROXY", "h"), ("REQUEST_METHOD", "GET")], None),
            ("http://c.example", &[("http_proxy", "h"), ("REQUEST_METHOD", "GET")], Some("h")),
            ("https://c.example", &[("HTTPS_PROXY", "s"), ("REQUEST_METHOD", "GET")], Some("s")),
            ("https://c.example", &[("HTTPS_PROXY", "s"), ("NO_PROXY", "example")], None),
            ("https://c.example", &[("HTTPS_PROXY", "s"), ("no_proxy", "c.example")], None),
            ("https://localhost:4318", &both, None),
            ("http://127.0.0.2:4318", &both, None),
            ("http://[::1]:4318", &both, None),
        ] {
            assert_eq!(chosen(endpoint, set).as_deref(), host, "{endpoint} {set:?}");
        }
        // A proxy that is not used is not parsed.
        let endpoint = Endpoint::parse("S", "https://localhost").unwrap();
        assert!(Proxy::from_variables(|_| Some("ftp://x".to_owned()), &endpoint).is_ok());
        let endpoint = Endpoint::parse("S", "https://c").unwrap();
        let lookup = |name: &str| (name == "https_proxy").then(|| "ftp://x".to_owned());
        let error = Proxy::from_variables(lookup, &endpoint).unwrap_err();
        assert!(error.to_string().starts_with("https_proxy=`ftp://x`"), "{error}");
    }
}
