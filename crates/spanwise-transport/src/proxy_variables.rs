//! The environment variables that name the proxy of an endpoint.

use crate::no_proxy::NoProxy;
use crate::{Endpoint, tcp};

/// The variable that names a proxy for `endpoint`, and its value, by the rules that `Proxy::from_variables`
/// documents. A build without the feature `proxy` can report it.
pub fn proxy_variable(
    lookup: impl Fn(&'static str) -> Option<String>,
    endpoint: &Endpoint,
) -> Option<(&'static str, String)> {
    let set = |name| value(&lookup, name);
    let is_cgi = lookup("REQUEST_METHOD").is_some();
    let named = match endpoint.is_https() {
        true => set("HTTPS_PROXY").or_else(|| set("https_proxy")),
        false if is_cgi => set("http_proxy"),
        false => set("HTTP_PROXY").or_else(|| set("http_proxy")),
    };
    named.filter(|_| !is_excluded(&lookup, endpoint))
}

/// `ALL_PROXY` or `all_proxy`, if it is set and would be the proxy of `endpoint`. No proxy is made of it: it usually
/// names one of SOCKS.
pub fn all_proxy_variable(
    lookup: impl Fn(&'static str) -> Option<String>,
    endpoint: &Endpoint,
) -> Option<&'static str> {
    let (name, _) = ["ALL_PROXY", "all_proxy"].into_iter().find_map(|it| value(&lookup, it))?;
    let is_unused = proxy_variable(&lookup, endpoint).is_none();
    (is_unused && !is_excluded(&lookup, endpoint)).then_some(name)
}

/// Whether `endpoint` is reached without a proxy, whichever variable names one.
fn is_excluded(lookup: impl Fn(&'static str) -> Option<String>, endpoint: &Endpoint) -> bool {
    let (host, port) = tcp::host_and_port(endpoint.uri());
    let excluded = value(&lookup, "NO_PROXY").or_else(|| value(&lookup, "no_proxy"));
    let excluded = excluded.map_or_else(NoProxy::default, |(_, list)| NoProxy::parse(&list));
    endpoint.unix_path().is_some() || excluded.contains(host, port)
}

/// The name and the value of a variable that is set and not blank.
fn value(
    lookup: impl Fn(&'static str) -> Option<String>,
    name: &'static str,
) -> Option<(&'static str, String)> {
    let value = lookup(name)?;
    (!value.trim().is_empty()).then(|| (name, value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_proxy_is_found_where_no_other_variable_decides() {
        let found = |endpoint: &str, set: &[(&str, &str)]| {
            let endpoint = Endpoint::parse("S", endpoint).unwrap();
            let lookup = |name: &str| {
                let found = set.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            all_proxy_variable(lookup, &endpoint)
        };
        let socks = ("ALL_PROXY", "socks5://p:1080");
        for (endpoint, set, expected) in [
            ("https://c.example", &[socks][..], Some("ALL_PROXY")),
            ("http://c.example", &[("all_proxy", "http://p")], Some("all_proxy")),
            ("http://c.example", &[("ALL_PROXY", " ")], None),
            ("https://c.example", &[socks, ("HTTPS_PROXY", "p")], None),
            ("https://c.example", &[socks, ("HTTP_PROXY", "p")], Some("ALL_PROXY")),
            ("https://c.example", &[socks, ("NO_PROXY", "example")], None),
            ("https://localhost:4318", &[socks], None),
            ("unix:/run/otel.sock", &[socks], None),
        ] {
            assert_eq!(found(endpoint, set), expected, "{endpoint} {set:?}");
        }
    }
}
