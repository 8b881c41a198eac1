//! Settings of the export of the provider's own metrics, which code has to ask for.

use super::rows;
use super::setting::{Setting, SettingType as Type};

rows! {
    METRICS_EXPORTER = Setting::opt_in(
        &["OTEL_METRICS_EXPORTER"],
        Type::Names(&["otlp", "none"]),
        "otlp",
        "Selects whether the provider's metrics are exported.",
    )
    .in_code(&["with_metrics_export"]);
    METRIC_EXPORT_INTERVAL = Setting::opt_in(
        &["OTEL_METRIC_EXPORT_INTERVAL"],
        Type::Milliseconds { min: 100, max: 24 * 3_600_000 },
        "60000",
        "Sets the time between two exports of metrics.",
    )
    .in_code(&["MetricsExport::with_interval"]);
    METRIC_EXPORT_TIMEOUT = Setting::opt_in(
        &["OTEL_METRIC_EXPORT_TIMEOUT"],
        Type::Timeout,
        "30000",
        "Limits a request of metrics with all its attempts.",
    )
    .in_code(&["MetricsExport::with_timeout"]);
    METRICS_TEMPORALITY = Setting::opt_in(
        &["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"],
        Type::Name(&["cumulative"]),
        "cumulative",
        "Selects the temporality of sums and histograms.",
    )
    .remark("a backend that takes deltas alone needs a collector that converts them");
    METRICS_HISTOGRAMS = Setting::opt_in(
        &["OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"],
        Type::Name(&["explicit_bucket_histogram"]),
        "explicit_bucket_histogram",
        "Selects the buckets of histograms.",
    )
    .remark("span metrics have exponential ones by `SpanMetricsBuilder::with_exponential_buckets`");
    METRICS_ENDPOINT = Setting::opt_in(
        &["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"],
        Type::Url,
        "http://localhost:4318/v1/metrics",
        "Sets the endpoint of metrics.",
    )
    .in_code(&["MetricsExport::with_endpoint", "MetricsExport::with_transport"])
    .remark(
        "as that of spans, with `/v1/metrics`; an endpoint of spans in code or in the file precedes the generic variable",
    );
    METRICS_PROTOCOL = Setting::opt_in(
        &["OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"],
        Type::Name(&["http/protobuf", "grpc"]),
        "http/protobuf",
        "Selects the protocol of metrics.",
    )
    .in_code(&["MetricsExport::with_protocol"])
    .remark("`http/json` of the spans becomes `http/protobuf`");
    METRICS_INSECURE = Setting::opt_in(
        &["OTEL_EXPORTER_OTLP_METRICS_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE"],
        Type::Boolean,
        "false",
        "Selects plain text for a gRPC endpoint of metrics without a scheme.",
    );
    METRICS_HEADERS = Setting::opt_in(
        &["OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"],
        Type::Pairs,
        "none",
        "Adds headers to each request of metrics.",
    )
    .in_code(&["MetricsExport::with_header"])
    .remark("at most 16 KiB")
    .secret();
    METRICS_COMPRESSION = Setting::opt_in(
        &["OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"],
        Type::Name(&["none", "gzip", "zstd"]),
        "none",
        "Selects the compression of metrics.",
    )
    .in_code(&["MetricsExport::with_compression"])
    .remark("`zstd` needs the feature `zstd`");
    METRICS_TIMEOUT = Setting::opt_in(
        &["OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"],
        Type::Timeout,
        "10000",
        "Limits one attempt to deliver metrics.",
    )
    .in_code(&["MetricsExport::with_attempt_timeout"]);
    METRICS_CERTIFICATE = Setting::opt_in(
        &["OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"],
        Type::Path,
        "none",
        "Names the certificates to trust for an `https` endpoint of metrics.",
    )
    .remark("certificates of the builder precede it");
    METRICS_CLIENT_CERTIFICATE = Setting::opt_in(
        &[
            "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE",
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        ],
        Type::Path,
        "none",
        "Names the certificate chain of the client for mutual TLS of metrics.",
    )
    .remark("together with the key");
    METRICS_CLIENT_KEY = Setting::opt_in(
        &["OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"],
        Type::Path,
        "none",
        "Names the private key of the client certificate of metrics.",
    )
    .remark("together with the certificate");
}
