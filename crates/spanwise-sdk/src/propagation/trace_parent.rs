//! The `traceparent` header: version, trace id, parent id and flags.

use super::whitespace::trim_ows;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId};
use spanwise_wire::TraceFlags as Flags;

/// Trace id, span id and flags of a `traceparent`; both ids are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TraceParent {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    pub(super) flags: TraceFlags,
}

impl TraceParent {
    /// Reads a header of version 00, and the fields of version 00 from a header of a later version.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let header = trim_ows(header);
        let fields = header.get(..LENGTH)?.as_bytes();
        let version = byte(header.get(0..2)?)?;
        let dashes = [2, 35, 52].iter().all(|&at| fields.get(at) == Some(&b'-'));
        let ends = match (version, header.as_bytes().get(LENGTH)) {
            (FORBIDDEN_VERSION, _) => false,
            (_, None) => true,
            // A later version may append fields.
            (version, Some(b'-')) => version > 0,
            _ => false,
        };
        if !(dashes && ends) {
            return None;
        }
        let trace_id = TraceId::from(hex(header.get(3..35)?)?);
        let span_id = SpanId::from(u64::try_from(hex(header.get(36..52)?)?).ok()?);
        let flags = TraceFlags::new(byte(header.get(53..55)?)? & KNOWN_FLAGS);
        let is_valid = trace_id != TraceId::INVALID && span_id != SpanId::INVALID;
        is_valid.then_some(Self { trace_id, span_id, flags })
    }

    /// The header of version 00.
    pub(super) fn write(context: &SpanContext) -> String {
        let flags = context.trace_flags().to_u8() & KNOWN_FLAGS;
        format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id())
    }
}

fn byte(text: &str) -> Option<u8> {
    u8::try_from(hex(text)?).ok()
}

/// Lower-case hexadecimal digits, at most 32; `from_str_radix` would accept a sign and capitals.
fn hex(text: &str) -> Option<u128> {
    let is_lower_hex = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    if !text.bytes().all(is_lower_hex) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

/// Bytes of a header of version 00.
const LENGTH: usize = 55;
const FORBIDDEN_VERSION: u8 = 0xff;
/// `sampled`, and `random` of level 2; the specification requires that all other flags are zero.
const KNOWN_FLAGS: u8 = Flags::SAMPLED.0 | Flags::RANDOM.0;
