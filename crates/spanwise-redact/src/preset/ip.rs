//! IP addresses.

use crate::rule::{Action, Rule};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Addresses of both versions.
pub(super) fn rules() -> Vec<Rule> {
    let (v4, v6) = (
        // With the letter before it, if this is the version of a program: `Chrome/120.0.0.0`.
        r"(?:[A-Za-z]/)?[0-9]{1,3}(?:\.[0-9]{1,3}){3,}",
        r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,8}(?:\.[0-9]{1,3}){0,3}",
    );
    [("ip_address_4", v4, replace_v4 as _), ("ip_address_6", v6, replace_v6 as _)]
        .map(|(name, pattern, replace)| {
            Rule::new(Action::Mask).with_name(name).with_replacement(pattern, replace)
        })
        .into()
}

fn replace_v4(matched: &str, mask: &dyn Fn(&str) -> String, out: &mut String) -> bool {
    let is_address = matched.parse::<Ipv4Addr>().is_ok();
    if is_address {
        out.push_str(&mask(matched));
    }
    is_address
}

fn replace_v6(matched: &str, mask: &dyn Fn(&str) -> String, out: &mut String) -> bool {
    // Paths of code such as `a::b` can be read as addresses: one has digits, or three groups.
    let groups = matched.split(':').filter(|group| !group.is_empty()).count();
    let has_digit = matched.bytes().any(|byte| byte.is_ascii_digit());
    let is_address =
        matched.parse::<Ipv6Addr>().is_ok() && has_digit && groups > 1 || matched == "::1";
    if is_address {
        out.push_str(&mask(matched));
    }
    is_address
}
