//! Short texts of exported data.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;

/// The attributes as `key=value`.
pub fn attributes(attributes: &[KeyValue]) -> String {
    let pair = |it: &KeyValue| format!("{}={}", it.key, value(it.value.as_ref()));
    list(attributes.iter().map(pair))
}

/// The items, or `none`.
pub fn list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<_> = items.into_iter().collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

fn value(value: Option<&AnyValue>) -> String {
    match value.and_then(|it| it.value.as_ref()) {
        Some(Value::StringValue(text)) if text.chars().count() > 20 => {
            format!("{} characters", text.chars().count())
        }
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => format!("{value:?}"),
        Some(Value::ArrayValue(array)) => {
            format!("[{}]", list(array.values.iter().map(|it| self::value(Some(it)))))
        }
        other => format!("{other:?}"),
    }
}

/// The status of a span.
pub fn status(span: &Span) -> String {
    let status = span.status.clone().unwrap_or_default();
    let code = ["Unset", "Ok", "Error"][status.code as usize];
    format!("{code} {}", status.message).trim().to_owned()
}

/// Whether a statement holds, in words.
pub fn holds(statement: bool, yes: &str, no: &str) -> String {
    (if statement { yes } else { no }).to_owned()
}
