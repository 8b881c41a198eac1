//! The check of the `Host` header, against DNS rebinding.

use std::net::{IpAddr, Ipv6Addr};

/// Whether a request for this `Host` (RFC 9110, section 7.2) is answered.
///
/// A web page of another site can make its own name resolve to 127.0.0.1, and so make a browser send requests here. Those have the
/// page's name in `Host`. So only IP addresses, `localhost` and the names in `allowed` are accepted, with any port.
pub(crate) fn is_accepted(host: &str, allowed: &[String]) -> bool {
    let Some(name) = name_of(host) else { return false };
    let inner = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => {
            name.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4())
                || name.eq_ignore_ascii_case("localhost")
                || allowed.iter().any(|allowed| name.eq_ignore_ascii_case(allowed))
        }
    }
}

/// The host without its port; `None` for an invalid port.
fn name_of(host: &str) -> Option<&str> {
    // The colons of an IPv6 address are in brackets.
    let end = host.rfind(']').map_or(0, |at| at + 1);
    let (name, port) = match host.get(end..)?.find(':') {
        Some(at) => (host.get(..end + at)?, host.get(end + at + 1..)?),
        None => (host, ""),
    };
    port.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::is_accepted;

    #[test]
    fn addresses_localhost_and_allowed_names_are_accepted() {
        let allowed = ["admin.example".to_owned()];
        for host in [
            "127.0.0.1",
            "127.0.0.1:9464",
            "localhost",
            "LOCALHOST:80",
            "[::1]",
            "[::1]:9464",
            "10.1.2.3:9464",
            "admin.example",
            "Admin.Example:1",
        ] {
            assert!(is_accepted(host, &allowed), "{host}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        let allowed = ["admin.example".to_owned()];
        for host in [
            "",
            ":80",
            "attacker.example",
            "127.0.0.1.attacker.example",
            "localhost.attacker.example:9464",
            "admin.example.attacker.example",
            "localhost:80:80",
            "localhost:x",
            "localhost@attacker.example",
            "[::1",
            "[attacker.example]",
            "::1",
            "[::1]attacker.example",
        ] {
            assert!(!is_accepted(host, &allowed), "{host}");
        }
    }
}
