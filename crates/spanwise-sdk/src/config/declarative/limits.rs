//! `attribute_limits` and `tracer_provider.limits`.

use spanwise_config::Field;
use spanwise_wire::SpanLimits;

/// The limits of attributes of all signals.
pub(super) fn general(field: &Field<'_>) -> SpanLimits {
    let limits = field.mapping(GENERAL_KEYS);
    depth(&limits.get("attribute_value_depth_limit"));
    let mut general = SpanLimits::default();
    if let Some(count) = count(&limits.get("attribute_count_limit")) {
        (general.attributes, general.attributes_per_event, general.attributes_per_link) =
            (count, count, count);
    }
    general.value_chars =
        chars(&limits.get("attribute_value_length_limit")).unwrap_or(general.value_chars);
    general
}

/// The limits of spans, which precede the general ones.
pub(super) fn of_spans(field: &Field<'_>, general: SpanLimits) -> SpanLimits {
    let fields = field.mapping(KEYS);
    let count = |key: &str, default: u32| count(&fields.get(key)).unwrap_or(default);
    depth(&fields.get("attribute_value_depth_limit"));
    let mut limits = general;
    limits.attributes = count("attribute_count_limit", limits.attributes);
    limits.events = count("event_count_limit", limits.events);
    limits.links = count("link_count_limit", limits.links);
    limits.attributes_per_event = count("event_attribute_count_limit", limits.attributes_per_event);
    limits.attributes_per_link = count("link_attribute_count_limit", limits.attributes_per_link);
    limits.value_chars =
        chars(&fields.get("attribute_value_length_limit")).unwrap_or(limits.value_chars);
    limits
}

/// A limit of the schema's next version.
fn depth(field: &Field<'_>) {
    if field.integer(0..=i64::MAX).is_some() {
        field.warning("it has no effect: values of the OpenTelemetry API are not nested");
    }
}

fn count(field: &Field<'_>) -> Option<u32> {
    field.integer(0..=i64::MAX).map(|count| u32::try_from(count).unwrap_or(u32::MAX))
}

fn chars(field: &Field<'_>) -> Option<usize> {
    field.integer(0..=i64::MAX).map(|chars| usize::try_from(chars).unwrap_or(usize::MAX))
}

const GENERAL_KEYS: &[&str] =
    &["attribute_value_length_limit", "attribute_value_depth_limit", "attribute_count_limit"];
const KEYS: &[&str] = &[
    "attribute_value_length_limit",
    "attribute_value_depth_limit",
    "attribute_count_limit",
    "event_count_limit",
    "link_count_limit",
    "event_attribute_count_limit",
    "link_attribute_count_limit",
];
