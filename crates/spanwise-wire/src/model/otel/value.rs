//! Attribute values, and attributes.

use crate::model::{Attribute, OwnedValue, StringValue, Value};
use opentelemetry::{
    Array as ApiArray, Key, KeyValue, StringValue as ApiString, Value as ApiValue,
};

/// Borrows. A kind that a later version of the API adds is [`Value::Absent`] here; the writer and
/// [`OwnedValue`] use its text.
impl<'a> From<&'a ApiValue> for Value<'a> {
    #[inline]
    fn from(value: &'a ApiValue) -> Self {
        known(value).unwrap_or(Value::Absent)
    }
}

/// The borrowed value; `None` for a kind that a later version of the API adds.
#[inline(always)]
pub(crate) fn known(value: &ApiValue) -> Option<Value<'_>> {
    Some(match value {
        ApiValue::String(text) => Value::Str(text.as_str()),
        ApiValue::I64(value) => Value::I64(*value),
        ApiValue::Bool(value) => Value::Bool(*value),
        ApiValue::F64(value) => Value::F64(*value),
        ApiValue::Array(ApiArray::Bool(items)) => Value::Bools(items),
        ApiValue::Array(ApiArray::I64(items)) => Value::I64s(items),
        ApiValue::Array(ApiArray::F64(items)) => Value::F64s(items),
        ApiValue::Array(ApiArray::String(items)) => Value::ApiStrings(items),
        _ => return None,
    })
}

/// Copies the data.
impl From<&ApiValue> for OwnedValue {
    fn from(value: &ApiValue) -> Self {
        match known(value) {
            Some(value) => value.into(),
            None => value.to_string().into(),
        }
    }
}

impl From<ApiValue> for OwnedValue {
    fn from(value: ApiValue) -> Self {
        match value {
            ApiValue::String(text) => Self::Str(text.into()),
            other => Self::from(&other),
        }
    }
}

/// The API has no byte strings, no mixed lists and no "absent": bytes become a list of integers, a
/// mixed list becomes a list of strings, and [`Value::Absent`] becomes an empty string.
impl From<Value<'_>> for ApiValue {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Str(text) => text.to_owned().into(),
            Value::Bool(value) => value.into(),
            Value::I64(value) => value.into(),
            Value::U64(value) => match i64::try_from(value) {
                Ok(value) => value.into(),
                Err(_) => value.to_string().into(),
            },
            Value::F64(value) => value.into(),
            Value::Bytes(bytes) => {
                Self::Array(ApiArray::I64(bytes.iter().copied().map(i64::from).collect()))
            }
            Value::Strs(items) => strings(items.iter().map(|&text| text.to_owned().into())),
            Value::Bools(items) => Self::Array(ApiArray::Bool(items.to_vec())),
            Value::I64s(items) => Self::Array(ApiArray::I64(items.to_vec())),
            Value::F64s(items) => Self::Array(ApiArray::F64(items.to_vec())),
            Value::Strings(items) => strings(items.iter().map(|text| text.clone().into())),
            Value::ApiStrings(items) => Self::Array(ApiArray::String(items.to_vec())),
            Value::Array(items) => list(items),
            Value::Char(value) => value.to_string().into(),
            Value::Absent => "".into(),
        }
    }
}

/// As for a borrowed [`Value`]; moves a string instead of copying it.
impl From<OwnedValue> for ApiValue {
    fn from(value: OwnedValue) -> Self {
        match value {
            OwnedValue::Str(text) => Self::String(text.into()),
            other => Self::from(Value::from(&other)),
        }
    }
}

/// One kind of element makes a list of that kind, anything else a list of strings.
fn list(items: &[OwnedValue]) -> ApiValue {
    fn all<T>(items: &[OwnedValue], of: fn(&OwnedValue) -> Option<T>) -> Option<Vec<T>> {
        items.iter().map(of).collect()
    }
    let bools = |item: &OwnedValue| match item {
        OwnedValue::Bool(value) => Some(*value),
        _ => None,
    };
    let integers = |item: &OwnedValue| match item {
        OwnedValue::I64(value) => Some(*value),
        _ => None,
    };
    let doubles = |item: &OwnedValue| match item {
        OwnedValue::F64(value) => Some(*value),
        _ => None,
    };
    if let Some(items) = all(items, bools) {
        ApiValue::Array(ApiArray::Bool(items))
    } else if let Some(items) = all(items, integers) {
        ApiValue::Array(ApiArray::I64(items))
    } else if let Some(items) = all(items, doubles) {
        ApiValue::Array(ApiArray::F64(items))
    } else {
        strings(items.iter().map(|item| ApiValue::from(Value::from(item)).to_string().into()))
    }
}

fn strings(items: impl Iterator<Item = ApiString>) -> ApiValue {
    ApiValue::Array(ApiArray::String(items.collect()))
}

impl From<ApiString> for StringValue {
    fn from(text: ApiString) -> Self {
        Self::Owned(text.into())
    }
}

impl From<StringValue> for ApiString {
    fn from(text: StringValue) -> Self {
        match text {
            StringValue::Static(text) => text.into(),
            StringValue::Shared(text) => text.into(),
            StringValue::Owned(text) => text.into(),
        }
    }
}

impl From<Key> for StringValue {
    fn from(key: Key) -> Self {
        Self::Owned(key.into())
    }
}

impl From<StringValue> for Key {
    fn from(key: StringValue) -> Self {
        match key {
            StringValue::Static(key) => key.into(),
            StringValue::Shared(key) => key.into(),
            StringValue::Owned(key) => key.into(),
        }
    }
}

impl From<KeyValue> for Attribute {
    fn from(attribute: KeyValue) -> Self {
        Self { key: attribute.key.into(), value: attribute.value.into() }
    }
}

impl From<&KeyValue> for Attribute {
    fn from(attribute: &KeyValue) -> Self {
        Self::new(attribute.key.as_str().to_owned(), &attribute.value)
    }
}

/// As for [`OwnedValue`].
impl From<Attribute> for KeyValue {
    fn from(attribute: Attribute) -> Self {
        Self::new(attribute.key, attribute.value)
    }
}
