//! [`SpanMetrics`]: the settings of metrics of all spans.

use super::error::SpanMetricsError;
use std::sync::Arc;
use std::time::Duration;

/// Metrics of all spans: calls and durations by name, kind, status and up to three attributes, under the names of the Collector's span
/// metrics connector (`traces.span.metrics.calls`, `traces.span.metrics.duration`). See
/// [`SpanwiseBuilder::with_span_metrics`](crate::SpanwiseBuilder::with_span_metrics).
#[derive(Debug, Clone)]
pub struct SpanMetrics {
    pub(super) inner: Arc<SpanMetricsBuilder>,
}

/// Builds [`SpanMetrics`]. The words are those of the connector's configuration.
#[derive(Debug, Clone)]
#[must_use]
pub struct SpanMetricsBuilder {
    pub(super) namespace: String,
    pub(super) dimensions: Vec<String>,
    pub(super) status_code: bool,
    pub(super) unit: DurationUnit,
    pub(super) buckets: Buckets,
    pub(super) exemplars: bool,
    pub(super) cardinality_limit: usize,
}

/// The unit of durations (the connector's `histogram.unit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DurationUnit {
    /// `ms`, the connector's default.
    #[default]
    Milliseconds,
    /// `s`, the unit of semantic conventions.
    Seconds,
}

/// The buckets of durations.
#[derive(Debug, Clone)]
pub(super) enum Buckets {
    Explicit(Vec<Duration>),
    Exponential { scale: u8 },
}

impl SpanMetrics {
    /// A builder with the connector's defaults: explicit buckets from 2 ms to 15 s, in milliseconds, by name, kind and status.
    pub fn builder() -> SpanMetricsBuilder {
        SpanMetricsBuilder {
            namespace: "traces.span.metrics".to_owned(),
            dimensions: Vec::new(),
            status_code: true,
            unit: DurationUnit::Milliseconds,
            buckets: Buckets::Explicit(DEFAULT_BUCKETS.map(Duration::from_millis).to_vec()),
            exemplars: true,
            cardinality_limit: 1_000,
        }
    }

    /// Whether spans are recorded that the sampler does not sample: their status or attributes count.
    pub(crate) fn records(&self) -> bool {
        self.inner.status_code || !self.inner.dimensions.is_empty()
    }

    /// The number of attribute sets.
    pub(crate) fn cardinality_limit(&self) -> usize {
        self.inner.cardinality_limit
    }

    /// One line about the settings, with the number of attribute sets that fit.
    pub(crate) fn description(&self, cardinality_limit: usize) -> String {
        let SpanMetricsBuilder { namespace, dimensions, status_code, .. } = &*self.inner;
        let by = ["span.name", "span.kind"].into_iter();
        let by = by.chain(status_code.then_some("status.code"));
        let by: Vec<&str> = by.chain(dimensions.iter().map(String::as_str)).collect();
        format!("{namespace}.* by {}, at most {cardinality_limit} attribute sets", by.join(", "))
    }
}

impl Default for SpanMetrics {
    fn default() -> Self {
        Self { inner: Arc::new(Self::builder()) }
    }
}

impl SpanMetricsBuilder {
    /// The prefix of both metrics' names (`namespace`), at most 200 characters; empty for `calls` and `duration`. Default
    /// `traces.span.metrics`.
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Adds an attribute of spans by which they are counted (`dimensions`), such as `http.route`: at most three. Its values are strings, of
    /// which the first 128 bytes count, booleans and numbers; a span without it has no such attribute in its series. The sampler then
    /// decides only about the export: all spans are recorded.
    pub fn with_dimension(mut self, key: impl Into<String>) -> Self {
        self.dimensions.push(key.into());
        self
    }

    /// Whether spans are counted by their status (`status.code`), which the error rate needs. Default true: all spans are recorded,
    /// sampled or not. With false and without dimensions, spans that are not sampled stay non-recording, and cost far less.
    pub fn with_status_code(mut self, status_code: bool) -> Self {
        self.status_code = status_code;
        self
    }

    /// The unit of durations (`histogram.unit`). Default [`DurationUnit::Milliseconds`].
    pub fn with_unit(mut self, unit: DurationUnit) -> Self {
        self.unit = unit;
        self
    }

    /// The upper bounds of explicit buckets (`histogram.explicit.buckets`): 1 to 64, ascending. Default 2, 4, 6, 8, 10, 50, 100, 200, 400 and
    /// 800 ms, 1, 1.4, 2, 5, 10 and 15 s.
    pub fn with_explicit_buckets(mut self, bounds: impl IntoIterator<Item = Duration>) -> Self {
        // One more than accepted suffices for the error.
        self.buckets = Buckets::Explicit(bounds.into_iter().take(MAX_BOUNDS + 1).collect());
        self
    }

    /// Exponential buckets (`histogram.exponential`) from 1 µs to 1,000 s: 2^`scale` for each power of two, 0 to 5. A point has at most 160
    /// of them, for which the collection lowers the scale. They take more memory than explicit ones: about 1 KiB for each shard of a
    /// series with the scale 2.
    pub fn with_exponential_buckets(mut self, scale: u8) -> Self {
        self.buckets = Buckets::Exponential { scale };
        self
    }

    /// Whether durations have exemplars (`exemplars.enabled`): spans that are sampled and that the export queue accepted, at most four for
    /// each attribute set. With tail sampling there are none, because the outcome of a trace is not known at the end of its spans. Default true.
    pub fn with_exemplars(mut self, exemplars: bool) -> Self {
        self.exemplars = exemplars;
        self
    }

    /// The number of attribute sets (`aggregation_cardinality_limit`), 1 to 1,999. Spans of all further ones count for one with the
    /// attribute `otel.metric.overflow=true`. Default 1,000. The memory of all of them is taken from the budget at the build.
    pub fn with_cardinality_limit(mut self, attribute_sets: usize) -> Self {
        self.cardinality_limit = attribute_sets;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// A setting is out of its range: the error names it, the value and what is accepted.
    pub fn build(self) -> Result<SpanMetrics, SpanMetricsError> {
        if !is_namespace(&self.namespace) {
            let accepted =
                "a letter, then at most 199 letters, digits, `_`, `.`, `-` or `/`; or nothing";
            return Err(SpanMetricsError::new("with_namespace", self.namespace, accepted));
        }
        if self.dimensions.len() > MAX_DIMENSIONS {
            let accepted = format!("at most {MAX_DIMENSIONS} dimensions");
            return Err(SpanMetricsError::new(
                "with_dimension",
                self.dimensions.join(","),
                accepted,
            ));
        }
        for (index, key) in self.dimensions.iter().enumerate() {
            let is_repeated = self.dimensions.iter().take(index).any(|other| other == key);
            let is_own = OWN_KEYS.contains(&key.as_str());
            if key.is_empty() || key.len() > MAX_KEY_BYTES || is_repeated || is_own {
                let accepted = "a key of 1 to 128 bytes, each once, other than `service.name`, `span.name`, `span.kind`, `status.code`";
                return Err(SpanMetricsError::new("with_dimension", key, accepted));
            }
        }
        if !(1..=MAX_CARDINALITY).contains(&self.cardinality_limit) {
            let accepted = format!("1 to {MAX_CARDINALITY} attribute sets");
            return Err(SpanMetricsError::new(
                "with_cardinality_limit",
                self.cardinality_limit,
                accepted,
            ));
        }
        match &self.buckets {
            Buckets::Explicit(bounds) => {
                let setting = "with_explicit_buckets";
                if bounds.is_empty() || bounds.len() > MAX_BOUNDS {
                    let value = match bounds.len() {
                        0 => "no bound".to_owned(),
                        _ => format!("more than {MAX_BOUNDS} bounds"),
                    };
                    return Err(SpanMetricsError::new(
                        setting,
                        value,
                        format!("1 to {MAX_BOUNDS} bounds"),
                    ));
                }
                if let Some(pair) = bounds.windows(2).find(|pair| pair.first() >= pair.get(1)) {
                    return Err(SpanMetricsError::new(
                        setting,
                        format!("{pair:?}"),
                        "bounds in ascending order",
                    ));
                }
                if let Some(bound) = bounds.iter().find(|bound| **bound > MAX_BOUND) {
                    let accepted = format!("bounds up to {MAX_BOUND:?}");
                    return Err(SpanMetricsError::new(setting, format!("{bound:?}"), accepted));
                }
            }
            Buckets::Exponential { scale } if *scale > MAX_SCALE => {
                let accepted = format!("a scale of 0 to {MAX_SCALE}");
                return Err(SpanMetricsError::new("with_exponential_buckets", scale, accepted));
            }
            Buckets::Exponential { .. } => {}
        }
        Ok(SpanMetrics { inner: Arc::new(self) })
    }
}

impl DurationUnit {
    /// Nanoseconds of the unit.
    pub(super) fn nanos(self) -> u64 {
        match self {
            Self::Milliseconds => 1_000_000,
            Self::Seconds => 1_000_000_000,
        }
    }

    /// The unit in UCUM.
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
        }
    }
}

fn is_namespace(text: &str) -> bool {
    let is_other = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte);
    let starts = text.bytes().next().is_none_or(|first| first.is_ascii_alphabetic());
    starts && text.len() <= MAX_NAMESPACE && text.bytes().all(is_other)
}

/// Attributes of a choice at most.
pub(super) const MAX_DIMENSIONS: usize = 3;
/// A metric has 2,000 points at most, with that of all further attribute sets.
const MAX_CARDINALITY: usize = 1_999;
const MAX_BOUNDS: usize = 64;
const MAX_SCALE: u8 = 5;
const MAX_NAMESPACE: usize = 200;
const MAX_KEY_BYTES: usize = 128;
/// A year.
const MAX_BOUND: Duration = Duration::from_secs(365 * 86_400);
const OWN_KEYS: [&str; 4] = ["service.name", "span.name", "span.kind", "status.code"];
/// In milliseconds.
const DEFAULT_BUCKETS: [u64; 16] =
    [2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1_000, 1_400, 2_000, 5_000, 10_000, 15_000];
