//! The trace state: the `ot` member with `th` and `rv`, read and edited as text.
//!
//! Nothing here builds a list of members: reading borrows, editing copies what stays.

use crate::threshold::{Randomness, Threshold};
use std::fmt::{self, Write as _};

/// The OpenTelemetry member of a trace state, as far as sampling reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OtMember<'a> {
    /// The threshold the parent was kept with.
    pub th: Option<Threshold>,
    /// Randomness that stands above the trace id's.
    pub rv: Option<Randomness>,
    text: &'a str,
}

/// A member that breaks the specification's grammar; none of it is believed.
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
    /// As `Display`: it is what a `main` that returns an error prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'a> OtMember<'a> {
    /// Reads the value of the member `ot`.
    ///
    /// # Errors
    /// More than 256 bytes, a pair that is none, a character that may not be there, a key twice, a
    /// `th` that is not 1 to 14 lower-case hexadecimal digits, or an `rv` that is not 14.
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
            // At most 85 pairs fit: they are compared with each other.
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

    /// Reads the member `ot` of a whole `tracestate` header; `None` if it has none.
    ///
    /// # Errors
    /// The member breaks the grammar, has a blank before `=`, or occurs twice (W3C Trace Context,
    /// *tracestate*).
    pub fn of_header(header: &'a str) -> Result<Option<Self>, Malformed> {
        Self::of_members(members(header))
    }

    /// As [`of_header`](Self::of_header), of members that are apart already.
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

    /// Appends the member with `th` instead of its own threshold, or without any: `rv`, then `th`,
    /// then the rest as it was. Appends nothing when nothing would be left.
    ///
    /// The value stays within 256 bytes: what does not fit of the rest is left out.
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

/// The value of the member `key` in a `tracestate` header.
pub fn member<'h>(header: &'h str, key: &str) -> Option<&'h str> {
    members(header).find_map(|(name, value)| (name == key).then_some(value))
}

/// Appends `header` with the member `key` set to `value` and moved to the front, or with it taken
/// out, all of them if there are several. Other members stay as they are and where they are, up to
/// the 32 that a header may have: those at its end give way (W3C Trace Context, *tracestate*).
pub fn write_header(header: &str, key: &str, value: Option<&str>, out: &mut String) {
    let start = out.len();
    if let Some(value) = value {
        let _infallible = write!(out, "{key}={value}");
    }
    let room = MAX_MEMBERS - usize::from(value.is_some());
    for (name, value) in members(header).filter(|(name, _)| !is_named(name, key)).take(room) {
        if out.len() > start {
            out.push(',');
        }
        let _infallible = write!(out, "{name}={value}");
    }
}

fn members(header: &str) -> impl Iterator<Item = (&str, &str)> {
    header.split(',').filter_map(|member| member.trim_matches([' ', '\t']).split_once('='))
}

/// Blanks around a key are not allowed, but some readers pass over them.
fn is_named(name: &str, key: &str) -> bool {
    name == key || name.trim_matches([' ', '\t']) == key
}

/// Keys with their values; without a value where the colon is missing.
fn pairs(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    // An empty text has no pairs, not one that is empty.
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

/// The key of OpenTelemetry's member.
pub const OT: &str = "ot";
const TH: &str = "th";
const RV: &str = "rv";
/// Bytes of a member's value (specification, *TraceState handling*).
const MAX_MEMBER: usize = 256;
/// Members of a header (W3C Trace Context).
const MAX_MEMBERS: usize = 32;
