//! A report as JSON: the shape of `/debug/attributes.json` of `spanwise-admin`.

use serde_json::{Value, json};
use spanwise_metrics::{AttributeKey, AttributeReport};

/// The object of a report.
pub(super) fn of(report: &AttributeReport) -> Value {
    let keys: Vec<Value> = report.keys.iter().map(|key| self::key(report, key)).collect();
    json!({
        "schema": 1,
        "spans": report.spans,
        "bytes": report.bytes,
        "attribute_bytes": report.attribute_bytes,
        "distinct_keys": report.distinct_keys,
        "replaced_keys": report.replaced_keys,
        "malformed": report.malformed,
        "keys": keys,
        "advice": report.advice(),
    })
}

fn key(report: &AttributeReport, key: &AttributeKey) -> Value {
    json!({
        "place": key.place.name(),
        "key": key.key,
        "share": report.share(key),
        "bytes": key.bytes,
        "bytes_error": key.bytes_error,
        "occurrences": key.occurrences,
        "values": key.values,
        "values_exact": key.is_exact,
        "one_value": key.has_one_value(),
        "near_unique": key.is_near_unique(),
    })
}
