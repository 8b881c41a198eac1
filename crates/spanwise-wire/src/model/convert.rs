//! Borrowed values as owned ones, and back.

use super::owned_value::integer;
use super::{OwnedValue, StringValue, Value};

impl<'a> From<&'a StringValue> for Value<'a> {
    fn from(text: &'a StringValue) -> Self {
        Self::Str(text.as_str())
    }
}

/// Borrows.
impl<'a> From<&'a OwnedValue> for Value<'a> {
    #[inline]
    fn from(value: &'a OwnedValue) -> Self {
        match value {
            OwnedValue::Bool(value) => Self::Bool(*value),
            OwnedValue::I64(value) => Self::I64(*value),
            OwnedValue::F64(value) => Self::F64(*value),
            OwnedValue::Str(text) => Self::Str(text.as_str()),
            OwnedValue::Bytes(bytes) => Self::Bytes(bytes),
            OwnedValue::Array(items) => Self::Array(items),
            OwnedValue::Absent => Self::Absent,
        }
    }
}

/// Copies the data.
impl From<Value<'_>> for OwnedValue {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Str(text) => string(text),
            Value::Bool(value) => Self::Bool(value),
            Value::I64(value) => Self::I64(value),
            Value::U64(value) => integer(value),
            Value::F64(value) => Self::F64(value),
            Value::Bytes(bytes) => Self::Bytes(bytes.to_vec()),
            Value::Strs(items) => array(items, |text| string(text)),
            Value::Bools(items) => array(items, |value| Self::Bool(*value)),
            Value::I64s(items) => array(items, |value| Self::I64(*value)),
            Value::F64s(items) => array(items, |value| Self::F64(*value)),
            Value::Strings(items) => array(items, |text| string(text)),
            #[cfg(feature = "opentelemetry")]
            Value::ApiStrings(items) => array(items, |text| string(text.as_str())),
            Value::Array(items) => Self::Array(items.to_vec()),
            Value::Char(value) => value.into(),
            Value::Absent => Self::Absent,
        }
    }
}

fn array<T>(items: &[T], own: impl Fn(&T) -> OwnedValue) -> OwnedValue {
    OwnedValue::Array(items.iter().map(own).collect())
}

fn string(text: &str) -> OwnedValue {
    OwnedValue::Str(StringValue::Owned(text.to_owned()))
}
