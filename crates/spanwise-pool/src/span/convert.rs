//! Conversions into `StringValue` and `Value`.

use std::borrow::Cow;
use std::sync::Arc;

use super::{StringValue, Value};

impl From<&'static str> for StringValue {
    fn from(text: &'static str) -> Self {
        StringValue::Static(text)
    }
}

impl From<Arc<str>> for StringValue {
    fn from(text: Arc<str>) -> Self {
        StringValue::Shared(text)
    }
}

impl From<&Arc<str>> for StringValue {
    fn from(text: &Arc<str>) -> Self {
        StringValue::Shared(text.clone())
    }
}

impl From<String> for StringValue {
    fn from(text: String) -> Self {
        StringValue::Owned(text)
    }
}

impl From<&String> for StringValue {
    fn from(text: &String) -> Self {
        StringValue::Owned(text.clone())
    }
}

impl From<Box<str>> for StringValue {
    fn from(text: Box<str>) -> Self {
        StringValue::Owned(text.into())
    }
}

impl From<Cow<'static, str>> for StringValue {
    fn from(text: Cow<'static, str>) -> Self {
        match text {
            Cow::Borrowed(text) => StringValue::Static(text),
            Cow::Owned(text) => StringValue::Owned(text),
        }
    }
}

/// Implements `From` by a call that makes a [`Value`].
macro_rules! value_from {
    ($($type:ty => $make:expr;)*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                $make(value)
            }
        }
    )*};
}

value_from! {
    bool => Value::Bool;
    i8 => |value| Value::I64(i64::from(value));
    i16 => |value| Value::I64(i64::from(value));
    i32 => |value| Value::I64(i64::from(value));
    i64 => Value::I64;
    isize => integer;
    i128 => integer;
    u8 => |value| Value::I64(i64::from(value));
    u16 => |value| Value::I64(i64::from(value));
    u32 => |value| Value::I64(i64::from(value));
    u64 => integer;
    usize => integer;
    u128 => integer;
    f32 => |value| Value::F64(f64::from(value));
    f64 => Value::F64;
    char => |value: char| Value::Text(StringValue::Owned(value.into()));
    &'static str => text;
    Arc<str> => text;
    &Arc<str> => text;
    String => text;
    &String => text;
    Box<str> => text;
    Cow<'static, str> => text;
    StringValue => Value::Text;
    Vec<u8> => Value::Bytes;
    Vec<Value> => Value::Array;
}

/// Lists. Not of every `T`: a list of bytes is a byte string.
macro_rules! value_from_lists {
    ($($type:ty),*) => {$(
        impl From<Vec<$type>> for Value {
            fn from(items: Vec<$type>) -> Self {
                Value::Array(items.into_iter().map(Value::from).collect())
            }
        }
    )*};
}

value_from_lists!(bool, char, i8, i16, i32, i64, isize, u16, u32, u64, usize, f32, f64);
value_from_lists!(&'static str, String, Arc<str>, Cow<'static, str>, StringValue);

/// No attribute, unless there is a value.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Absent, Into::into)
    }
}

/// A number, if OTLP's 64 bits with sign hold it, or else its decimal digits (specification,
/// *Mapping Arbitrary Data to OTLP AnyValue*).
fn integer<T: TryInto<i64> + Copy + ToString>(value: T) -> Value {
    match value.try_into() {
        Ok(value) => Value::I64(value),
        Err(_) => Value::Text(StringValue::Owned(value.to_string())),
    }
}

fn text(text: impl Into<StringValue>) -> Value {
    Value::Text(text.into())
}
