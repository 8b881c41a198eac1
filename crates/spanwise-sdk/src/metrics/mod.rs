//! [`Spanwise::metrics`]: the metrics of a provider about itself.

mod meter;
mod metrics_export;
mod otlp;
mod point;
mod spans;

pub use metrics_export::MetricsExport;
pub(crate) use otlp::OtlpMetrics;

use crate::lifecycle::Handle;
use crate::provider::Spanwise;
use spanwise_metrics::MetricsSnapshot;
use spanwise_worker::clock;

impl Spanwise {
    /// The metrics of this provider about itself: those of the table in `docs/operations/metrics.md`, cumulative since the provider was
    /// built.
    ///
    /// # Cost
    /// Reads counters, about 1,200 loads, and allocates the snapshot. It takes no lock, and slows no thread that makes spans.
    pub fn metrics(&self) -> MetricsSnapshot {
        collect(&self.handle)
    }
}

/// Reads all metrics at once.
fn collect(handle: &Handle) -> MetricsSnapshot {
    let now = clock::unix_nanos();
    let age = u64::try_from(handle.age().as_nanos()).unwrap_or(u64::MAX);
    let mut snapshot = MetricsSnapshot::new(now.saturating_sub(age), now);
    let metrics = spans::metrics(&handle.core.ledger.snapshot());
    for metric in metrics {
        // The names are constants, each once: a test collects them all.
        let _added = snapshot.push(metric);
    }
    for metric in handle.core.span_metrics.iter().flat_map(|it| it.metrics()) {
        let _added = snapshot.push(metric);
    }
    snapshot
}
