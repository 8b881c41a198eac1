//! An attribute's value that borrows its data.

use super::OwnedValue;
use std::borrow::Cow;
use std::sync::Arc;

/// The value of an attribute, borrowed, of any kind that OTLP has: the counterpart of
/// [`OwnedValue`].
///
/// `into()` makes one of numbers, strings, slices and lists of these, `usize`, and `Option`: `None`
/// becomes [`Absent`](Self::Absent).
///
/// ```
/// use spanwise_wire::Value;
///
/// let items = vec![String::from("book")];
/// let attributes: [(&str, Value<'_>); 3] =
///     [("count", items.len().into()), ("items", (&items).into()), ("coupon", None::<&str>.into())];
/// assert_eq!(attributes[0].1, Value::U64(1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A string.
    Str(&'a str),
    /// A boolean.
    Bool(bool),
    /// A signed integer.
    I64(i64),
    /// An unsigned integer: a number up to [`i64::MAX`], beyond it the string of its decimal digits.
    U64(u64),
    /// A double. NaN and infinities keep their bits.
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
    /// Strings of the OpenTelemetry API.
    #[cfg(feature = "opentelemetry")]
    ApiStrings(&'a [opentelemetry::StringValue]),
    /// Values, also of different kinds.
    Array(&'a [OwnedValue]),
    /// A string of one character.
    Char(char),
    /// No value: the attribute is not set.
    Absent,
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
    char => Char;
    i8 => I64;
    i16 => I64;
    i32 => I64;
    i64 => I64;
    u8 => I64;
    u16 => I64;
    u32 => I64;
    u64 => U64;
    f32 => F64;
    f64 => F64;
    &'a [u8] => Bytes;
    &'a [&'a str] => Strs;
    &'a [bool] => Bools;
    &'a [i64] => I64s;
    &'a [f64] => F64s;
    &'a [String] => Strings;
    &'a [OwnedValue] => Array;
}

/// No supported target has a `usize` of more than 64 bits.
impl From<usize> for Value<'_> {
    fn from(value: usize) -> Self {
        Self::U64(value as u64)
    }
}

impl From<isize> for Value<'_> {
    fn from(value: isize) -> Self {
        Self::I64(value as i64)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Str(text)
    }
}

impl<'a> From<&'a Cow<'_, str>> for Value<'a> {
    fn from(text: &'a Cow<'_, str>) -> Self {
        Self::Str(text)
    }
}

impl<'a> From<&'a Arc<str>> for Value<'a> {
    fn from(text: &'a Arc<str>) -> Self {
        Self::Str(text)
    }
}

impl<'a> From<&'a Box<str>> for Value<'a> {
    fn from(text: &'a Box<str>) -> Self {
        Self::Str(text)
    }
}

impl<'a, T> From<&'a Vec<T>> for Value<'a>
where
    &'a [T]: Into<Value<'a>>,
{
    fn from(items: &'a Vec<T>) -> Self {
        items.as_slice().into()
    }
}

impl<'a, T, const N: usize> From<&'a [T; N]> for Value<'a>
where
    &'a [T]: Into<Value<'a>>,
{
    fn from(items: &'a [T; N]) -> Self {
        items.as_slice().into()
    }
}

/// `None` is [`Value::Absent`].
impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}
