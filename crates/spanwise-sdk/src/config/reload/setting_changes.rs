//! The numbers in which two configurations differ.

use super::reloaded::SettingChange;
use spanwise_export::BatchConfig;
use spanwise_wire::SpanLimits;
use std::fmt::Debug;

/// Adds a change if both values differ.
fn add<T: PartialEq + Debug>(
    changes: &mut Vec<SettingChange>,
    setting: &'static str,
    before: &T,
    after: &T,
) {
    if before != after {
        changes.push(SettingChange::new(setting, format!("{before:?}"), format!("{after:?}")));
    }
}

/// The settings of batching in which both differ.
pub(in super::super) fn of_batching(
    before: &BatchConfig,
    after: &BatchConfig,
) -> Vec<SettingChange> {
    let mut changes = Vec::new();
    let (list, a, b) = (&mut changes, before, after);
    let queue = |config: &BatchConfig| {
        config.max_queue_size.map_or_else(|| "no limit".to_owned(), |spans| spans.to_string())
    };
    add(list, "with_max_export_batch_size", &a.max_export_batch_size, &b.max_export_batch_size);
    add(list, "with_max_request_bytes", &a.max_request_bytes, &b.max_request_bytes);
    add(list, "with_scheduled_delay", &a.scheduled_delay, &b.scheduled_delay);
    if a.max_queue_size != b.max_queue_size {
        list.push(SettingChange::new("with_max_queue_size", queue(a), queue(b)));
    }
    add(list, "with_max_in_flight", &a.max_in_flight, &b.max_in_flight);
    add(list, "with_batch_size", &a.batch_size, &b.batch_size);
    add(list, "with_hold_back", &a.hold_back, &b.hold_back);
    changes
}

/// The limits of spans in which both differ.
pub(in super::super) fn of_limits(before: &SpanLimits, after: &SpanLimits) -> Vec<SettingChange> {
    let mut changes = Vec::new();
    let (list, a, b) = (&mut changes, before, after);
    add(list, "with_span_limits, attributes", &a.attributes, &b.attributes);
    add(list, "with_span_limits, events", &a.events, &b.events);
    add(list, "with_span_limits, links", &a.links, &b.links);
    let per_event = "with_span_limits, attributes_per_event";
    add(list, per_event, &a.attributes_per_event, &b.attributes_per_event);
    let per_link = "with_span_limits, attributes_per_link";
    add(list, per_link, &a.attributes_per_link, &b.attributes_per_link);
    add(list, "with_span_limits, value_chars", &a.value_chars, &b.value_chars);
    add(list, "with_span_limits, span_bytes", &a.span_bytes, &b.span_bytes);
    changes
}
