//! An attribute's value that owns its data.

use super::StringValue;
use std::borrow::Cow;
use std::sync::Arc;

/// The value of an attribute, owned: the counterpart of [`Value`](crate::Value).
///
/// `into()` makes one of numbers of any width, strings, lists of these, and `Option`: `None` becomes
/// [`Absent`](Self::Absent). An integer outside the signed 64 bits of OTLP becomes the string of its
/// decimal digits (specification, *Mapping Arbitrary Data to OTLP AnyValue*).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OwnedValue {
    /// A boolean.
    Bool(bool),
    /// A signed integer.
    I64(i64),
    /// A double.
    F64(f64),
    /// A string.
    Str(StringValue),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Values, also of different kinds.
    Array(Vec<OwnedValue>),
    /// No value: the attribute is not set.
    Absent,
}

/// Implements `From` by a call that returns an [`OwnedValue`].
macro_rules! owned_value_from {
    ($($type:ty => $make:expr;)*) => {$(
        impl From<$type> for OwnedValue {
            fn from(value: $type) -> Self {
                $make(value)
            }
        }
    )*};
}

owned_value_from! {
    bool => OwnedValue::Bool;
    i8 => |value| OwnedValue::I64(i64::from(value));
    i16 => |value| OwnedValue::I64(i64::from(value));
    i32 => |value| OwnedValue::I64(i64::from(value));
    i64 => OwnedValue::I64;
    isize => integer;
    i128 => integer;
    u8 => |value| OwnedValue::I64(i64::from(value));
    u16 => |value| OwnedValue::I64(i64::from(value));
    u32 => |value| OwnedValue::I64(i64::from(value));
    u64 => integer;
    usize => integer;
    u128 => integer;
    f32 => |value| OwnedValue::F64(f64::from(value));
    f64 => OwnedValue::F64;
    char => |value: char| OwnedValue::Str(StringValue::Owned(value.into()));
    &'static str => string;
    Arc<str> => string;
    &Arc<str> => string;
    String => string;
    &String => string;
    Box<str> => string;
    Cow<'static, str> => string;
    StringValue => OwnedValue::Str;
    Vec<u8> => OwnedValue::Bytes;
    Vec<OwnedValue> => OwnedValue::Array;
}

/// Lists of `$type`. There is none for every `T`, because a `Vec<u8>` is a byte string.
macro_rules! owned_value_from_lists {
    ($($type:ty),*) => {$(
        impl From<Vec<$type>> for OwnedValue {
            fn from(items: Vec<$type>) -> Self {
                Self::Array(items.into_iter().map(Self::from).collect())
            }
        }
    )*};
}

owned_value_from_lists!(bool, char, i8, i16, i32, i64, isize, u16, u32, u64, usize, f32, f64);
owned_value_from_lists!(&'static str, String, Arc<str>, Cow<'static, str>, StringValue);

/// `None` is [`OwnedValue::Absent`].
impl<T: Into<OwnedValue>> From<Option<T>> for OwnedValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}

/// A number if it fits into OTLP's signed 64 bits, else its decimal digits.
pub(super) fn integer<T: TryInto<i64> + Copy + ToString>(value: T) -> OwnedValue {
    match value.try_into() {
        Ok(value) => OwnedValue::I64(value),
        Err(_) => OwnedValue::Str(StringValue::Owned(value.to_string())),
    }
}

fn string(text: impl Into<StringValue>) -> OwnedValue {
    OwnedValue::Str(text.into())
}
