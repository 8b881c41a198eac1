//! Span limits and attribute limits.

use super::rows;
use super::setting::{Setting, SettingType as Type};

rows! {
    ATTRIBUTE_VALUE_LENGTH = Setting::new(
        &["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"],
        Type::Integer { min: 0, max: u64::MAX, unit: "characters" },
        "65536",
        "Truncates longer attribute values.",
    )
    .in_code(LIMITS)
    .in_file(&[
        "tracer_provider.limits.attribute_value_length_limit",
        "attribute_limits.attribute_value_length_limit",
    ]);
    ATTRIBUTES = Setting::new(
        &["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", ATTRIBUTE_COUNT],
        ATTRIBUTES_TYPE,
        "128",
        "Limits the attributes of a span; further ones are dropped and counted.",
    )
    .in_code(LIMITS)
    .in_file(&["tracer_provider.limits.attribute_count_limit", GENERAL_COUNT]);
    EVENTS = Setting::new(
        &["OTEL_SPAN_EVENT_COUNT_LIMIT"],
        Type::Integer { min: 0, max: u64::MAX, unit: "events" },
        "128",
        "Limits the events of a span; further ones are dropped and counted.",
    )
    .in_code(LIMITS)
    .in_file(&["tracer_provider.limits.event_count_limit"]);
    LINKS = Setting::new(
        &["OTEL_SPAN_LINK_COUNT_LIMIT"],
        Type::Integer { min: 0, max: u64::MAX, unit: "links" },
        "128",
        "Limits the links of a span; further ones are dropped and counted.",
    )
    .in_code(LIMITS)
    .in_file(&["tracer_provider.limits.link_count_limit"]);
    EVENT_ATTRIBUTES = Setting::new(
        &["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", ATTRIBUTE_COUNT],
        ATTRIBUTES_TYPE,
        "128",
        "Limits the attributes of an event.",
    )
    .in_code(LIMITS)
    .in_file(&["tracer_provider.limits.event_attribute_count_limit", GENERAL_COUNT]);
    LINK_ATTRIBUTES = Setting::new(
        &["OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", ATTRIBUTE_COUNT],
        ATTRIBUTES_TYPE,
        "128",
        "Limits the attributes of a link.",
    )
    .in_code(LIMITS)
    .in_file(&["tracer_provider.limits.link_attribute_count_limit", GENERAL_COUNT]);
    SPAN_BYTES = Setting::new(
        &[],
        Type::Integer { min: 1 << 10, max: u64::MAX, unit: "bytes" },
        "1048576",
        "Limits the size of an encoded span; a part that does not fit is dropped and counted.",
    )
    .in_code(LIMITS)
    .remark("at most what the budget and the size of requests leave");
}

const LIMITS: &[&str] = &["with_span_limits"];
const ATTRIBUTE_COUNT: &str = "OTEL_ATTRIBUTE_COUNT_LIMIT";
/// The path of the limit for all signals.
const GENERAL_COUNT: &str = "attribute_limits.attribute_count_limit";
const ATTRIBUTES_TYPE: Type = Type::Integer { min: 0, max: u64::MAX, unit: "attributes" };
