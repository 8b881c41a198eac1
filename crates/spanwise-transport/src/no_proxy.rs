//! The hosts that a proxy does not serve: `NO_PROXY`.

use std::net::IpAddr;

/// Hosts that are reached without a proxy, by the rules that curl and Go share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NoProxy {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    All,
    Address(IpAddr, Option<u16>),
    /// An address and the length of its prefix.
    Network(IpAddr, u8),
    Domain {
        /// In lower case, without a dot at either end.
        name: String,
        /// Whether only its subdomains are meant: `.example.com`.
        subdomains: bool,
        port: Option<u16>,
    },
}

impl NoProxy {
    /// Parses a list with commas. An entry that is neither host nor network matches nothing.
    pub(crate) fn parse(list: &str) -> Self {
        Self { entries: list.split(',').filter_map(|entry| Entry::parse(entry.trim())).collect() }
    }

    /// Whether `port` of `host`, a name or an address without brackets, is reached without a proxy.
    /// `localhost` and addresses of the loopback always are.
    pub(crate) fn contains(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok();
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        self.entries.iter().any(|entry| entry.matches(&host, address, port))
    }
}

impl Entry {
    fn parse(entry: &str) -> Option<Self> {
        if entry.is_empty() {
            return None;
        }
        if entry == "*" {
            return Some(Self::All);
        }
        if let Some((address, len)) = entry.split_once('/') {
            let (address, len) = (address.parse::<IpAddr>().ok()?, len.parse::<u8>().ok()?);
            let max = if address.is_ipv4() { 32 } else { 128 };
            return (len <= max).then_some(Self::Network(address, len));
        }
        if let Ok(address) = entry.parse::<IpAddr>() {
            return Some(Self::Address(address, None));
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse::<u16>().ok()?)),
            None => (entry, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self::Address(address, port));
        }
        // `*.example.com` is what `.example.com` is.
        let host = host.strip_prefix('*').unwrap_or(host);
        let subdomains = host.starts_with('.');
        let name = host.trim_matches('.').to_ascii_lowercase();
        (!name.is_empty()).then_some(Self::Domain { name, subdomains, port })
    }

    fn matches(&self, host: &str, address: Option<IpAddr>, at: u16) -> bool {
        match self {
            Self::All => true,
            Self::Address(own, port) => {
                address.is_some_and(|address| address.to_canonical() == own.to_canonical())
                    && port.is_none_or(|port| port == at)
            }
            Self::Network(own, len) => {
                address.is_some_and(|address| in_network(address, *own, *len))
            }
            Self::Domain { name, subdomains, port } => {
                let before = host.strip_suffix(name.as_str());
                let matches = before.is_some_and(|before| match before {
                    "" => !subdomains,
                    before => before.ends_with('.'),
                });
                matches && port.is_none_or(|port| port == at)
            }
        }
    }
}

fn in_network(address: IpAddr, network: IpAddr, len: u8) -> bool {
    let shared = match (address.to_canonical(), network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u32::from(one) ^ u32::from(other)).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            (u128::from(one) ^ u128::from(other)).leading_zeros()
        }
        _ => return false,
    };
    shared >= u32::from(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_match_as_in_curl_and_go() {
        for (list, host, port, expected) in [
            ("", "a.example", 443, false),
            ("*", "a.example", 443, true),
            ("x,*", "a.example", 443, true),
            ("example", "a.example", 443, true),
            ("example", "example", 443, true),
            ("ample", "a.example", 443, false),
            (".example", "a.example", 443, true),
            (".example", "example", 443, false),
            ("*.example", "a.b.example", 443, true),
            ("*.example", "example", 443, false),
            ("EXAMPLE", "A.Example.", 443, true),
            (" b.test , a.example ", "a.example", 443, true),
            ("a.example:4317", "a.example", 4317, true),
            ("a.example:4317", "a.example", 4318, false),
            ("a.example:no", "a.example", 4318, false),
            ("10.1.2.3", "10.1.2.3", 1, true),
            ("10.1.2.3:2", "10.1.2.3", 1, false),
            ("10.1.2.3", "10.1.2.30", 1, false),
            ("10.0.0.0/8", "10.9.9.9", 1, true),
            ("10.0.0.0/8", "11.0.0.1", 1, false),
            ("0.0.0.0/0", "11.0.0.1", 1, true),
            ("10.0.0.0/33", "10.0.0.1", 1, false),
            ("10.0.0.0/8", "10.example", 1, false),
            ("fd00::/8", "fd12::1", 1, true),
            ("fd00::/8", "fe80::1", 1, false),
            ("fd12::1", "fd12:0:0::1", 1, true),
            ("[fd12::1]:5", "fd12::1", 5, true),
            ("[fd12::1]:5", "fd12::1", 6, false),
            (".", "a.example", 1, false),
            ("", "localhost", 1, true),
            ("", "LOCALHOST", 1, true),
            ("", "127.9.9.9", 1, true),
            ("", "::1", 1, true),
            ("", "localhost.example", 1, false),
        ] {
            assert_eq!(NoProxy::parse(list).contains(host, port), expected, "{list} {host}:{port}");
        }
    }
}
