//! The trait of values that can be written as an `AnyValue` message.

use crate::model::Value;

/// Encodes an attribute value as an OTLP `AnyValue` message.
///
/// Rust's own numbers, strings, byte strings, slices and lists of these, pointers to them,
/// [`Value`] and [`OwnedValue`](crate::OwnedValue) implement it. Implement it for your own type to
/// write that type without an intermediate copy.
///
/// - An integer outside the signed 64 bits of OTLP is written as the string of its decimal digits
///   (specification, *Mapping Arbitrary Data to OTLP AnyValue*).
/// - `None` sets no attribute: the writer writes and counts nothing, and an earlier value of the key
///   stays. As an element of a list, `None` is written as an empty value.
///
/// `max_chars` is the attribute value length limit: strings, also inside arrays, are cut to
/// `max_chars` characters, byte strings to `max_chars` bytes (specification, *Attribute Limits*).
///
/// The writer does not trust an implementation: an attribute whose value has another length than
/// [`encoded_len`](Self::encoded_len) returned, or is not an `AnyValue` that receivers accept, is
/// dropped and counted; the rest of the span stays.
///
/// # Cost
/// The writer calls `as_value` at most three times for an attribute, and each other method twice. A value that is not a [`Value`] is
/// written to a separate buffer, validated once, and copied.
pub trait EncodeValue {
    /// Exact length of the `AnyValue` message in bytes, with the limit applied.
    fn encoded_len(&self, max_chars: usize) -> usize;

    /// Appends the `AnyValue` message: exactly [`encoded_len`](Self::encoded_len) bytes.
    ///
    /// For the value of an attribute, `out` is empty.
    fn encode(&self, max_chars: usize, out: &mut Vec<u8>);

    /// Whether the limit shortens this value.
    fn is_truncated(&self, max_chars: usize) -> bool {
        let _ = max_chars;
        false
    }

    /// The whole value as a [`Value`], if it is one: the writer then encodes that, and calls no
    /// other method.
    #[inline(always)]
    fn as_value(&self) -> Option<Value<'_>> {
        None
    }
}
