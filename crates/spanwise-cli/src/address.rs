//! The URL of the endpoint.

use std::fmt;

/// The address of a process's endpoint: host, port and path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    host: String,
    port: u16,
    path: String,
}

impl Address {
    /// Reads `http://host:port/path`. Without a scheme it is `http`, without a port 80, and without a path that of the JSON.
    ///
    /// # Errors
    /// States the part that is not accepted, and shows no user info.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(("https", _)) => {
                return Err("https is not accepted: the endpoint of a process is http on loopback; for another machine \
                            forward its port, such as with `ssh -L 9464:127.0.0.1:9464 HOST`"
                    .to_owned());
            }
            Some((scheme, _)) => {
                return Err(format!("the scheme {scheme:?} is not accepted: accepted is http"));
            }
            None => text,
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(
                "user info in the URL is not accepted: the endpoint asks for none".to_owned()
            );
        }
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) || path.contains('#') {
            return Err(format!(
                "the path {path:?} is not accepted: accepted are visible ASCII letters but `#`"
            ));
        }
        let (host, port) = host_and_port(authority)?;
        let path = match path {
            "" | "/" => JSON.to_owned(),
            page if page.ends_with(PAGE) => format!("{page}.json"),
            other => other.to_owned(),
        };
        Ok(Self { host, port, path })
    }

    /// The document of this name instead of `spanwise.json`.
    pub(crate) fn with_document(mut self, name: &str) -> Self {
        if let Some(folder) = self.path.strip_suffix("spanwise.json") {
            self.path = format!("{folder}{name}");
        }
        self
    }

    /// Host and port to connect to.
    pub(crate) fn host_and_port(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The value of the header `Host`.
    pub(crate) fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}

fn host_and_port(authority: &str) -> Result<(String, u16), String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("an IPv6 address needs `]`")?;
            (
                host,
                after.strip_prefix(':').unwrap_or(if after.is_empty() { DEFAULT } else { after }),
            )
        }
        None => authority.split_once(':').unwrap_or((authority, DEFAULT)),
    };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:%".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) {
        return Err(format!("the host {host:?} is not accepted: accepted is a name or an address"));
    }
    let port = port.parse().ok().filter(|&port| port > 0);
    let port = port.ok_or_else(|| {
        format!("the port of {authority:?} is not accepted: accepted is 1 to 65535")
    })?;
    Ok((host.to_owned(), port))
}

const DEFAULT: &str = "80";
const PAGE: &str = "/debug/spanwise";
const JSON: &str = "/debug/spanwise.json";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;

    #[test]
    fn an_address_is_that_of_the_json() {
        for (text, expected) in [
            ("http://127.0.0.1:9464", "http://127.0.0.1:9464/debug/spanwise.json"),
            ("127.0.0.1:9464/", "http://127.0.0.1:9464/debug/spanwise.json"),
            ("http://[::1]:9464/debug/spanwise", "http://[::1]:9464/debug/spanwise.json"),
            ("http://localhost/a/debug/spanwise", "http://localhost:80/a/debug/spanwise.json"),
            ("http://localhost/other.json?x=1", "http://localhost:80/other.json?x=1"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn another_document_is_beside_that_of_the_page() {
        for (text, expected) in [
            ("127.0.0.1:9464", "http://127.0.0.1:9464/debug/attributes.json"),
            ("localhost/a/debug/spanwise", "http://localhost:80/a/debug/attributes.json"),
            ("localhost/other.json", "http://localhost:80/other.json"),
        ] {
            let address = Address::parse(text).unwrap().with_document("attributes.json");
            assert_eq!(address.to_string(), expected);
        }
    }

    #[test]
    fn a_url_that_is_not_accepted_is_explained_without_its_password() {
        for (text, reason) in [
            ("https://127.0.0.1:9464", "ssh -L"),
            ("ftp://a", "accepted is http"),
            ("http://user:secret@a", "user info"),
            ("http://", "host"),
            ("http://a:0", "port"),
            ("http://a:port", "port"),
            ("http://[::1", "IPv6"),
            ("http://[::1]x", "port"),
            ("http://a\u{1b}[31m", "host"),
            ("http://a/ b", "path"),
            ("http://a/x\r\ny", "path"),
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(!error.contains("secret") && !error.contains('\u{1b}'), "{error}");
        }
    }
}
