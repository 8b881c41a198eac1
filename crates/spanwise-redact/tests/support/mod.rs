//! Spans of the published types, encoded and decoded by prost.

#![allow(dead_code, reason = "each test uses a part")]

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use spanwise_redact::{Redacted, Redactor, Scratch};

pub fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

pub fn array(values: impl IntoIterator<Item = Value>) -> Value {
    let values = values.into_iter().map(any).collect();
    Value::ArrayValue(ArrayValue { values })
}

pub fn map<'k>(entries: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    let values = entries.into_iter().map(|(key, value)| attribute(key, value)).collect();
    Value::KvlistValue(KeyValueList { values })
}

pub fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

pub fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any(value)), ..KeyValue::default() }
}

pub fn span<'k>(attributes: impl IntoIterator<Item = (&'k str, Value)>) -> Span {
    let attributes = attributes.into_iter().map(|(key, value)| attribute(key, value)).collect();
    Span { name: "GET /".to_owned(), attributes, ..Span::default() }
}

/// The span after the rules.
pub fn redacted(redactor: &Redactor, span: &Span) -> Span {
    let bytes = span.encode_to_vec();
    match redactor.redact_span(&bytes, &mut Scratch::default()) {
        Redacted::Unchanged => span.clone(),
        Redacted::Changed(bytes) => {
            let redacted = Span::decode(bytes).unwrap();
            assert_ne!(&redacted, span, "the result is Changed, and the span is the same");
            redacted
        }
    }
}

/// The attributes after the rules, with strings as they are.
pub fn attributes(redactor: &Redactor, attributes: &[(&str, Value)]) -> Vec<(String, Value)> {
    let span = redacted(redactor, &span(attributes.iter().cloned()));
    let pairs = span.attributes.into_iter();
    pairs.map(|pair| (pair.key, pair.value.and_then(|it| it.value).unwrap())).collect()
}
