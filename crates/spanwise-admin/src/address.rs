//! The address that the endpoint listens at.

use crate::error::AdminError;
use spanwise_worker::{MAX_LINE_BYTES, sanitize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Parses `ADDRESS:PORT`. `localhost` is 127.0.0.1; no other name is resolved, because a name server that hangs would block the start of
/// the program.
///
/// # Errors
/// It is no such text, or the address is not a loopback one and `accepts_all` is false.
pub(crate) fn parse(text: &str, accepts_all: bool) -> Result<SocketAddr, AdminError> {
    let error = |accepted| AdminError::Setting {
        setting: "with_address",
        value: sanitize(text, MAX_LINE_BYTES),
        accepted,
    };
    let localhost = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let localhost = localhost.map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    let address = localhost.or_else(|| text.parse().ok()).ok_or_else(|| error(FORM))?;
    match accepts_all || is_loopback(address.ip()) {
        true => Ok(address),
        false => Err(error(LOOPBACK)),
    }
}

/// Whether only this machine reaches `ip`.
fn is_loopback(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
    }
}

const FORM: &str =
    "an IP address and a port, such as 127.0.0.1:9464 or [::1]:0, or localhost and a port";
const LOOPBACK: &str = "a loopback address; any other needs `with_non_loopback_address(true)` in code, since the endpoint has no authentication";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;

    #[test]
    fn loopback_addresses_are_accepted() {
        for (text, expected) in [
            ("127.0.0.1:9464", "127.0.0.1:9464"),
            ("127.8.0.1:0", "127.8.0.1:0"),
            ("localhost:9464", "127.0.0.1:9464"),
            ("[::1]:9464", "[::1]:9464"),
            ("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1"),
        ] {
            assert_eq!(parse(text, false).unwrap(), expected.parse().unwrap(), "{text}");
        }
    }

    #[test]
    fn other_addresses_need_an_explicit_setting() {
        for text in ["0.0.0.0:9464", "[::]:9464", "10.0.0.1:80", "[::ffff:10.0.0.1]:80"] {
            let error = parse(text, false).unwrap_err().to_string();
            // As the errors of the provider's builder begin.
            assert!(error.starts_with(&format!("with_address=`{text}`: accepted is ")), "{error}");
            assert!(error.contains("with_non_loopback_address"), "{error}");
            assert!(parse(text, true).is_ok(), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_accepted_form() {
        for text in
            ["", "9464", "localhost", "localhost:x", "example.com:80", "127.0.0.1:65536", "::1"]
        {
            let error = parse(text, true).unwrap_err().to_string();
            assert!(error.contains("127.0.0.1:9464"), "{error}");
        }
    }
}
