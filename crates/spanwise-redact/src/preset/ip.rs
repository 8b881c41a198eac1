//! IP addresses.

use crate::rewrite::Masking;
use crate::rule::{Action, Rule};
use std::net::Ipv6Addr;

/// Addresses of both versions.
pub(super) fn rules() -> Vec<Rule> {
    let (v4, v6) = (
        r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}",
        r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]*(?:\.[0-9]{1,3}){0,3}",
    );
    [("ip_address_4", v4, replace_v4 as _), ("ip_address_6", v6, replace_v6 as _)]
        .map(|(name, sieve, replace)| {
            Rule::new(Action::Mask).with_name(name).with_function(sieve, replace)
        })
        .into()
}

fn replace_v4(text: &str, out: &mut Masking<'_>) -> bool {
    let bytes = text.as_bytes();
    let (mut at, mut copied) = (0, 0);
    while let Some(start) = position(bytes, at, u8::is_ascii_digit) {
        let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        at = position(bytes, start, |byte| !is_part(byte)).unwrap_or(bytes.len());
        let address = text.get(start..at).unwrap_or_default().trim_end_matches('.');
        // The version of a program is none, `Chrome/120.0.0.0`; the address behind the name of a host is one, `db/10.0.0.7`.
        let before = bytes.get(..start).unwrap_or_default();
        let is_version = address.ends_with(".0.0")
            && matches!(before, [.., name, b'/'] if name.is_ascii_alphabetic());
        if !is_version && is_v4(address) {
            out.text(text.get(copied..start).unwrap_or_default());
            out.secret(address);
            copied = start + address.len();
        }
    }
    finish(text, copied, out)
}

fn replace_v6(text: &str, out: &mut Masking<'_>) -> bool {
    let bytes = text.as_bytes();
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b':';
    let (mut at, mut copied) = (0, 0);
    while let Some(colon) = position(bytes, at, |byte| *byte == b':') {
        let before = bytes.get(at..colon).unwrap_or_default();
        let digits = before.iter().rev().take(4).take_while(|byte| byte.is_ascii_hexdigit());
        let start = colon - digits.count();
        at = position(bytes, colon, |byte| !is_part(byte)).unwrap_or(bytes.len());
        // The last 32 bits may have the form of version 4.
        if bytes.get(at) == Some(&b'.') {
            let is_tail = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
            at = position(bytes, at, |byte| !is_tail(byte)).unwrap_or(bytes.len());
        }
        let mut address = text.get(start..at).unwrap_or_default().trim_end_matches('.');
        // A colon behind an address ends it: `::1: connection refused`.
        if let Some(shorter) = address.strip_suffix(':').filter(|it| !it.ends_with(':')) {
            address = shorter;
        }
        // Behind the colon of a name, `ip:2001:db8::1`, and in front of a port.
        let behind_name = address.strip_prefix(':').map(|it| (start + 1, it));
        let before_port = address.rsplit_once(':').map(|(it, _)| (start, it));
        let forms = [Some((start, address)), behind_name, before_port];
        if let Some((start, address)) = forms.into_iter().flatten().find(|(_, it)| is_v6(it)) {
            out.text(text.get(copied..start).unwrap_or_default());
            out.secret(address);
            copied = start + address.len();
        }
    }
    finish(text, copied, out)
}

/// Whether a text is an address of version 4, also with leading zeros.
fn is_v4(address: &str) -> bool {
    let is_part = |part: &str| (1..=3).contains(&part.len()) && part.parse::<u8>().is_ok();
    address.split('.').count() == 4 && address.split('.').all(is_part)
}

fn is_v6(address: &str) -> bool {
    // Paths of code such as `a::b` can be read as addresses: one has digits, and two groups.
    let groups = address.split(':').filter(|group| !group.is_empty()).count();
    let has_digit = address.bytes().any(|byte| byte.is_ascii_digit());
    address == "::1" || has_digit && groups > 1 && address.parse::<Ipv6Addr>().is_ok()
}

/// The first place from `from` on whose byte is one of these.
fn position(bytes: &[u8], from: usize, is: impl Fn(&u8) -> bool) -> Option<usize> {
    bytes.get(from..)?.iter().position(is).map(|at| from + at)
}

/// Appends the rest, unless nothing is replaced.
fn finish(text: &str, copied: usize, out: &mut Masking<'_>) -> bool {
    if copied > 0 {
        out.text(text.get(copied..).unwrap_or_default());
    }
    copied > 0
}
