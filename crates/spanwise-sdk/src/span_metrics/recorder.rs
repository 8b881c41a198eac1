//! [`SpanMetricsRecorder`]: the counts of a provider.

use super::dimension::DimensionValue;
use super::key::{MAX_TEXT_BYTES, SeriesKey, SpanKey, hash_by_name};
use super::settings::{Buckets, MAX_DIMENSIONS, SpanMetrics, SpanMetricsBuilder};
use super::text::cut_name;
use spanwise_metrics::{
    Attribute, ExponentialHistogramRecorder, HistogramFamilyRecorder, HistogramRecorder, Metric,
    MetricData, NumberPoint, ObservedSpan, RecorderError, SeriesId, SeriesRecorder,
};
use spanwise_pool::PooledSpan;
use spanwise_wire::read::SpanView;
use spanwise_wire::write::{FinishedSpan, SpanHeader, SpanWriter};
use spanwise_wire::{SpanKind, StatusCode};
use std::hash::{BuildHasher as _, RandomState};
use std::thread;

/// Counts spans by their key, and records their durations.
pub(crate) struct SpanMetricsRecorder {
    family: HistogramFamilyRecorder<SeriesKey>,
    seed: u64,
    /// Whether status or attributes count.
    records: bool,
    settings: SpanMetrics,
}

/// The attribute sets and shards of a recorder, and the memory of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizing {
    /// Attribute sets at most, without the one of all further ones.
    pub(crate) cardinality_limit: usize,
    shards: usize,
    /// Bytes of all attribute sets.
    pub(crate) bytes: usize,
}

impl Sizing {
    /// The sizing that takes at most `max_bytes`: with less memory, threads share more of their counters; with still less, there are fewer
    /// attribute sets than the settings allow.
    pub(crate) fn new(settings: &SpanMetrics, max_bytes: usize) -> Self {
        // The bytes of one attribute set by the number of its shards.
        let of = |shards: usize| {
            let family = family(settings, 1, shards);
            family.map_or(max_bytes, |family| family.series_bytes() + MAX_TEXT_BYTES)
        };
        let (unsharded, of_shard) = (of(0), of(1).saturating_sub(of(0)).max(1));
        // At most twice as many slots as attribute sets, rounded up to a power of two.
        let of_slots = table_bytes(MAX_TABLE) / MAX_TABLE * 2;
        let fitting = (max_bytes / (unsharded + of_slots)).saturating_sub(1).max(1);
        let cardinality_limit = settings.inner.cardinality_limit.min(fitting);
        let table = table_bytes(cardinality_limit);
        let per_set = max_bytes.saturating_sub(table) / (cardinality_limit + 1);
        let processors = thread::available_parallelism().map_or(2, usize::from);
        let shards = per_set.saturating_sub(unsharded) / of_shard;
        let shards = shards.min(processors * 2).min(MAX_SHARDS);
        let bytes = (unsharded + shards * of_shard) * (cardinality_limit + 1) + table;
        Self { cardinality_limit, shards, bytes }
    }
}

impl SpanMetricsRecorder {
    /// A recorder of this size; `None` for settings that no builder has checked.
    pub(crate) fn new(settings: &SpanMetrics, sizing: Sizing) -> Option<Self> {
        Some(Self {
            family: family(settings, sizing.cardinality_limit, sizing.shards).ok()?,
            seed: RandomState::new().hash_one(0),
            records: settings.records(),
            settings: settings.clone(),
        })
    }

    /// Whether all spans are recorded, sampled or not, because their status or attributes count.
    #[inline]
    pub(crate) fn records(&self) -> bool {
        self.records
    }

    /// The series of a span by its name and kind alone; `last` is that of another span, which often is the same.
    #[inline]
    pub(crate) fn series_by_name(&self, name: &str, kind: SpanKind, last: SeriesId) -> SeriesId {
        self.series_without_dimensions(name.as_bytes(), (kind, StatusCode::Unset), last).id()
    }

    /// The series of the name of another one, with this kind. A name without a series of its own has none for any kind.
    #[cold]
    pub(crate) fn series_of_kind(&self, series: SeriesId, kind: SpanKind) -> SeriesId {
        match self.family.key(series) {
            Some(key) => {
                let key_part = (kind, StatusCode::Unset);
                self.series_without_dimensions(key.name.as_bytes(), key_part, series).id()
            }
            None => series,
        }
    }

    /// Records the duration of a span of [`series_by_name`](Self::series_by_name).
    #[inline]
    pub(crate) fn record(&self, series: SeriesId, nanos: u64) {
        self.family.get(series).record(nanos);
    }

    /// The series of a span that ends, before the writer finishes it; `last` is that of another span.
    #[inline]
    pub(crate) fn series_of(
        &self,
        kind: SpanKind,
        writer: &SpanWriter,
        last: SeriesId,
    ) -> SeriesRecorder<'_> {
        let status = self.status(writer.status_code());
        if self.settings.inner.dimensions.is_empty() {
            return self.series_without_dimensions(writer.name(), (kind, status), last);
        }
        let mut dimensions = [None; MAX_DIMENSIONS];
        for (value, key) in dimensions.iter_mut().zip(&self.settings.inner.dimensions) {
            *value = writer.attribute_value(key).and_then(DimensionValue::of_view);
        }
        self.series(&SpanKey { name: cut_name(writer.name()), kind, status, dimensions })
    }

    /// The series of a finished span.
    pub(crate) fn series_of_view(
        &self,
        kind: SpanKind,
        status: StatusCode,
        span: &FinishedSpan<'_>,
    ) -> SeriesRecorder<'_> {
        let view = SpanView::parse(span.body()).ok();
        let mut dimensions = [None; MAX_DIMENSIONS];
        for (value, key) in dimensions.iter_mut().zip(&self.settings.inner.dimensions) {
            let found = view.as_ref().and_then(|view| view.attribute(key));
            *value = found.and_then(DimensionValue::of_view);
        }
        let name = view.as_ref().and_then(|view| view.name().ok()).unwrap_or_default();
        let (name, status) = (cut_name(name.as_bytes()), self.status(status));
        self.series(&SpanKey { name, kind, status, dimensions })
    }

    /// The series of a pooled span.
    pub(crate) fn series_of_pooled(&self, span: &PooledSpan) -> SeriesRecorder<'_> {
        let mut dimensions = [None; MAX_DIMENSIONS];
        for (value, key) in dimensions.iter_mut().zip(&self.settings.inner.dimensions) {
            let found = span.attributes.iter().find(|it| *it.key == **key);
            *value = found.and_then(|it| DimensionValue::of_owned(&it.value));
        }
        let (name, status) = (cut_name(span.name.as_bytes()), self.status(span.status));
        self.series(&SpanKey { name, kind: span.kind, status, dimensions })
    }

    fn status(&self, status: StatusCode) -> StatusCode {
        if self.settings.inner.status_code { status } else { StatusCode::Unset }
    }

    /// As [`series`](Self::series), for a key without dimensions.
    #[inline]
    fn series_without_dimensions(
        &self,
        name: &[u8],
        (kind, status): (SpanKind, StatusCode),
        last: SeriesId,
    ) -> SeriesRecorder<'_> {
        let name = cut_name(name);
        let is_key = |key: &SeriesKey| {
            key.kind == kind && key.status == status && key.name.as_bytes() == name
        };
        if let Some(series) = self.family.get_if(last, is_key) {
            return series;
        }
        let hash = hash_by_name(self.seed, name, kind, status);
        self.family.series(hash, is_key, || {
            SpanKey { name, kind, status, dimensions: [None; MAX_DIMENSIONS] }.to_owned()
        })
    }

    fn series(&self, key: &SpanKey<'_>) -> SeriesRecorder<'_> {
        let dimensions = self.settings.inner.dimensions.len();
        let hash = key.hash(self.seed, dimensions);
        self.family.series(hash, |known| key.is(known, dimensions), || key.to_owned())
    }

    /// Calls and durations of all spans that have ended.
    pub(crate) fn metrics(&self) -> [Metric; 2] {
        let SpanMetricsBuilder { namespace, unit, .. } = &*self.settings.inner;
        let name = |name: &str| match namespace.is_empty() {
            true => name.to_owned(),
            false => format!("{namespace}.{name}"),
        };
        let durations = self.family.data(|key| self.attributes(key));
        let calls = MetricData::Counter(calls(&durations));
        [
            Metric::new(name("calls"), "", calls)
                .with_description("The number of spans that ended, sampled or not."),
            Metric::new(name("duration"), unit.symbol(), durations)
                .with_description("The durations of spans that ended, sampled or not."),
        ]
    }

    fn attributes(&self, key: Option<&SeriesKey>) -> Vec<Attribute> {
        let Some(key) = key else { return vec![Attribute::new("otel.metric.overflow", true)] };
        let mut attributes = vec![
            Attribute::new("span.name", key.name.to_string()),
            Attribute::new("span.kind", kind_name(key.kind)),
        ];
        if self.settings.inner.status_code {
            attributes.push(Attribute::new("status.code", status_name(key.status)));
        }
        for (name, value) in self.settings.inner.dimensions.iter().zip(&key.dimensions) {
            if let Some(value) = value {
                attributes.push(Attribute::new(name.clone(), value.to_value()));
            }
        }
        attributes
    }
}

/// The span as an exemplar.
pub(crate) fn observed(header: &SpanHeader) -> ObservedSpan {
    let SpanHeader { trace_id, span_id, end_unix_nanos, .. } = *header;
    ObservedSpan { trace_id, span_id, time_unix_nanos: end_unix_nanos }
}

/// The counts of the histograms, so that calls and durations never differ.
fn calls(durations: &MetricData) -> Vec<NumberPoint> {
    match durations {
        MetricData::Histogram(points) => points
            .iter()
            .map(|it| NumberPoint::new(it.count()).with_attributes(it.attributes()))
            .collect(),
        MetricData::ExponentialHistogram(points) => points
            .iter()
            .map(|it| NumberPoint::new(it.count()).with_attributes(it.attributes.clone()))
            .collect(),
        _ => Vec::new(),
    }
}

fn table_bytes(cardinality_limit: usize) -> usize {
    HistogramFamilyRecorder::<SeriesKey>::table_bytes(cardinality_limit)
}

fn family(
    settings: &SpanMetrics,
    cardinality_limit: usize,
    shards: usize,
) -> Result<HistogramFamilyRecorder<SeriesKey>, RecorderError> {
    let SpanMetricsBuilder { unit, buckets, exemplars, .. } = &*settings.inner;
    let nanos = unit.nanos();
    match buckets {
        Buckets::Explicit(bounds) => {
            let bounds = bounds.iter().map(|bound| bound.as_nanos() as f64 / nanos as f64);
            let bounds: Vec<f64> = bounds.collect();
            let buckets = HistogramRecorder::builder().with_bounds(bounds).with_divisor(nanos);
            let buckets = buckets.with_shards(shards).with_exemplars(*exemplars);
            HistogramFamilyRecorder::explicit(buckets, cardinality_limit)
        }
        Buckets::Exponential { scale } => {
            let (min, max) = (1e3 / nanos as f64, 1e12 / nanos as f64);
            let buckets = ExponentialHistogramRecorder::builder().with_scale(*scale);
            let buckets = buckets.with_divisor(nanos).with_range(min, max);
            let buckets = buckets.with_shards(shards).with_exemplars(*exemplars);
            HistogramFamilyRecorder::exponential(buckets, cardinality_limit)
        }
    }
}

/// As the Collector writes it.
fn kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Internal => "SPAN_KIND_INTERNAL",
        SpanKind::Server => "SPAN_KIND_SERVER",
        SpanKind::Client => "SPAN_KIND_CLIENT",
        SpanKind::Producer => "SPAN_KIND_PRODUCER",
        SpanKind::Consumer => "SPAN_KIND_CONSUMER",
    }
}

/// As the Collector writes it.
fn status_name(status: StatusCode) -> &'static str {
    match status {
        StatusCode::Unset => "STATUS_CODE_UNSET",
        StatusCode::Ok => "STATUS_CODE_OK",
        StatusCode::Error => "STATUS_CODE_ERROR",
    }
}

/// A number of attribute sets for which the bytes of the table are exact.
const MAX_TABLE: usize = 1 << 10;
/// Shards of a histogram at most.
const MAX_SHARDS: usize = 64;
