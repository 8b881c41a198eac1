//! [`Spanwise::metrics`]: the metrics of a provider about itself.

mod creation;
mod description;
mod histograms;
mod key_values;
mod meter;
mod metrics_export;
mod otlp;
mod redaction;
mod spans;
mod usage;

pub(crate) use creation::CreationTimes;
pub(crate) use histograms::OperationHistograms;
pub use metrics_export::MetricsExport;
pub(crate) use otlp::OtlpMetrics;
pub(crate) use usage::{Totals, Usage, UsageMeter, UsageRates};

use crate::core::Core;
use crate::lifecycle::Handle;
use crate::provider::Spanwise;
use crate::record::allocated_records;
use description::description;
use spans::Recorded;
use spanwise_metrics::{Metric, MetricData, MetricsSnapshot, NumberPoint};
use spanwise_worker::clock;
use std::sync::atomic::Ordering::Relaxed;

impl Spanwise {
    /// The metrics of this provider about itself: those of the table in `docs/operations/metrics.md`, cumulative since the provider was
    /// built.
    ///
    /// # Cost
    /// Reads counters, about 1,200 loads, and allocates the snapshot. It takes no lock that a thread waits for, but with a spool that of its
    /// queue, which no thread holds during I/O. It holds each slot of the
    /// queue for the instant in which it reads its number of spans, as a drain does; a span that ends at this instant uses another slot.
    pub fn metrics(&self) -> MetricsSnapshot {
        collect(&self.handle)
    }
}

/// The metrics of the SDK's own work.
fn sdk(core: &Core) -> [Metric; 4] {
    let rates = core.usage.rates();
    let gauge = |name, unit, value: f64| {
        Metric::new(name, unit, MetricData::Gauge(vec![NumberPoint::new(value)]))
    };
    let creation = MetricData::Histogram(core.creation.point().into_iter().collect());
    [
        gauge("otel_sdk_cpu_usage_percent", "%", rates.sdk_cpu_percent),
        gauge("otel_exporter_cpu_usage_percent", "%", rates.exporter_cpu_percent),
        // The name ends with its unit in the guide's spelling, which is not Prometheus'.
        gauge("otel_sdk_alloc_rate_bytes_per_sec", "", rates.allocated_bytes_per_second),
        Metric::new("otel_span_creation_duration_seconds", "s", creation),
    ]
}

/// Adds the records of spans to the objects that pools had and had not: each of the `created` spans took one.
fn add_records(metrics: &mut [Metric], created: u64, handle: &Handle) {
    let allocated = allocated_records().count.saturating_sub(handle.allocated_records_before);
    let allocated = allocated.min(created);
    // Other providers allocate records too, and this one since its spans were counted. A counter must not fall for that.
    let hits = handle.record_hits.fetch_max(created - allocated, Relaxed).max(created - allocated);
    for metric in metrics {
        let records = match &*metric.name {
            "spanwise_pool_hits" => hits,
            "spanwise_pool_misses" => allocated,
            _ => continue,
        };
        if let MetricData::Counter(points) = &mut metric.data {
            for point in points {
                let others = point.value.as_u64().unwrap_or(0);
                point.value = others.saturating_add(records).into();
            }
        }
    }
}

/// The sum of a counter's points.
fn sum(counter: &Metric) -> u64 {
    let points = counter.data.numbers().unwrap_or_default();
    let values = points.iter().filter_map(|point| point.value.as_u64());
    values.fold(0, u64::saturating_add)
}

/// Reads all metrics at once.
fn collect(handle: &Handle) -> MetricsSnapshot {
    let now = clock::unix_nanos();
    let mut snapshot = MetricsSnapshot::new(handle.start_unix_nanos(now), now);
    let core = &*handle.core;
    // Ends before starts: a span whose end is counted has started.
    let of_spans = core.span_metrics.as_ref().map(|it| it.metrics());
    let ends =
        of_spans.as_ref().filter(|_| core.records_for_metrics()).map(|[calls, _]| sum(calls));
    let account = core.ledger.snapshot();
    let waiting = core.queue.waiting_spans() as u64;
    let spans = spans::metrics(&account, &Recorded { waiting, all: core.records_all, ends });
    let mut export = core.queue.metrics(&account);
    add_records(&mut export, account.created, handle);
    let all = sdk(core).into_iter().chain(spans).chain(export);
    for metric in all {
        // The names are constants, each once: a test collects them all.
        let description = description(&metric.name);
        let _added = snapshot.push(metric.with_description(description));
    }
    for metric in core.redaction.iter().flat_map(|it| redaction::metrics(it.counts())) {
        let description = description(&metric.name);
        let _added = snapshot.push(metric.with_description(description));
    }
    for metric in of_spans.into_iter().flatten() {
        let _added = snapshot.push(metric);
    }
    snapshot
}
