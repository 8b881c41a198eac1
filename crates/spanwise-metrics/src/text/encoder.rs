//! A snapshot as text.

use std::collections::HashSet;

use spanwise_wire::Attribute;

use super::family::Family;
use super::format::TextFormat;
use super::labels::{labels, put_label};
use super::name::FamilyName;
use crate::model::{Metric, MetricData, MetricsSnapshot};

/// Encodes snapshots as text that Prometheus scrapes.
///
/// Names follow the specification's page *Prometheus and OpenMetrics Compatibility*: `otel.sdk.span.started` becomes
/// `otel_sdk_span_started_total`, and a unit ends the name (`_seconds`, `_bytes`, `_ratio`) unless the name has it. A metric whose
/// samples would have the names of another one's is left out. Points with the same labels, as `200` and `"200"` have, are added up; of a
/// gauge, the first is written.
///
/// ```
/// use spanwise_metrics::{Metric, MetricData, MetricsSnapshot, NumberPoint, TextEncoder, TextFormat};
///
/// let mut snapshot = MetricsSnapshot::new(0, 60_000_000_000);
/// let points = MetricData::Counter(vec![NumberPoint::new(42_u64)]);
/// snapshot.push(Metric::new("otel.sdk.span.started", "{span}", points))?;
/// let text = TextEncoder::new(TextFormat::Prometheus).encode(&snapshot);
/// assert_eq!(text, "# TYPE otel_sdk_span_started_total counter\notel_sdk_span_started_total 42\n");
/// # Ok::<(), spanwise_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct TextEncoder {
    format: TextFormat,
    /// Labels of every sample, each with a comma behind it.
    scope: String,
    /// Labels of `target_info`.
    target: String,
    with_created: bool,
}

impl TextEncoder {
    /// An encoder without labels of a scope and without `target_info`.
    pub fn new(format: TextFormat) -> Self {
        Self { format, ..Self::default() }
    }

    /// Adds the labels `otel_scope_name` and `otel_scope_version` to every sample; an empty one is left out.
    #[must_use]
    pub fn with_scope(mut self, name: &str, version: &str) -> Self {
        self.scope.clear();
        for (label, value) in [("otel_scope_name", name), ("otel_scope_version", version)] {
            if !value.is_empty() {
                put_label(&mut self.scope, label, value);
            }
        }
        self
    }

    /// Adds the metric `target_info`, whose labels are the attributes of the resource; without attributes, there is none.
    #[must_use]
    pub fn with_resource(mut self, attributes: &[Attribute]) -> Self {
        self.target = labels(attributes, &[]);
        self
    }

    /// Adds the sample `_created` to each point of counters and histograms: the start of the snapshot. OpenMetrics only; default off,
    /// because a Prometheus with its default settings stores it as one more series.
    #[must_use]
    pub fn with_created(mut self, with_created: bool) -> Self {
        self.with_created = with_created;
        self
    }

    /// The format.
    pub fn format(&self) -> TextFormat {
        self.format
    }

    /// The snapshot as text. Metrics without points are left out.
    pub fn encode(&self, snapshot: &MetricsSnapshot) -> String {
        let mut out = String::new();
        self.encode_into(snapshot, &mut out);
        out
    }

    /// Appends the text to `out`, whose memory the next scrape can reuse.
    ///
    /// # Cost
    /// Linear in the points; allocates for their labels.
    pub fn encode_into(&self, snapshot: &MetricsSnapshot, out: &mut String) {
        let mut names = HashSet::new();
        if !self.target.is_empty() {
            self.put_target(out);
            names.extend(["target".to_owned(), "target_info".to_owned()]);
        }
        for metric in snapshot.metrics().iter().filter(|metric| !metric.data.is_empty()) {
            let name = FamilyName::of(metric);
            let own = self.sample_names(&name.base, metric);
            if own.iter().any(|name| names.contains(name)) {
                continue;
            }
            names.extend(own);
            let created = self.with_created.then_some(snapshot.start_unix_nanos());
            let (format, common) = (self.format, self.scope.as_str());
            Family { out: &mut *out, format, name, common, created }.put(metric);
        }
        if self.format == TextFormat::OpenMetrics {
            out.push_str("# EOF\n");
        }
    }

    /// Appends `target_info`, whose type Prometheus' format does not have.
    fn put_target(&self, out: &mut String) {
        let (family, kind) = match self.format {
            TextFormat::Prometheus => ("target_info", "gauge"),
            TextFormat::OpenMetrics => ("target", "info"),
        };
        for part in ["# TYPE ", family, " ", kind, "\n# HELP ", family, " Target metadata\n"] {
            out.push_str(part);
        }
        out.push_str("target_info{");
        out.push_str(&self.target);
        out.pop();
        out.push_str("} 1\n");
    }

    /// The names that no other metric may have.
    fn sample_names(&self, base: &str, metric: &Metric) -> Vec<String> {
        let suffixes: &[&str] = match &metric.data {
            MetricData::Counter(_) => &["", "_total", "_created"],
            MetricData::UpDownCounter(_) | MetricData::Gauge(_) => &[""],
            MetricData::Histogram(_) | MetricData::ExponentialHistogram(_) => {
                &["", "_bucket", "_sum", "_count", "_created"]
            }
        };
        // The base of a counter is no name in Prometheus' format, where another metric may have it.
        let is_free = |suffix: &str| {
            self.format == TextFormat::Prometheus
                && (suffix == "_created" || (suffix.is_empty() && suffixes.contains(&"_total")))
        };
        suffixes
            .iter()
            .filter(|suffix| !is_free(suffix))
            .map(|suffix| format!("{base}{suffix}"))
            .collect()
    }
}
