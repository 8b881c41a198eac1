//! The signal of requests.

/// The signal of requests: it selects the path of OTLP/HTTP and the service of OTLP/gRPC.
///
/// The answers of both have the same form: what [`Outcome`](crate::Outcome) counts as rejected are spans of traces, and
/// data points of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Signal {
    /// `ExportTraceServiceRequest`, to `/v1/traces`.
    #[default]
    Traces,
    /// `ExportMetricsServiceRequest`, to `/v1/metrics`. Not in OTLP/JSON.
    Metrics,
}

impl Signal {
    /// The path that is appended to the endpoint of all signals.
    pub fn path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
        }
    }

    /// The gRPC method.
    #[cfg_attr(not(feature = "grpc"), expect(dead_code, reason = "only gRPC has methods"))]
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        }
    }

    /// Its name in sentences.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        }
    }

    /// The variable that has a URL of this signal alone.
    pub(crate) fn endpoint_variable(self) -> &'static str {
        match self {
            Self::Traces => "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            Self::Metrics => "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        }
    }
}
