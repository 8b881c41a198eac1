//! Attributes of the API, read from OTLP bytes.

mod json;

use opentelemetry::{Array, Key, KeyValue, StringValue, Value};
use spanwise_wire::read::{ArrayView, Attributes, ValueView, WireError};

/// The attributes in wire order.
#[cfg(feature = "native")]
pub(crate) fn attributes(attributes: Attributes<'_>) -> Result<Vec<KeyValue>, WireError> {
    all_attributes(attributes, |_| Ok(None))
}

/// As [`attributes`], but an array of several types becomes one of strings: rules change some numbers of a list to strings.
#[cfg(feature = "redaction")]
pub(crate) fn redacted_attributes(attributes: Attributes<'_>) -> Result<Vec<KeyValue>, WireError> {
    all_attributes(attributes, |value| {
        let ValueView::Array(elements) = value else { return Ok(None) };
        if array(elements)?.is_some() {
            return Ok(None);
        }
        let texts = elements.iter().map(|element| Ok(json::text(&element?)?.into()));
        Ok(Some(Value::Array(Array::String(texts.collect::<Result<_, _>>()?))))
    })
}

/// The attributes, each with the value that `other` has for it, if any.
fn all_attributes(
    attributes: Attributes<'_>,
    other: impl Fn(&ValueView<'_>) -> Result<Option<Value>, WireError>,
) -> Result<Vec<KeyValue>, WireError> {
    attributes
        .map(|attribute| {
            let (key, value) = attribute?;
            let value = other(&value)?.map_or_else(|| self::value(&value), Ok)?;
            Ok(KeyValue::new(Key::new(key.to_owned()), value))
        })
        .collect()
}

/// The value; one that the API does not have becomes [text](json::text).
fn value(value: &ValueView<'_>) -> Result<Value, WireError> {
    Ok(match value {
        ValueView::Bool(value) => Value::Bool(*value),
        ValueView::I64(value) => Value::I64(*value),
        ValueView::F64(value) => Value::F64(*value),
        ValueView::Array(elements) => match array(elements)? {
            Some(array) => Value::Array(array),
            None => Value::String(json::text(value)?.into()),
        },
        value => Value::String(json::text(value)?.into()),
    })
}

/// The array, if its elements are of one type. An empty array has no type, and becomes one of strings.
fn array(elements: &ArrayView<'_>) -> Result<Option<Array>, WireError> {
    let Some(first) = elements.iter().next().transpose()? else {
        return Ok(Some(Array::String(Vec::new())));
    };
    Ok(match first {
        ValueView::Bool(_) => all(elements, as_bool)?.map(Array::Bool),
        ValueView::I64(_) => all(elements, as_i64)?.map(Array::I64),
        ValueView::F64(_) => all(elements, as_f64)?.map(Array::F64),
        ValueView::Str(_) => all(elements, as_string)?.map(Array::String),
        _ => None,
    })
}

/// All elements, if `get` has a value for each.
fn all<T>(
    elements: &ArrayView<'_>,
    get: impl Fn(ValueView<'_>) -> Option<T>,
) -> Result<Option<Vec<T>>, WireError> {
    elements.iter().map(|element| element.map(&get)).collect()
}

fn as_bool(value: ValueView<'_>) -> Option<bool> {
    if let ValueView::Bool(value) = value { Some(value) } else { None }
}

fn as_i64(value: ValueView<'_>) -> Option<i64> {
    if let ValueView::I64(value) = value { Some(value) } else { None }
}

fn as_f64(value: ValueView<'_>) -> Option<f64> {
    if let ValueView::F64(value) = value { Some(value) } else { None }
}

fn as_string(value: ValueView<'_>) -> Option<StringValue> {
    value.as_str().map(|text| text.to_owned().into())
}
