//! The names of peers: what the ring hashes, and what the transport connects to.

use spanwise_transport::{Endpoint, EndpointError};

/// The names in order, each once.
///
/// # Errors
/// There is none, or there are more than the ring has space for.
pub(super) fn checked(mut names: Vec<String>) -> Result<Vec<String>, String> {
    names.sort_unstable();
    names.dedup();
    match names.len() {
        0 => Err("there is no peer".to_owned()),
        1..=MAX_PEERS => Ok(names),
        more => Err(format!("there are {more} peers; accepted are 1 to {MAX_PEERS}")),
    }
}

/// Checks the name of a peer in a list or a file.
///
/// # Errors
/// The form that is accepted.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    let is_host = !name.contains("://")
        && !name.contains(['/', ' ', '@', '\t'])
        && endpoint_of(name, false).is_ok();
    is_host.then_some(()).ok_or(
        "a host and a port are expected, such as `sampler-1:4317`, without a scheme and a path",
    )
}

/// The endpoint of a peer: a name without a port has the port 4317, as in the Collector.
///
/// # Errors
/// The name is no host.
pub(crate) fn endpoint_of(name: &str, uses_tls: bool) -> Result<Endpoint, EndpointError> {
    let scheme = if uses_tls { "https" } else { "http" };
    let port = if has_port(name) { "" } else { ":4317" };
    // With the path of OTLP/HTTP, which gRPC ignores.
    Endpoint::parse_base("gateway.resolver", &format!("{scheme}://{name}{port}"))
}

fn has_port(name: &str) -> bool {
    // Behind the bracket of an IPv6 address.
    let host_end = name.rfind(']').map_or(0, |at| at + 1);
    name.get(host_end..).is_some_and(|rest| rest.contains(':'))
}

/// The most of [`Ring`](spanwise_transport::Ring).
pub(super) const MAX_PEERS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_port_has_the_default_one() {
        for (name, expected) in [
            ("sampler-1", "sampler-1:4317"),
            ("sampler-1:55690", "sampler-1:55690"),
            ("10.0.0.1", "10.0.0.1:4317"),
            ("[2001:db8::1]", "[2001:db8::1]:4317"),
            ("[2001:db8::1]:9", "[2001:db8::1]:9"),
        ] {
            for uses_tls in [false, true] {
                let endpoint = endpoint_of(name, uses_tls).unwrap();
                assert_eq!((endpoint.authority(), endpoint.path()), (expected, "/v1/traces"));
                assert_eq!(endpoint.is_https(), uses_tls);
            }
        }
        for name in ["", "two names", "a:b:c"] {
            assert!(endpoint_of(name, false).is_err(), "{name:?}");
        }
    }

    #[test]
    fn names_are_sorted_and_at_most_a_thousand() {
        let name = |number: usize| format!("{number}");
        assert_eq!(checked(vec![name(2), name(1), name(2)]), Ok(vec![name(1), name(2)]));
        assert!(checked((0..1_000).map(name).collect()).is_ok());
        assert!(checked((0..1_001).map(name).collect()).is_err());
        assert!(checked(Vec::new()).is_err());
    }
}
