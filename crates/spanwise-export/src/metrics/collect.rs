//! The metrics of an exporter in the model of `spanwise-metrics`.

use super::{Component, EndpointMetrics, Endpoints, ExportMetrics, OperationResult};
use crate::queue::SpanQueue;
use spanwise_ledger::{DropReason, Snapshot};
use spanwise_metrics::{
    Attribute, HistogramPoint, HistogramRecorder, Metric, MetricData, NumberPoint,
};
use spanwise_transport::ResponseStatus;
use spanwise_worker::catch_panic;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

impl ExportMetrics {
    /// The metrics of the queue and of the requests.
    pub(crate) fn collect(&self, queue: &SpanQueue, account: &Snapshot) -> Vec<Metric> {
        let shared = &*self.shared;
        let endpoints = shared.endpoints.load_full();
        let connections: usize = endpoints.all.iter().map(|it| it.connections()).sum();
        let chunks = queue.chunk_counts();
        let load = |count: &AtomicU64| NumberPoint::new(count.load(Relaxed));
        let [usage, limit] = queue.usage_bytes().map(|bytes| NumberPoint::new(bytes as u64));
        let hits = shared.buffers_reused.load(Relaxed).saturating_add(chunks.reused);
        let misses = shared.buffers_allocated.load(Relaxed).saturating_add(chunks.allocated);
        let mut metrics = self.processor(queue, account, &endpoints);
        metrics.extend(exporter(&endpoints.all));
        let budget = queue.budget();
        let budget_bytes = shared.budget_bytes.unwrap_or_else(|| budget.limit());
        // Encoders are not charged one by one: their part of the budget is not for others.
        let encoders = budget_bytes.saturating_sub(budget.limit());
        let bytes = |bytes: usize| NumberPoint::new(bytes as u64);
        metrics.extend([
            gauge("otel_sdk_memory_usage_bytes", "By", bytes(budget.charged() + encoders)),
            gauge("spanwise_budget_bytes", "By", bytes(budget_bytes)),
            histogram("otel_sdk_stall_duration_seconds", queue.stalls()),
            histogram("otel_sdk_gc_pause_duration_seconds", queue.stalls()),
            histogram("otel_export_duration_seconds", &shared.export),
            histogram("otel_batch_processing_duration_seconds", &shared.processing),
            gauge("spanwise_queue_usage_bytes", "By", usage),
            gauge("spanwise_queue_limit_bytes", "By", limit),
            counter("spanwise_pool_hits", "{object}", NumberPoint::new(hits)),
            counter("spanwise_pool_misses", "{object}", NumberPoint::new(misses)),
            gauge(
                "spanwise_exporter_connections",
                "{connection}",
                NumberPoint::new(connections as u64),
            ),
            counter("spanwise_exporter_requests", "{request}", load(&shared.requests)),
            counter("spanwise_exporter_retries", "{attempt}", load(&shared.retries)),
            counter("spanwise_exporter_uncompressed_bytes", "By", load(&shared.uncompressed_bytes)),
            counter("spanwise_exporter_compressed_bytes", "By", load(&shared.compressed_bytes)),
        ]);
        if let Some(spool) = shared.spool.get() {
            // The closure may be the user's: a panic in it costs this value alone.
            let usage = catch_panic(|| spool.bytes()).ok().map(NumberPoint::new);
            let usage = MetricData::Gauge(usage.into_iter().collect());
            metrics.push(Metric::new("spanwise_spool_usage_bytes", "By", usage));
            let limit = NumberPoint::new(spool.limit_bytes());
            metrics.push(gauge("spanwise_spool_limit_bytes", "By", limit));
        }
        metrics
    }

    /// Bytes of requests and chunks that no pool had.
    pub(crate) fn allocated_bytes(&self, queue: &SpanQueue) -> u64 {
        let chunks = queue.chunk_counts().allocated_bytes;
        self.shared.allocated_bytes.load(Relaxed).saturating_add(chunks)
    }

    /// `otel.sdk.processor.*`.
    fn processor(
        &self,
        queue: &SpanQueue,
        account: &Snapshot,
        endpoints: &Endpoints,
    ) -> Vec<Metric> {
        let component = self.shared.processor;
        let attributes = || component.iter().flat_map(component_attributes).collect::<Vec<_>>();
        // The spans of the other destinations are copies of those of the first.
        let first = endpoints.all.iter().filter(|it| it.destination == 0);
        let first: Vec<_> = first.map(|it| it.spans()).chain([endpoints.removed]).collect();
        let in_flight: u64 = first.iter().map(|it| it.in_flight()).sum();
        let passed: u64 = first.iter().map(|it| it.processed()).sum();
        // Tail sampling has processed the spans that it did not sample.
        let processed = passed + account.tail_not_sampled + account.tail_dropped;
        let mut failed = BTreeMap::from([("queue_full", 0), ("already_shutdown", 0)]);
        for (reason, dropped) in account.drops() {
            let exporter: u64 = first.iter().map(|it| it.failed(reason)).sum();
            let lost = dropped.saturating_sub(exporter);
            if lost > 0 {
                *failed.entry(error_type(reason)).or_insert(0) += lost;
            }
        }
        let mut points = vec![NumberPoint::new(processed).with_attributes(attributes())];
        points.extend(failed.into_iter().map(|(error, spans)| {
            NumberPoint::new(spans).with_attributes(with_error(attributes(), error))
        }));
        let waiting = account.ticketed.saturating_sub(in_flight) + queue.waiting_spans() as u64;
        let size = NumberPoint::new(waiting).with_attributes(attributes());
        let capacity = queue.max_queue_size();
        let capacity =
            capacity.map(|spans| NumberPoint::new(spans as u64).with_attributes(attributes()));
        let up_down = |name, points| Metric::new(name, "{span}", MetricData::UpDownCounter(points));
        vec![
            up_down("otel.sdk.processor.span.queue.size", vec![size]),
            up_down("otel.sdk.processor.span.queue.capacity", capacity.into_iter().collect()),
            Metric::new("otel.sdk.processor.span.processed", "{span}", MetricData::Counter(points)),
        ]
    }
}

/// `otel.sdk.exporter.*`.
fn exporter(endpoints: &[Arc<EndpointMetrics>]) -> [Metric; 3] {
    let (mut in_flight, mut exported, mut durations) = (Vec::new(), Vec::new(), Vec::new());
    for endpoint in endpoints {
        let (spans, attributes) = (endpoint.spans(), endpoint_attributes(endpoint));
        let point = |spans| NumberPoint::new(spans).with_attributes(attributes.clone());
        in_flight.push(point(spans.in_flight()));
        exported.push(point(spans.exported));
        let mut failed = BTreeMap::new();
        for (reason, lost) in spans.failures() {
            *failed.entry(error_type(reason)).or_insert(0) += lost;
        }
        exported.extend(failed.into_iter().map(|(error, spans): (_, u64)| {
            NumberPoint::new(spans).with_attributes(with_error(attributes.clone(), error))
        }));
        durations.extend(endpoint.operations.recorded().map(|recorded| {
            let attributes = operation_attributes(endpoint, recorded.result);
            let no_bounds: &[f64] = &[];
            HistogramPoint::new(no_bounds.to_vec(), vec![recorded.count], recorded.seconds)
                .with_attributes(attributes)
        }));
    }
    [
        Metric::new(
            "otel.sdk.exporter.span.inflight",
            "{span}",
            MetricData::UpDownCounter(in_flight),
        ),
        Metric::new("otel.sdk.exporter.span.exported", "{span}", MetricData::Counter(exported)),
        Metric::new("otel.sdk.exporter.operation.duration", "s", MetricData::Histogram(durations)),
    ]
}

/// The attributes of operations with this result; `None` for all results beyond the first ones.
pub(super) fn operation_attributes(
    endpoint: &EndpointMetrics,
    result: Option<OperationResult>,
) -> Vec<Attribute> {
    let mut attributes = endpoint_attributes(endpoint);
    match result {
        Some(result) => {
            attributes.extend(result.error.map(|error| Attribute::new("error.type", error)));
            attributes.extend(result.status.map(status_attribute));
        }
        None => attributes.push(Attribute::new("otel.metric.overflow", true)),
    }
    attributes
}

fn endpoint_attributes(endpoint: &EndpointMetrics) -> Vec<Attribute> {
    let mut attributes = Vec::from(component_attributes(&endpoint.component));
    if let Some((address, port)) = &endpoint.server {
        attributes.push(Attribute::new("server.address", address.clone()));
        attributes.extend(port.map(|port| Attribute::new("server.port", i64::from(port))));
    }
    attributes
}

fn component_attributes(component: &Component) -> [Attribute; 2] {
    [
        Attribute::new("otel.component.name", component.name()),
        Attribute::new("otel.component.type", component.kind.name()),
    ]
}

fn with_error(mut attributes: Vec<Attribute>, error: &'static str) -> Vec<Attribute> {
    attributes.push(Attribute::new("error.type", error));
    attributes
}

/// The status of HTTP is a number, that of gRPC its name.
fn status_attribute(status: ResponseStatus) -> Attribute {
    match status {
        ResponseStatus::Http(code) => Attribute::new("http.response.status_code", i64::from(code)),
        ResponseStatus::Grpc(code) => {
            let name = status.grpc_name().map_or_else(|| code.to_string(), str::to_owned);
            Attribute::new("rpc.status_code", name)
        }
    }
}

/// The value of `error.type`: that of the semantic conventions, or the name of the reason.
pub(super) fn error_type(reason: DropReason) -> &'static str {
    match reason {
        DropReason::QueueBytes
        | DropReason::QueueFull
        | DropReason::Shed
        | DropReason::Contended => "queue_full",
        DropReason::AfterShutdown => "already_shutdown",
        DropReason::PartialRejected => DropReason::Rejected.name(),
        other => other.name(),
    }
}

fn gauge(name: &'static str, unit: &'static str, point: NumberPoint) -> Metric {
    Metric::new(name, unit, MetricData::Gauge(vec![point]))
}

fn counter(name: &'static str, unit: &'static str, point: NumberPoint) -> Metric {
    Metric::new(name, unit, MetricData::Counter(vec![point]))
}

fn histogram(name: &'static str, recorder: &Option<HistogramRecorder>) -> Metric {
    let points = recorder.iter().map(HistogramRecorder::point).collect();
    Metric::new(name, "s", MetricData::Histogram(points))
}
