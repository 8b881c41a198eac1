//! Values of Rust's own types.

use super::array::Array;
use super::decimal::Decimal;
use super::encode::EncodeValue;
use crate::model::{OwnedValue, StringValue, Value};
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

/// Implements [`EncodeValue`] by turning `self` into a value that has it.
macro_rules! encode_as {
    ($($type:ty, $self:ident => $value:expr, $as_value:expr;)*) => {$(
        impl EncodeValue for $type {
            encode_by!($self => $value, $as_value);
        }
    )*};
}

/// The methods of [`EncodeValue`], forwarded to `$value`.
macro_rules! encode_by {
    ($self:ident => $value:expr, $as_value:expr) => {
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
        fn as_value(&$self) -> Option<Value<'_>> {
            $as_value
        }
    };
}

encode_as! {
    String, self => self.as_str(), Some(Value::Str(self));
    StringValue, self => self.as_str(), Some(Value::Str(self));
    char, self => *self.encode_utf8(&mut [0; 4]), None;
    i8, self => i64::from(*self), Some(Value::I64((*self).into()));
    i16, self => i64::from(*self), Some(Value::I64((*self).into()));
    i32, self => i64::from(*self), Some(Value::I64((*self).into()));
    u8, self => i64::from(*self), Some(Value::I64((*self).into()));
    u16, self => i64::from(*self), Some(Value::I64((*self).into()));
    u32, self => i64::from(*self), Some(Value::I64((*self).into()));
    f32, self => f64::from(*self), Some(Value::F64((*self).into()));
}

/// Integers that may be outside of OTLP's 64 bits: `$wide` is the widest type of their signedness.
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
            fn as_value(&self) -> Option<Value<'_>> {
                i64::try_from(*self).ok().map(Value::I64)
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

/// `None` sets no attribute.
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
    fn as_value(&self) -> Option<Value<'_>> {
        self.as_ref().map_or(Some(Value::Absent), T::as_value)
    }
}

/// Implements [`EncodeValue`] for pointers to a value.
macro_rules! encode_pointee {
    ($($type:ty),*) => {$(
        impl<T: EncodeValue + ?Sized> EncodeValue for $type {
            encode_by!(self => (**self), (**self).as_value());
        }
    )*};
}

encode_pointee!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);

impl<T: EncodeValue + ToOwned + ?Sized> EncodeValue for Cow<'_, T> {
    encode_by!(self => (**self), (**self).as_value());
}

/// Encoded as a slice; `u8` elements make a byte string.
impl<T> EncodeValue for Vec<T>
where
    [T]: EncodeValue,
{
    encode_by!(self => *self.as_slice(), None);
}

/// Encoded as a slice; `u8` elements make a byte string.
impl<T, const N: usize> EncodeValue for [T; N]
where
    [T]: EncodeValue,
{
    encode_by!(self => *self.as_slice(), None);
}

/// Lists of `$type`. There is none for every `T`, because a list of `u8` is a byte string.
macro_rules! encode_lists {
    ($($type:ty $(, $t:ident)?;)*) => {$(
        impl$(<$t: EncodeValue>)? EncodeValue for [$type] {
            encode_by!(self => Array(self.iter()), None);
        }
    )*};
}

encode_lists! {
    bool; char; String; StringValue; Value<'_>; OwnedValue;
    i8; i16; i32; i64; i128; isize;
    u16; u32; u64; u128; usize;
    f32; f64;
    Option<T>, T;
}

impl<T: EncodeValue + ?Sized> EncodeValue for [&T] {
    encode_by!(self => Array(self.iter()), None);
}

impl<T: EncodeValue + ?Sized> EncodeValue for [Box<T>] {
    encode_by!(self => Array(self.iter()), None);
}

impl<T: EncodeValue + ?Sized> EncodeValue for [Arc<T>] {
    encode_by!(self => Array(self.iter()), None);
}

impl<T: EncodeValue + ToOwned + ?Sized> EncodeValue for [Cow<'_, T>] {
    encode_by!(self => Array(self.iter()), None);
}
