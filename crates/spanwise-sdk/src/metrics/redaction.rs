//! The metrics of redaction, of a provider with rules alone.

use crate::live::LiveRedaction;
use spanwise_metrics::{Attribute, Metric, MetricData, NumberPoint};

/// The values that each rule changed, and those that no rule could read.
pub(super) fn metrics(counts: LiveRedaction) -> [Metric; 2] {
    let values = counts.rules.into_iter().map(|rule| {
        NumberPoint::new(rule.values).with_attributes([Attribute::new("rule", rule.name)])
    });
    let counter = |name, points| Metric::new(name, "{value}", MetricData::Counter(points));
    [
        counter("spanwise_redaction_values", values.collect()),
        counter("spanwise_redaction_failures", vec![NumberPoint::new(counts.failures)]),
    ]
}
