//! The `tracestate` header: members of several tracing systems, within the limits of the W3C.

use super::whitespace::trim_ows;
use opentelemetry::trace::TraceState;

/// Reads the headers as one list, in their order. One member that breaks the grammar, or a member
/// above the 32nd, discards the whole list (W3C Trace Context, *tracestate*).
pub(super) fn parse<'a>(headers: impl IntoIterator<Item = &'a str>) -> TraceState {
    let members = headers.into_iter().flat_map(|header| header.split(',')).map(trim_ows);
    let mut parsed = Vec::new();
    for member in members.filter(|member| !member.is_empty()) {
        match pair(member) {
            Some(valid) if parsed.len() < MAX_MEMBERS => parsed.push(valid),
            _ => return TraceState::NONE,
        }
    }
    let is_held = |member: &(&str, &str)| TraceState::from_key_value([*member]).is_ok();
    TraceState::from_key_value(parsed.iter().copied()).unwrap_or_else(|_| {
        // The API rejects some keys with `@` that level 2 allows. The other members stay valid.
        TraceState::from_key_value(parsed.into_iter().filter(is_held)).unwrap_or_default()
    })
}

/// The header of at most 512 characters; `None` if no member is left.
///
/// A longer list loses members above 128 characters first, from its end, and then any from its end,
/// as the W3C recommends. It drops a member that the API accepts and that is invalid in a header: an
/// empty key or value, a space at the end, other characters.
pub(super) fn write(state: &TraceState) -> Option<String> {
    if *state == TraceState::NONE {
        return None;
    }
    let header = state.header();
    if header.len() <= MAX_HEADER && header.split(',').all(|member| pair(member).is_some()) {
        return Some(header);
    }
    let mut members: Vec<_> = header.split(',').filter(|member| pair(member).is_some()).collect();
    for removable in [MAX_PREFERRED, 0] {
        for at in (0..members.len()).rev() {
            if length(&members) <= MAX_HEADER {
                break;
            }
            if members.get(at).is_some_and(|member| member.len() > removable) {
                members.remove(at);
            }
        }
    }
    (!members.is_empty()).then(|| members.join(","))
}

/// The length in characters of the header of `members`.
fn length(members: &[&str]) -> usize {
    members.iter().map(|member| member.len() + 1).sum::<usize>().saturating_sub(1)
}

/// Key and value of a member that a reader accepts. One that it refuses would discard the whole list.
fn pair(member: &str) -> Option<(&str, &str)> {
    let (key, value) = member.split_once('=')?;
    (is_key(key) && is_value(value)).then_some((key, value))
}

fn is_key(key: &str) -> bool {
    let is_start = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_key_byte = |byte: u8| is_start(byte) || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@');
    key.len() <= MAX_TEXT
        && key.bytes().next().is_some_and(is_start)
        && key.bytes().all(is_key_byte)
}

/// A value ends in a character that is no space: a reader takes spaces at the end for optional
/// whitespace.
fn is_value(value: &str) -> bool {
    let is_value_byte = |byte: u8| is_printable(byte) && !matches!(byte, b',' | b'=');
    (1..=MAX_TEXT).contains(&value.len())
        && !value.ends_with(' ')
        && value.bytes().all(is_value_byte)
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e)
}

/// Members of a list.
const MAX_MEMBERS: usize = 32;
/// Characters of a key, and of a value.
const MAX_TEXT: usize = 256;
/// Characters that every tracing system should pass on.
const MAX_HEADER: usize = 512;
/// Members above this length are removed first.
const MAX_PREFERRED: usize = 128;
