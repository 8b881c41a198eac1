//! Attributes of points for instruments of a meter.

use opentelemetry::KeyValue;
use spanwise_metrics::Attribute;

/// The attributes as the API has them.
pub(super) fn key_values(attributes: &[Attribute]) -> Vec<KeyValue> {
    attributes
        .iter()
        .map(|it| KeyValue::new(it.key.to_string(), opentelemetry::Value::from(it.value.clone())))
        .collect()
}
