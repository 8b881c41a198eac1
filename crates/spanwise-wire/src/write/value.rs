//! Values an attribute can have, written as an `AnyValue` message.

use super::varint::{bytes_len, put_bytes, put_varint, varint_len};

/// A value that knows its `AnyValue` message.
///
/// Implemented for Rust's own numbers, strings, byte strings and slices of them, and for
/// [`Value`], which can be any of these. Implement it to write a type of yours without an
/// intermediate copy.
///
/// `max_chars` is the attribute value length limit: a string (also inside an array) keeps at most
/// so many characters, a byte string so many bytes (specification, *Attribute Limits*).
pub trait EncodeValue {
    /// Exact length of the `AnyValue` message, limit applied.
    fn encoded_len(&self, max_chars: usize) -> usize;

    /// Appends the `AnyValue` message: exactly [`encoded_len`](Self::encoded_len) bytes.
    fn encode(&self, max_chars: usize, out: &mut Vec<u8>);

    /// Whether the limit shortens this value.
    fn is_truncated(&self, max_chars: usize) -> bool {
        let _ = max_chars;
        false
    }

    /// The whole value, if it is a string: a key and a short string are written in one go.
    fn as_text(&self) -> Option<&str> {
        None
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
        let text = truncate(self, max_chars).as_bytes();
        if text.len() < 0x80 {
            out.extend_from_slice(&[STRING, text.len() as u8]);
            out.extend_from_slice(text);
        } else {
            put_bytes(out, STRING, text);
        }
    }

    #[inline(always)]
    fn is_truncated(&self, max_chars: usize) -> bool {
        truncate(self, max_chars).len() < self.len()
    }

    #[inline(always)]
    fn as_text(&self) -> Option<&str> {
        Some(self)
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

impl<I> Array<I>
where
    I: Iterator + Clone,
    I::Item: EncodeValue,
{
    fn body_len(&self, max_chars: usize) -> usize {
        self.0.clone().map(|item| bytes_len(item.encoded_len(max_chars))).sum()
    }
}

impl<I> EncodeValue for Array<I>
where
    I: Iterator + Clone,
    I::Item: EncodeValue,
{
    fn encoded_len(&self, max_chars: usize) -> usize {
        bytes_len(self.body_len(max_chars))
    }

    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        out.push(ARRAY);
        put_varint(out, self.body_len(max_chars) as u64);
        for item in self.0.clone() {
            out.push(ARRAY_ITEM);
            put_varint(out, item.encoded_len(max_chars) as u64);
            item.encode(max_chars, out);
        }
    }

    fn is_truncated(&self, max_chars: usize) -> bool {
        self.0.clone().any(|item| item.is_truncated(max_chars))
    }
}

impl<T: EncodeValue + ?Sized> EncodeValue for &T {
    #[inline(always)]
    fn encoded_len(&self, max_chars: usize) -> usize {
        (**self).encoded_len(max_chars)
    }

    #[inline(always)]
    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        (**self).encode(max_chars, out);
    }

    #[inline(always)]
    fn is_truncated(&self, max_chars: usize) -> bool {
        (**self).is_truncated(max_chars)
    }

    #[inline(always)]
    fn as_text(&self) -> Option<&str> {
        (**self).as_text()
    }
}

/// Implements [`EncodeValue`] by turning `self` into a value that has it.
macro_rules! encode_as {
    ($($type:ty, $self:ident => $value:expr;)*) => {$(
        impl EncodeValue for $type {
            #[inline(always)]
            fn encoded_len(&$self, max_chars: usize) -> usize {
                $value.encoded_len(max_chars)
            }

            #[inline(always)]
            fn encode(&$self, max_chars: usize, out: &mut Vec<u8>) {
                $value.encode(max_chars, out);
            }

            #[inline(always)]
            fn is_truncated(&$self, max_chars: usize) -> bool {
                $value.is_truncated(max_chars)
            }
        }
    )*};
}

encode_as! {
    String, self => self.as_str();
    i8, self => i64::from(*self);
    i16, self => i64::from(*self);
    i32, self => i64::from(*self);
    u8, self => i64::from(*self);
    u16, self => i64::from(*self);
    u32, self => i64::from(*self);
    f32, self => f64::from(*self);
    [&str], self => Array(self.iter());
    [String], self => Array(self.iter());
    [bool], self => Array(self.iter());
    [i64], self => Array(self.iter());
    [f64], self => Array(self.iter());
}

macro_rules! each_kind {
    ($value:expr, $inner:ident => $call:expr) => {
        match $value {
            Value::Str($inner) => $call,
            Value::Bool($inner) => $call,
            Value::I64($inner) => $call,
            Value::F64($inner) => $call,
            Value::Bytes($inner) => $call,
            Value::Strs($inner) => $call,
            Value::Bools($inner) => $call,
            Value::I64s($inner) => $call,
            Value::F64s($inner) => $call,
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

    fn is_truncated(&self, max_chars: usize) -> bool {
        each_kind!(self, value => value.is_truncated(max_chars))
    }
}

macro_rules! value_from {
    ($($type:ty => $kind:ident;)*) => {$(
        impl<'a> From<$type> for Value<'a> {
            fn from(value: $type) -> Self {
                Self::$kind(value.into())
            }
        }
    )*};
}

value_from! {
    &'a str => Str;
    bool => Bool;
    i64 => I64;
    i32 => I64;
    u32 => I64;
    u16 => I64;
    f64 => F64;
    &'a [u8] => Bytes;
    &'a [&'a str] => Strs;
    &'a [bool] => Bools;
    &'a [i64] => I64s;
    &'a [f64] => F64s;
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
            Value::F64(f64::NAN),
            Value::Bytes(b"\x00\xff"),
            Value::Strs(&["a", &long, ""]),
            Value::Bools(&[true, false]),
            Value::I64s(&[]),
            Value::F64s(&[0.0, -0.0]),
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
