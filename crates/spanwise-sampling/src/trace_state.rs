//! The trace state: the `ot` member with `th` and `rv`, read and edited as text.
//!
//! No function builds a list of members: parsing borrows the text, editing copies the members that
//! stay.

use crate::threshold::{Randomness, Threshold};
use std::fmt::{self, Write as _};

/// The `ot` member of a trace state (specification, *TraceState Handling*), as far as samplers read
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OtMember<'a> {
    /// The threshold of the parent's sampler.
    pub th: Option<Threshold>,
    /// Explicit randomness, which replaces that of the trace id.
    pub rv: Option<Randomness>,
    text: &'a str,
}

/// The `ot` member breaks the specification's grammar; samplers ignore all of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not an OpenTelemetry trace state: accepted are key:value pairs separated by `;`",
        )
    }
}

impl std::error::Error for Malformed {}

impl fmt::Debug for Malformed {
    /// Equals `Display`: a `main` that returns an error prints its `Debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'a> OtMember<'a> {
    /// Parses the value of the member `ot`.
    ///
    /// # Errors
    /// Empty, more than 256 bytes, a pair without `:`, a character outside the grammar, a repeated
    /// key, a `th` that is not 1 to 14 lower-case hexadecimal digits, or an `rv` that is not 14.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        if text.is_empty() || text.len() > MAX_MEMBER {
            return Err(Malformed);
        }
        let mut member = Self { th: None, rv: None, text };
        for (place, (key, value)) in pairs(text).enumerate() {
            if !is_key(key) {
                return Err(Malformed);
            }
            let value = value.filter(|value| value.bytes().all(is_value_byte)).ok_or(Malformed)?;
            // At most 85 pairs fit, so comparing all of them is cheap.
            if pairs(text).take(place).any(|(before, _)| before == key) {
                return Err(Malformed);
            }
            match key {
                TH => member.th = Some(Threshold::parse(value).ok_or(Malformed)?),
                RV => member.rv = Some(Randomness::parse(value).ok_or(Malformed)?),
                _ => {}
            }
        }
        Ok(member)
    }

    /// Parses the member `ot` of a `tracestate` header; `None` if the header has none.
    ///
    /// # Errors
    /// The member breaks the grammar, has a blank before `=`, or occurs twice (W3C Trace Context,
    /// *tracestate*).
    pub fn of_header(header: &'a str) -> Result<Option<Self>, Malformed> {
        Self::of_members(members(header))
    }

    /// As [`of_header`](Self::of_header), for members that are already separated.
    pub(crate) fn of_members(
        members: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Option<Self>, Malformed> {
        let mut found = members.filter(|(name, _)| is_named(name, OT));
        let Some((name, value)) = found.next() else { return Ok(None) };
        if name != OT || found.next().is_some() {
            return Err(Malformed);
        }
        Self::parse(value).map(Some)
    }

    /// Appends the member with the threshold `th`, or without a threshold, to `out`: `rv`, then `th`,
    /// then the other sub-keys unchanged. Appends nothing if the member would be empty.
    ///
    /// The value stays within 256 bytes: sub-keys that do not fit are left out.
    pub fn write(&self, th: Option<Threshold>, out: &mut String) {
        let start = out.len();
        if let Some(rv) = self.rv {
            let _infallible = write!(out, "{RV}:{rv}");
        }
        if let Some(th) = th {
            separate(out, start);
            let _infallible = write!(out, "{TH}:{th}");
        }
        for (key, value) in pairs(self.text).filter(|(key, _)| *key != TH && *key != RV) {
            let value = value.unwrap_or_default();
            let separator = usize::from(out.len() > start);
            if out.len() - start + separator + key.len() + 1 + value.len() > MAX_MEMBER {
                break;
            }
            separate(out, start);
            let _infallible = write!(out, "{key}:{value}");
        }
    }
}

/// The value of the member `key` of a `tracestate` header.
pub fn member<'h>(header: &'h str, key: &str) -> Option<&'h str> {
    members(header).find_map(|(name, value)| (name == key).then_some(value))
}

/// Appends `header` to `out` with the member `key` set to `value` and moved to the front, or removed;
/// repeated members of that key are removed too. Other members stay unchanged and in order, up to the
/// 32 that a header may have: the last ones are removed (W3C Trace Context, *tracestate*).
pub fn write_header(header: &str, key: &str, value: Option<&str>, out: &mut String) {
    let start = out.len();
    if let Some(value) = value {
        let _infallible = write!(out, "{key}={value}");
    }
    let others = MAX_MEMBERS - usize::from(value.is_some());
    for (name, value) in members(header).filter(|(name, _)| !is_named(name, key)).take(others) {
        if out.len() > start {
            out.push(',');
        }
        let _infallible = write!(out, "{name}={value}");
    }
}

fn members(header: &str) -> impl Iterator<Item = (&str, &str)> {
    header.split(',').filter_map(|member| member.trim_matches([' ', '\t']).split_once('='))
}

/// Whether a member has this key. The grammar allows no blanks around a key, but some parsers skip
/// them.
fn is_named(name: &str, key: &str) -> bool {
    name == key || name.trim_matches([' ', '\t']) == key
}

/// The keys with their values; `None` where the colon is missing.
fn pairs(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    // An empty text has no pairs, not one empty pair.
    text.split(';').filter(move |_| !text.is_empty()).map(|pair| match pair.split_once(':') {
        Some((key, value)) => (key, Some(value)),
        None => (pair, None),
    })
}

fn is_key(key: &str) -> bool {
    let letter = key.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    letter && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn is_value_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

fn separate(out: &mut String, start: usize) {
    if out.len() > start {
        out.push(';');
    }
}

/// The key of OpenTelemetry's member of a trace state.
pub const OT: &str = "ot";
const TH: &str = "th";
const RV: &str = "rv";
/// The maximum length of a member's value, in bytes (specification, *TraceState Handling*).
const MAX_MEMBER: usize = 256;
/// The maximum number of members of a header (W3C Trace Context).
const MAX_MEMBERS: usize = 32;
