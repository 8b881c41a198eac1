//! The metrics of an exporter about itself.

mod collect;
mod component;
mod endpoint;
mod operation;
mod operations;

pub(crate) use component::{Component, ComponentType};
pub(crate) use endpoint::EndpointMetrics;
use endpoint::EndpointSpans;
pub use operation::Operation;
pub(crate) use operations::OperationResult;

use crate::spool::RequestSpool;
use crate::spool_usage::SpoolUsage;
use arc_swap::ArcSwap;
use spanwise_metrics::HistogramRecorder;
use spanwise_transport::{Delivery, Transport};
use spanwise_worker::catch_panic;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The counts of an exporter about its requests. Any thread reads them, without a lock.
#[derive(Clone)]
pub(crate) struct ExportMetrics {
    shared: Arc<Shared>,
}

struct Shared {
    /// `None` for a queue without an exporter.
    processor: Option<Component>,
    /// Bytes of the budget, those of encoders included.
    budget_bytes: Option<usize>,
    endpoints: ArcSwap<Endpoints>,
    requests: AtomicU64,
    retries: AtomicU64,
    uncompressed_bytes: AtomicU64,
    compressed_bytes: AtomicU64,
    /// Requests that were framed into memory of a pool, and into memory that was allocated.
    buffers_reused: AtomicU64,
    buffers_allocated: AtomicU64,
    allocated_bytes: AtomicU64,
    export: Option<HistogramRecorder>,
    processing: Option<HistogramRecorder>,
    /// Of the spool, if there is one.
    spool: OnceLock<SpoolUsage>,
}

/// The endpoints so far, the present ones among them.
#[derive(Clone, Default)]
struct Endpoints {
    all: Vec<Arc<EndpointMetrics>>,
    /// The spans of those of the first destination that are no longer in the list.
    removed: EndpointSpans,
}

impl Endpoints {
    /// Removes the oldest endpoint that neither an exporter nor a request has, if there is one.
    fn remove_unused(&mut self) {
        // `self` and the list that it was cloned from have one reference each.
        let is_unused = |it: &Arc<EndpointMetrics>| Arc::strong_count(it) <= 2;
        let Some(unused) = self.all.iter().position(is_unused) else { return };
        let unused = self.all.remove(unused);
        if unused.destination == 0 {
            self.removed.add(&unused.spans());
        }
    }
}

impl ExportMetrics {
    /// The metrics of an exporter without endpoints. `None`: of a queue without an exporter.
    pub(crate) fn new(budget_bytes: Option<usize>) -> Self {
        let [requests, retries, uncompressed_bytes, compressed_bytes] =
            [const { AtomicU64::new(0) }; 4];
        let [buffers_reused, buffers_allocated, allocated_bytes] = [const { AtomicU64::new(0) }; 3];
        let shared = Shared {
            processor: budget_bytes.map(|_| Component::next(ComponentType::BatchingSpanProcessor)),
            budget_bytes,
            endpoints: ArcSwap::default(),
            requests,
            retries,
            uncompressed_bytes,
            compressed_bytes,
            buffers_reused,
            buffers_allocated,
            allocated_bytes,
            export: durations(EXPORT_BOUNDS),
            processing: durations(PROCESSING_BOUNDS),
            spool: OnceLock::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes the usage of the exporter's spool, whose code may be the user's.
    pub(crate) fn set_spool(&self, spool: &dyn RequestSpool) {
        if let Ok(Some(usage)) = catch_panic(|| spool.usage()) {
            let _first = self.shared.spool.set(usage);
        }
    }

    /// The endpoints of a destination, which are one component.
    pub(crate) fn add_destination(
        &self,
        destination: usize,
        transports: &[Transport],
    ) -> Vec<Arc<EndpointMetrics>> {
        let Some(first) = transports.first() else { return Vec::new() };
        let component = Component::next(ComponentType::of(first));
        transports.iter().map(|it| self.endpoint(component, destination, it)).collect()
    }

    /// The endpoint of the first destination after its transport was replaced: another component if its type is another.
    pub(crate) fn replace(
        &self,
        before: &EndpointMetrics,
        transport: &Transport,
    ) -> Arc<EndpointMetrics> {
        let kind = ComponentType::of(transport);
        let component = match before.component.kind == kind {
            true => before.component,
            false => Component::next(kind),
        };
        self.endpoint(component, before.destination, transport)
    }

    /// The counts of an endpoint, which continue if it was one before.
    fn endpoint(
        &self,
        component: Component,
        destination: usize,
        transport: &Transport,
    ) -> Arc<EndpointMetrics> {
        let known = self.shared.endpoints.load();
        if let Some(same) = known.all.iter().find(|it| it.is_of(component, destination, transport))
        {
            same.set_transport(transport);
            return same.clone();
        }
        let added = Arc::new(EndpointMetrics::new(component, destination, transport));
        let mut endpoints = Endpoints::clone(&known);
        if endpoints.all.len() >= MAX_ENDPOINTS {
            // A program that changes its endpoint without end.
            endpoints.remove_unused();
        }
        endpoints.all.push(added.clone());
        self.shared.endpoints.store(Arc::new(endpoints));
        added
    }

    /// A request was handed to its transport.
    pub(crate) fn request_sent(&self) {
        self.shared.requests.fetch_add(1, Relaxed);
    }

    /// A request of `bytes` bytes ended.
    pub(crate) fn request_ended(
        &self,
        (bytes, duration): (usize, Duration),
        delivery: Option<&Delivery>,
    ) {
        record(&self.shared.export, duration);
        let Some(delivery) = delivery else { return };
        let retries = u64::from(delivery.attempts.saturating_sub(1));
        self.shared.retries.fetch_add(retries, Relaxed);
        if delivery.body_bytes > 0 {
            self.shared.uncompressed_bytes.fetch_add(bytes as u64, Relaxed);
            self.shared.compressed_bytes.fetch_add(delivery.body_bytes as u64, Relaxed);
        }
    }

    /// A request was drained, framed and encoded in this time.
    pub(crate) fn processed_in(&self, duration: Duration) {
        record(&self.shared.processing, duration);
    }

    /// A request got memory that a pool had.
    pub(crate) fn buffer_reused(&self) {
        self.shared.buffers_reused.fetch_add(1, Relaxed);
    }

    /// A request got memory that was allocated.
    pub(crate) fn buffer_allocated(&self, bytes: usize) {
        self.shared.buffers_allocated.fetch_add(1, Relaxed);
        self.shared.allocated_bytes.fetch_add(bytes as u64, Relaxed);
    }
}

impl fmt::Debug for ExportMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportMetrics").finish_non_exhaustive()
    }
}

/// A recorder for one thread, or for few records; `None` only if the bounds are not ascending.
pub(crate) fn durations(bounds: &[f64]) -> Option<HistogramRecorder> {
    let builder = HistogramRecorder::builder().with_bounds(bounds).with_divisor(1_000_000_000);
    builder.with_shards(0).build().ok()
}

pub(crate) fn record(recorder: &Option<HistogramRecorder>, duration: Duration) {
    if let Some(recorder) = recorder {
        recorder.record(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// Endpoints whose counts are retained, the earlier ones of the first destination included.
const MAX_ENDPOINTS: usize = 64;
/// Seconds: from a receiver on the same host to beyond the default export timeout, so that a quantile shows requests that end by it.
const EXPORT_BOUNDS: &[f64] =
    &[0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 75.0];
/// Seconds: from a few spans to 4 MiB that are compressed well.
const PROCESSING_BOUNDS: &[f64] =
    &[0.000_01, 0.000_025, 0.000_1, 0.000_25, 0.001, 0.002_5, 0.01, 0.025, 0.1, 0.25, 1.0];
/// Seconds for which the end of a span waited: up to the bounds of `OnFull::Wait` that are in use.
pub(crate) const STALL_BOUNDS: &[f64] = &[0.000_1, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use spanwise_ledger::DropReason;

    #[test]
    fn the_endpoints_in_use_stay_and_the_spans_of_others_still_count() {
        let transport = |port: usize| {
            let endpoint = format!("http://127.0.0.1:{port}").parse().unwrap();
            Transport::builder().with_endpoint(endpoint).build().unwrap()
        };
        let metrics = ExportMetrics::new(Some(0));
        let mut present = metrics.add_destination(0, &[transport(1)]).remove(0);
        let further = metrics.add_destination(1, &[transport(2)]).remove(0);
        for change in 0..200 {
            present.passed(3);
            present.exported(2);
            present.failed(DropReason::Rejected, 1);
            present = metrics.replace(&present, &transport(10 + change));
        }
        let endpoints = metrics.shared.endpoints.load();
        assert_eq!(endpoints.all.len(), MAX_ENDPOINTS);
        for used in [&present, &further] {
            assert!(endpoints.all.iter().any(|it| Arc::ptr_eq(it, used)), "{used:?}");
        }
        let mut spans = endpoints.removed;
        let first = endpoints.all.iter().filter(|it| it.destination == 0);
        first.for_each(|it| spans.add(&it.spans()));
        let counts = (spans.passed, spans.exported, spans.failed(DropReason::Rejected));
        assert_eq!(counts, (600, 400, 200));
    }
}
