//! A sentence about each metric: the `# HELP` of Prometheus.

/// The description of a metric; empty for one of span metrics, which have their own.
pub(super) fn description(name: &str) -> &'static str {
    let found = DESCRIPTIONS.iter().find(|(known, _)| *known == name);
    found.map_or("", |(_, description)| description)
}

const DESCRIPTIONS: &[(&str, &str)] = &[
    (
        "spanwise_redaction_values",
        "Values, names and messages that redaction changed or deleted, by rule.",
    ),
    ("spanwise_redaction_failures", "Values that redaction could not read, and deleted."),
    (
        "otel_sdk_cpu_usage_percent",
        "Processor time that tracing used in the last second, an estimate.",
    ),
    ("otel_exporter_cpu_usage_percent", "Processor time of the export thread in the last second."),
    ("otel_sdk_memory_usage_bytes", "Memory that is charged to the byte budget."),
    (
        "otel_sdk_alloc_rate_bytes_per_sec",
        "Bytes that were allocated in the last second because no pool had them.",
    ),
    (
        "otel_sdk_stall_duration_seconds",
        "Time for which the end of a span waited for space in the queue.",
    ),
    ("otel_sdk_gc_pause_duration_seconds", "An alias of otel_sdk_stall_duration_seconds."),
    ("otel_spans_created", "Spans that were created, recording or not."),
    ("otel_spans_exported", "Spans that the receiver acknowledged."),
    ("otel_spans_dropped", "Spans that were lost, by reason."),
    ("spanwise_spans_not_sampled", "Spans that the sampler or tail sampling decided against."),
    (
        "spanwise_spans_recovered",
        "Spans of earlier processes that were on disk at the start or lost in a crash.",
    ),
    ("spanwise_spool_usage_bytes", "Bytes of the spool's files on disk."),
    (
        "spanwise_spool_limit_bytes",
        "The most bytes of the spool's files; beyond them, the oldest spans are lost.",
    ),
    ("spanwise_spool_spans", "Spans on disk that are sent once the receiver is back."),
    (
        "otel_span_creation_duration_seconds",
        "Time that the creation of a span took, of a sample of spans.",
    ),
    (
        "otel_export_duration_seconds",
        "Time between the first attempt of a request and its outcome.",
    ),
    (
        "otel_batch_processing_duration_seconds",
        "Time that draining, framing and compressing a request took.",
    ),
    ("otel.sdk.span.live", "Recording spans that have started and not ended."),
    ("otel.sdk.span.started", "Spans that have started."),
    ("otel.sdk.processor.span.queue.size", "Ended spans that wait in the queue of the processor."),
    (
        "otel.sdk.processor.span.queue.capacity",
        "The number of spans that the queue of the processor can hold.",
    ),
    (
        "otel.sdk.processor.span.processed",
        "Spans that the processor has handed to an exporter or dropped.",
    ),
    (
        "otel.sdk.exporter.span.inflight",
        "Spans that the exporter has and that have no outcome yet.",
    ),
    (
        "otel.sdk.exporter.span.exported",
        "Spans whose export has ended, with the error if it failed.",
    ),
    ("otel.sdk.exporter.operation.duration", "Time that an export took, with all its attempts."),
    (
        "spanwise_queue_usage_bytes",
        "Bytes of ended spans without an outcome, in chunks and requests.",
    ),
    ("spanwise_queue_limit_bytes", "The part of the byte budget that ended spans may use."),
    ("spanwise_budget_bytes", "The byte budget."),
    ("spanwise_pool_hits", "Records, chunks and request buffers that a pool had."),
    ("spanwise_pool_misses", "Records, chunks and request buffers that were allocated."),
    ("spanwise_exporter_connections", "Connections that are open."),
    ("spanwise_exporter_requests", "Requests that were handed to the transport."),
    ("spanwise_exporter_retries", "Attempts after the first one of a request."),
    ("spanwise_exporter_uncompressed_bytes", "Bytes of requests before compression."),
    ("spanwise_exporter_compressed_bytes", "Bytes of the same requests after compression."),
];
