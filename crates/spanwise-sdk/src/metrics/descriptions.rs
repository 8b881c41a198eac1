//! The descriptions of the metrics of a provider.

/// The description of the metric `name`: `# HELP` in Prometheus text.
pub(super) fn description(name: &str) -> &'static str {
    match name {
        "otel_sdk_cpu_usage_percent" => {
            "Percent of a core in the last second: the export thread and an estimate of the creation of spans."
        }
        "otel_exporter_cpu_usage_percent" => {
            "Percent of a core that the export thread used in the last second."
        }
        "otel_sdk_alloc_rate_bytes_per_sec" => {
            "Bytes per second of records, chunks and requests that no pool had, in the last second."
        }
        "otel_span_creation_duration_seconds" => "The time to create a span, of few of them.",
        "otel_spans_created" => "The spans that started, recording or not.",
        "otel_spans_exported" => "The spans that the receiver acknowledged.",
        "otel_spans_dropped" => "The spans that were lost, by reason.",
        "spanwise_spans_not_sampled" => {
            "The spans that the sampler or tail sampling left out: no loss."
        }
        "otel.sdk.span.started" => {
            "The spans that started, by the origin of their parent and the sampler's result."
        }
        "otel.sdk.span.live" => "The recording spans that have not ended.",
        _ => "",
    }
}
