//! Values an attribute can have, written as an `AnyValue` message.

use super::depth::Level;
use super::raw::RawWriter;
use super::varint::{bytes_len, put_bytes, put_message, put_varint, varint_len};
use crate::limits::MAX_SPAN_BYTES;

/// A value that knows its `AnyValue` message.
///
/// Implemented for Rust's own numbers, strings, byte strings, slices and lists of them, what
/// points to one of these, and [`Value`], which can be any of them. Implement it to write a type of
/// yours without an intermediate copy.
///
/// - An integer beyond the 64 bits with sign that OTLP has is written as its decimal digits, a
///   string (specification, *Mapping Arbitrary Data to OTLP AnyValue*).
/// - `None` is no attribute: nothing is written or counted, and what the key had before stays. As
///   an element of a list it is written as an empty value.
///
/// `max_chars` is the attribute value length limit: a string (also inside an array) keeps at most
/// so many characters, a byte string so many bytes (specification, *Attribute Limits*).
///
/// Nothing here has to be trusted: an attribute whose value is not as long as it said, or is not
/// an `AnyValue` that receivers read, is left out and counted; the rest of the span stays.
///
/// # Cost
/// Each method is called at most twice for an attribute. What is no scalar is written to a buffer
/// of its own, looked through once, and copied.
pub trait EncodeValue {
    /// Exact length of the `AnyValue` message, limit applied.
    fn encoded_len(&self, max_chars: usize) -> usize;

    /// Appends the `AnyValue` message: exactly [`encoded_len`](Self::encoded_len) bytes.
    ///
    /// An attribute's value is given an empty `out`.
    fn encode(&self, max_chars: usize, out: &mut Vec<u8>);

    /// Whether the limit shortens this value.
    fn is_truncated(&self, max_chars: usize) -> bool {
        let _ = max_chars;
        false
    }

    /// The whole value, if it is one of these: it is then written without asking further.
    #[inline(always)]
    fn as_scalar(&self) -> Scalar<'_> {
        Scalar::Other
    }
}

/// What most values are.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Scalar<'a> {
    /// A string.
    Text(&'a str),
    /// A signed integer.
    Int(i64),
    /// A boolean.
    Bool(bool),
    /// A double.
    Double(f64),
    /// No value: there is no attribute.
    Absent,
    /// Something else.
    Other,
}

impl Scalar<'_> {
    /// Exact length of the `AnyValue` message, limit applied.
    pub(super) fn any_len(&self, max_chars: usize) -> usize {
        match self {
            Self::Text(text) => text.encoded_len(max_chars),
            Self::Int(value) => value.encoded_len(max_chars),
            Self::Bool(value) => value.encoded_len(max_chars),
            Self::Double(value) => value.encoded_len(max_chars),
            Self::Absent | Self::Other => 0,
        }
    }

    /// Appends the `AnyValue` message, limit applied.
    pub(super) fn put_any(&self, max_chars: usize, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => text.encode(max_chars, out),
            Self::Int(value) => value.encode(max_chars, out),
            Self::Bool(value) => value.encode(max_chars, out),
            Self::Double(value) => value.encode(max_chars, out),
            Self::Absent | Self::Other => {}
        }
    }

    /// Whether the limit shortens it.
    pub(super) fn is_cut(&self, max_chars: usize) -> bool {
        matches!(self, Self::Text(text) if text.is_truncated(max_chars))
    }

    /// Exact length of the `AnyValue` message while no length in it takes more than a byte; 128 or
    /// more otherwise.
    #[inline(always)]
    pub(super) fn encoded_len(&self) -> usize {
        match self {
            Self::Text(text) => text.len() + 2,
            Self::Int(value) => 1 + varint_len(*value as u64),
            Self::Bool(_) => 2,
            Self::Double(_) => 9,
            Self::Absent | Self::Other => 0x80,
        }
    }

    #[inline(always)]
    pub(super) fn is_longer_than(&self, max_chars: usize) -> bool {
        // A string has at most as many characters as bytes.
        matches!(self, Self::Text(text) if text.len() > max_chars)
    }

    /// Stores the `AnyValue` message.
    ///
    /// # Safety
    /// There is room for [`encoded_len`](Self::encoded_len) bytes, which is below 128.
    #[inline(always)]
    pub(super) unsafe fn put(&self, room: &mut RawWriter<'_>) {
        // SAFETY: what is stored is as long as `encoded_len` says.
        unsafe {
            match self {
                Self::Text(text) => {
                    room.array([STRING, text.len() as u8]);
                    room.slice(text.as_bytes());
                }
                Self::Int(value) => {
                    room.array([INT]);
                    room.varint(*value as u64);
                }
                Self::Bool(value) => room.array([BOOL, u8::from(*value)]),
                Self::Double(value) => {
                    room.array([DOUBLE]);
                    room.array(value.to_le_bytes());
                }
                Self::Absent | Self::Other => {}
            }
        }
    }
}

/// A borrowed value of any kind that OTLP knows for attributes, for lists of mixed values.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A string.
    Str(&'a str),
    /// A boolean.
    Bool(bool),
    /// A signed integer.
    I64(i64),
    /// An unsigned integer: a number up to [`i64::MAX`], decimal digits beyond.
    U64(u64),
    /// A double; NaN and infinities are kept bit for bit.
    F64(f64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Strings.
    Strs(&'a [&'a str]),
    /// Booleans.
    Bools(&'a [bool]),
    /// Signed integers.
    I64s(&'a [i64]),
    /// Doubles.
    F64s(&'a [f64]),
    /// Strings.
    Strings(&'a [String]),
    /// A string of one character.
    Char(char),
    /// No value: there is no attribute.
    Absent,
}

/// `text` cut to `max_chars` characters, always between two characters.
///
/// Looks at no more than the kept part: the cost of a 100 MB string is that of its first
/// `max_chars` characters.
#[inline(always)]
pub fn truncate(text: &str, max_chars: usize) -> &str {
    // A string has at most as many characters as bytes.
    if text.len() <= max_chars { text } else { truncate_long(text, max_chars) }
}

#[cold]
fn truncate_long(text: &str, max_chars: usize) -> &str {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

impl EncodeValue for str {
    #[inline(always)]
    fn encoded_len(&self, max_chars: usize) -> usize {
        bytes_len(truncate(self, max_chars).len())
    }

    #[inline(always)]
    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        put_bytes(out, STRING, truncate(self, max_chars).as_bytes());
    }

    #[inline(always)]
    fn is_truncated(&self, max_chars: usize) -> bool {
        truncate(self, max_chars).len() < self.len()
    }

    #[inline(always)]
    fn as_scalar(&self) -> Scalar<'_> {
        Scalar::Text(self)
    }
}

impl EncodeValue for bool {
    #[inline(always)]
    fn encoded_len(&self, _: usize) -> usize {
        2
    }

    #[inline(always)]
    fn encode(&self, _: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&[BOOL, u8::from(*self)]);
    }

    #[inline(always)]
    fn as_scalar(&self) -> Scalar<'_> {
        Scalar::Bool(*self)
    }
}

impl EncodeValue for i64 {
    #[inline(always)]
    fn encoded_len(&self, _: usize) -> usize {
        1 + varint_len(*self as u64)
    }

    #[inline(always)]
    fn encode(&self, _: usize, out: &mut Vec<u8>) {
        out.push(INT);
        put_varint(out, *self as u64);
    }

    #[inline(always)]
    fn as_scalar(&self) -> Scalar<'_> {
        Scalar::Int(*self)
    }
}

impl EncodeValue for f64 {
    #[inline(always)]
    fn encoded_len(&self, _: usize) -> usize {
        9
    }

    #[inline(always)]
    fn encode(&self, _: usize, out: &mut Vec<u8>) {
        out.push(DOUBLE);
        out.extend_from_slice(&self.to_le_bytes());
    }

    #[inline(always)]
    fn as_scalar(&self) -> Scalar<'_> {
        Scalar::Double(*self)
    }
}

impl EncodeValue for [u8] {
    fn encoded_len(&self, max_chars: usize) -> usize {
        bytes_len(self.len().min(max_chars))
    }

    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        put_bytes(out, BYTES, self.get(..max_chars).unwrap_or(self));
    }

    fn is_truncated(&self, max_chars: usize) -> bool {
        self.len() > max_chars
    }
}

/// An array whose elements come from an iterator that can be walked twice.
///
/// Arrays may lie in arrays, up to [`MAX_DEPTH`](crate::read::MAX_DEPTH) of them: receivers refuse
/// what lies deeper, and an attribute that does is left out.
///
/// # Cost
/// Linear in the number of elements, at any depth: each method asks an element once.
///
/// ```
/// use spanwise_wire::write::{Array, EncodeValue};
///
/// let ports = [80u16, 443];
/// let value = Array(ports.iter().map(|&port| i64::from(port)));
/// let mut out = Vec::new();
/// value.encode(usize::MAX, &mut out);
/// assert_eq!(out.len(), value.encoded_len(usize::MAX));
/// ```
#[derive(Debug, Clone)]
pub struct Array<I>(pub I);

impl<I> EncodeValue for Array<I>
where
    I: Iterator + Clone,
    I::Item: EncodeValue,
{
    fn encoded_len(&self, max_chars: usize) -> usize {
        // Too deep: a length that fits nowhere.
        let Some(_level) = Level::enter() else { return usize::MAX };
        let items = self.0.clone().map(|item| bytes_len(item.encoded_len(max_chars)));
        bytes_len(items.fold(0, usize::saturating_add))
    }

    /// Lengths are filled in behind the elements: asking for them first would ask each element
    /// again for every array it lies in.
    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        let Some(_level) = Level::enter() else { return };
        put_message(out, ARRAY, |out| {
            for item in self.0.clone() {
                put_message(out, ARRAY_ITEM, |out| item.encode(max_chars, out));
                // The second walk may have no end where the first had one.
                if out.len() > MAX_SPAN_BYTES {
                    break;
                }
            }
        });
    }

    fn is_truncated(&self, max_chars: usize) -> bool {
        let Some(_level) = Level::enter() else { return false };
        self.0.clone().any(|item| item.is_truncated(max_chars))
    }
}

macro_rules! each_kind {
    ($value:expr, $inner:ident => $call:expr) => {
        match $value {
            Value::Str($inner) => $call,
            Value::Bool($inner) => $call,
            Value::I64($inner) => $call,
            Value::U64($inner) => $call,
            Value::F64($inner) => $call,
            Value::Bytes($inner) => $call,
            Value::Strs($inner) => $call,
            Value::Bools($inner) => $call,
            Value::I64s($inner) => $call,
            Value::F64s($inner) => $call,
            Value::Strings($inner) => $call,
            Value::Char($inner) => $call,
            Value::Absent => {
                let $inner = None::<bool>;
                $call
            }
        }
    };
}

impl EncodeValue for Value<'_> {
    fn encoded_len(&self, max_chars: usize) -> usize {
        each_kind!(self, value => value.encoded_len(max_chars))
    }

    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        each_kind!(self, value => value.encode(max_chars, out));
    }

    #[inline(always)]
    fn as_scalar(&self) -> Scalar<'_> {
        match *self {
            Value::Str(text) => Scalar::Text(text),
            Value::I64(value) => Scalar::Int(value),
            Value::U64(value) => i64::try_from(value).map_or(Scalar::Other, Scalar::Int),
            Value::Bool(value) => Scalar::Bool(value),
            Value::F64(value) => Scalar::Double(value),
            Value::Absent => Scalar::Absent,
            _ => Scalar::Other,
        }
    }

    fn is_truncated(&self, max_chars: usize) -> bool {
        each_kind!(self, value => value.is_truncated(max_chars))
    }
}

/// Keys of `AnyValue`'s and `ArrayValue`'s fields (`opentelemetry/proto/common/v1/common.proto`).
pub(super) const STRING: u8 = 0x0a;
const BOOL: u8 = 0x10;
const INT: u8 = 0x18;
const DOUBLE: u8 = 0x21;
const ARRAY: u8 = 0x2a;
const BYTES: u8 = 0x3a;
const ARRAY_ITEM: u8 = 0x0a;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncates_between_characters() {
        // One, two, three and four bytes a character.
        let text = "aé漢🦀";
        for (max, kept) in [(0, ""), (1, "a"), (2, "aé"), (3, "aé漢"), (4, text), (9, text)] {
            assert_eq!(truncate(text, max), kept);
        }
    }

    #[test]
    fn lengths_are_exact() {
        let long = "x".repeat(300);
        let values = [
            Value::Str(""),
            Value::Str(&long),
            Value::Bool(false),
            Value::I64(-1),
            Value::I64(i64::MAX),
            Value::U64(u64::MAX),
            Value::Char('é'),
            Value::Absent,
            Value::F64(f64::NAN),
            Value::Bytes(b"\x00\xff"),
            Value::Strs(&["a", &long, ""]),
            Value::Bools(&[true, false]),
            Value::I64s(&[]),
            Value::F64s(&[0.0, -0.0]),
            Value::Strings(&["b".to_owned()]),
        ];
        for value in values {
            for limit in [0, 1, 100, usize::MAX] {
                let mut out = Vec::new();
                value.encode(limit, &mut out);
                assert_eq!(out.len(), value.encoded_len(limit), "{value:?} at {limit}");
            }
        }
    }
}
