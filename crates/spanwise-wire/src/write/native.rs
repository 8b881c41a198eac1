//! Values of Rust's own types.

use super::decimal::Decimal;
use super::value::{Array, EncodeValue, Scalar, Value};
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

/// Implements [`EncodeValue`] by turning `self` into a value that has it.
macro_rules! encode_as {
    ($($type:ty, $self:ident => $value:expr, $scalar:expr;)*) => {$(
        impl EncodeValue for $type {
            encode_by!($self => $value, $scalar);
        }
    )*};
}

/// The methods of [`EncodeValue`], asked of `$value`.
macro_rules! encode_by {
    ($self:ident => $value:expr, $scalar:expr) => {
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

        #[inline(always)]
        fn as_scalar(&$self) -> Scalar<'_> {
            $scalar
        }
    };
}

encode_as! {
    String, self => self.as_str(), Scalar::Text(self);
    char, self => *self.encode_utf8(&mut [0; 4]), Scalar::Other;
    i8, self => i64::from(*self), Scalar::Int((*self).into());
    i16, self => i64::from(*self), Scalar::Int((*self).into());
    i32, self => i64::from(*self), Scalar::Int((*self).into());
    u8, self => i64::from(*self), Scalar::Int((*self).into());
    u16, self => i64::from(*self), Scalar::Int((*self).into());
    u32, self => i64::from(*self), Scalar::Int((*self).into());
    f32, self => f64::from(*self), Scalar::Double((*self).into());
}

/// Integers that may lie beyond OTLP's: `$wide` is the widest type of their sign.
macro_rules! encode_integers {
    ($($type:ty as $wide:ty;)*) => {$(
        impl EncodeValue for $type {
            #[inline(always)]
            fn encoded_len(&self, max_chars: usize) -> usize {
                match i64::try_from(*self) {
                    Ok(value) => value.encoded_len(max_chars),
                    Err(_) => Decimal::from(*self as $wide).encoded_len(max_chars),
                }
            }

            #[inline(always)]
            fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
                match i64::try_from(*self) {
                    Ok(value) => value.encode(max_chars, out),
                    Err(_) => Decimal::from(*self as $wide).encode(max_chars, out),
                }
            }

            #[inline(always)]
            fn is_truncated(&self, max_chars: usize) -> bool {
                i64::try_from(*self).is_err()
                    && Decimal::from(*self as $wide).is_truncated(max_chars)
            }

            #[inline(always)]
            fn as_scalar(&self) -> Scalar<'_> {
                i64::try_from(*self).map_or(Scalar::Other, Scalar::Int)
            }
        }
    )*};
}

encode_integers! {
    isize as i128;
    usize as u128;
    u64 as u128;
    i128 as i128;
    u128 as u128;
}

/// As an attribute: none, unless there is a value.
impl<T: EncodeValue> EncodeValue for Option<T> {
    #[inline(always)]
    fn encoded_len(&self, max_chars: usize) -> usize {
        self.as_ref().map_or(0, |value| value.encoded_len(max_chars))
    }

    #[inline(always)]
    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        if let Some(value) = self {
            value.encode(max_chars, out);
        }
    }

    #[inline(always)]
    fn is_truncated(&self, max_chars: usize) -> bool {
        self.as_ref().is_some_and(|value| value.is_truncated(max_chars))
    }

    #[inline(always)]
    fn as_scalar(&self) -> Scalar<'_> {
        self.as_ref().map_or(Scalar::Absent, T::as_scalar)
    }
}

/// Implements [`EncodeValue`] for what leads to a value.
macro_rules! encode_pointee {
    ($($type:ty),*) => {$(
        impl<T: EncodeValue + ?Sized> EncodeValue for $type {
            encode_by!(self => (**self), (**self).as_scalar());
        }
    )*};
}

encode_pointee!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);

impl<T: EncodeValue + ToOwned + ?Sized> EncodeValue for Cow<'_, T> {
    encode_by!(self => (**self), (**self).as_scalar());
}

/// As a slice; of bytes, a byte string.
impl<T> EncodeValue for Vec<T>
where
    [T]: EncodeValue,
{
    encode_by!(self => *self.as_slice(), Scalar::Other);
}

/// As a slice; of bytes, a byte string.
impl<T, const N: usize> EncodeValue for [T; N]
where
    [T]: EncodeValue,
{
    encode_by!(self => *self.as_slice(), Scalar::Other);
}

/// Lists. Not of every `T`: a list of bytes is a byte string.
macro_rules! encode_lists {
    ($($type:ty $(, $t:ident)?;)*) => {$(
        impl$(<$t: EncodeValue>)? EncodeValue for [$type] {
            encode_by!(self => Array(self.iter()), Scalar::Other);
        }
    )*};
}

encode_lists! {
    bool; char; String; Value<'_>;
    i8; i16; i32; i64; i128; isize;
    u16; u32; u64; u128; usize;
    f32; f64;
    Option<T>, T;
}

impl<T: EncodeValue + ?Sized> EncodeValue for [&T] {
    encode_by!(self => Array(self.iter()), Scalar::Other);
}

impl<T: EncodeValue + ?Sized> EncodeValue for [Box<T>] {
    encode_by!(self => Array(self.iter()), Scalar::Other);
}

impl<T: EncodeValue + ?Sized> EncodeValue for [Arc<T>] {
    encode_by!(self => Array(self.iter()), Scalar::Other);
}

impl<T: EncodeValue + ToOwned + ?Sized> EncodeValue for [Cow<'_, T>] {
    encode_by!(self => Array(self.iter()), Scalar::Other);
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
}

/// Integers as wide as a pointer: no wider than 64 bits on any machine.
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

/// No attribute, unless there is a value.
impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}
