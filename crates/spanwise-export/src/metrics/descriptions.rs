//! The descriptions of the metrics of an exporter.

use spanwise_metrics::Metric;

/// Sets the description of each metric: `# HELP` in Prometheus text.
pub(super) fn describe(metrics: &mut [Metric]) {
    for metric in metrics {
        if let Some((_, description)) =
            DESCRIPTIONS.iter().find(|(name, _)| metric.name.as_str() == *name)
        {
            metric.description = (*description).into();
        }
    }
}

const DESCRIPTIONS: &[(&str, &str)] = &[
    (
        "otel_sdk_memory_usage_bytes",
        "Memory charged to the byte budget, that of the encoder included.",
    ),
    ("otel_sdk_stall_duration_seconds", "The time for which the end of a span waited for space."),
    ("otel_sdk_gc_pause_duration_seconds", "An alias of otel_sdk_stall_duration_seconds."),
    ("otel_export_duration_seconds", "The duration of a request with all its attempts."),
    ("otel_batch_processing_duration_seconds", "The time to drain, frame and compress a request."),
    ("otel.sdk.processor.span.queue.size", "The spans in the queue."),
    ("otel.sdk.processor.span.queue.capacity", "The limit of the queue in spans."),
    (
        "otel.sdk.processor.span.processed",
        "The spans whose export was invoked, or that the processor lost (error.type).",
    ),
    ("otel.sdk.exporter.span.inflight", "The spans of requests without an outcome."),
    (
        "otel.sdk.exporter.span.exported",
        "The spans of requests with an outcome; error.type marks those that the receiver did not accept.",
    ),
    (
        "otel.sdk.exporter.operation.duration",
        "The duration of an export from its first attempt to its last.",
    ),
    (
        "spanwise_queue_usage_bytes",
        "Memory of ended spans without an outcome, in chunks and requests.",
    ),
    ("spanwise_queue_limit_bytes", "The part of the byte budget that ended spans may use."),
    ("spanwise_budget_bytes", "The byte budget."),
    ("spanwise_pool_hits", "Records, chunks and request buffers that a pool had."),
    ("spanwise_pool_misses", "Records, chunks and request buffers that were allocated."),
    ("spanwise_exporter_connections", "Open connections."),
    ("spanwise_exporter_requests", "Requests handed to the transport."),
    ("spanwise_exporter_retries", "Attempts after the first."),
    ("spanwise_exporter_uncompressed_bytes", "Bytes of requests before compression."),
    ("spanwise_exporter_compressed_bytes", "Bytes of the same requests after compression."),
];
