//! Names of metrics as Prometheus accepts them.

use super::sanitize::put_sanitized;
use super::unit::prometheus_unit;
use crate::model::{Metric, MetricData};

/// The name of a metric's family, and its unit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FamilyName {
    /// The name without the suffix of a kind, such as `_total`.
    pub(super) base: String,
    /// The unit, empty if there is none or `base` does not end with it.
    pub(super) unit: String,
}

impl FamilyName {
    /// The name with its unit (specification, *Prometheus and OpenMetrics Compatibility*, *Metric Metadata*).
    pub(super) fn of(metric: &Metric) -> Self {
        let mut base = String::with_capacity(metric.name.len() + 16);
        put_sanitized(&mut base, &metric.name);
        let (is_counter, is_gauge) = (
            matches!(metric.data, MetricData::Counter(_)),
            matches!(metric.data, MetricData::Gauge(_)),
        );
        if is_counter && base.len() > TOTAL.len() && base.ends_with(TOTAL) {
            base.truncate(base.len() - TOTAL.len());
        }
        let mut unit = prometheus_unit(&metric.unit, is_gauge);
        if !unit.is_empty() && !contains_words(&base, &unit) {
            if !base.ends_with('_') {
                base.push('_');
            }
            base.push_str(&unit);
        }
        // OpenMetrics requires that a name ends with its unit.
        if !base.strip_suffix(&unit).is_some_and(|front| front.ends_with('_')) {
            unit.clear();
        }
        Self { base, unit }
    }
}

/// The suffix of a counter's sample.
pub(super) const TOTAL: &str = "_total";

/// Whether `name` has `words` between underscores.
fn contains_words(name: &str, words: &str) -> bool {
    let is_word = |at: usize| {
        let (front, back) = (name.get(..at), name.get(at + words.len()..));
        front.is_some_and(|front| front.is_empty() || front.ends_with('_'))
            && back.is_some_and(|back| back.is_empty() || back.starts_with('_'))
    };
    name.match_indices(words).any(|(at, _)| is_word(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(data: MetricData, name: &'static str, unit: &'static str, expected: (&str, &str)) {
        let name = FamilyName::of(&Metric::new(name, unit, data));
        assert_eq!((&*name.base, &*name.unit), expected);
    }

    #[test]
    fn the_unit_ends_the_name_once() {
        let gauge = || MetricData::Gauge(Vec::new());
        check(gauge(), "otel.sdk.span.live", "{span}", ("otel_sdk_span_live", ""));
        check(
            gauge(),
            "http.server.duration",
            "ms",
            ("http_server_duration_milliseconds", "milliseconds"),
        );
        check(gauge(), "memory.usage.bytes", "By", ("memory_usage_bytes", "bytes"));
        check(gauge(), "memory.bytes.usage", "By", ("memory_bytes_usage", ""));
        check(gauge(), "memory.kilobytes", "By", ("memory_kilobytes_bytes", "bytes"));
        check(gauge(), "fill", "1", ("fill_ratio", "ratio"));
        check(gauge(), "a..b-/c", "", ("a_b_c", ""));
        check(gauge(), "size.", "By", ("size_bytes", "bytes"));
        check(gauge(), "bytes", "By", ("bytes", ""));
        check(gauge(), "queue_total", "", ("queue_total", ""));
    }

    #[test]
    fn the_base_of_a_counter_has_no_total() {
        let counter = || MetricData::Counter(Vec::new());
        check(counter(), "otel_spans_created_total", "", ("otel_spans_created", ""));
        check(counter(), "cpu.time", "s", ("cpu_time_seconds", "seconds"));
        check(counter(), "cpu.total", "s", ("cpu_seconds", "seconds"));
        check(counter(), "hits", "1", ("hits", ""));
    }
}
