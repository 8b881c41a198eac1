//! [`MetricsExport`]: the settings of the export of metrics in code.

use crate::config::shown;
use spanwise_transport::{Compression, Protocol, Transport};
use std::fmt;
use std::time::Duration;

/// The periodic export of the provider's own metrics over OTLP, without an SDK for metrics.
///
/// Each setting comes from here, else from the variable of metrics (`OTEL_METRIC_EXPORT_*`,
/// `OTEL_EXPORTER_OTLP_METRICS_*`), else from the builder or its file, else from the generic variable
/// (`OTEL_EXPORTER_OTLP_*`), else it is the default. An endpoint of the builder is used with `/v1/metrics` in place of
/// `/v1/traces`, and headers of the builder are sent to that endpoint alone. Certificates and the proxy are those of the
/// builder. A sink or a transport of the builder gets no metrics.
#[derive(Clone, Default)]
#[must_use]
pub struct MetricsExport {
    pub(crate) interval: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) endpoint: Option<String>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) compression: Option<Compression>,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) transport: Option<Transport>,
}

impl MetricsExport {
    /// An export without settings in code.
    pub fn new() -> Self {
        Self::default()
    }

    /// The time between two exports (`OTEL_METRIC_EXPORT_INTERVAL`). Default 60 s, 100 ms to 1 day.
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// The timeout of a request with all its attempts (`OTEL_METRIC_EXPORT_TIMEOUT`). Default 30 s, at least 1 ms; 0 is
    /// no limit. No export starts before the one before it has ended.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The endpoint (`OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`, `OTEL_EXPORTER_OTLP_ENDPOINT`), as
    /// [`with_endpoint`](crate::SpanwiseBuilder::with_endpoint) of the builder takes that of spans. For OTLP/HTTP a URL
    /// without a path gets `/v1/metrics`. Default `http://localhost:4318/v1/metrics`, or `http://localhost:4317` for gRPC.
    pub fn with_endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// The protocol (`OTEL_EXPORTER_OTLP_[METRICS_]PROTOCOL`): [`Protocol::HttpProtobuf`], the default, or
    /// [`Protocol::Grpc`]. [`Protocol::HttpJson`] is an error; if it is that of spans, metrics are sent in protobuf.
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Adds a header to each request (`OTEL_EXPORTER_OTLP_[METRICS_]HEADERS`), in place of one of the same name. Its value
    /// is never printed.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The compression (`OTEL_EXPORTER_OTLP_[METRICS_]COMPRESSION`). Default none.
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// The timeout of one attempt (`OTEL_EXPORTER_OTLP_[METRICS_]TIMEOUT`). Default 10 s, at least 1 ms; 0 is no limit.
    pub fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// Sends metrics by a transport of yours, one that was built with
    /// [`Signal::Metrics`](spanwise_transport::Signal::Metrics), with all of its settings. Settings of the network here
    /// have no effect then, and neither have the variables.
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// The settings of the network in code, by method.
    pub(crate) fn network(&self) -> [(&'static str, bool); 6] {
        [
            ("MetricsExport::with_timeout", self.timeout.is_some()),
            ("MetricsExport::with_endpoint", self.endpoint.is_some()),
            ("MetricsExport::with_protocol", self.protocol.is_some()),
            ("MetricsExport::with_header", !self.headers.is_empty()),
            ("MetricsExport::with_compression", self.compression.is_some()),
            ("MetricsExport::with_attempt_timeout", self.attempt_timeout.is_some()),
        ]
    }

    /// All settings, for a comparison. It holds secrets.
    pub(crate) fn identity(&self) -> String {
        let Self { timeout, endpoint, headers, compression, attempt_timeout, .. } = self;
        let transport = self.transport.as_ref().map(Transport::__id);
        format!(
            "{self:?} {timeout:?} {endpoint:?} {headers:?} {compression:?} {attempt_timeout:?} {transport:?}"
        )
    }
}

impl fmt::Debug for MetricsExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsExport")
            .field("interval", &self.interval)
            .field("endpoint", &self.endpoint.as_deref().map(shown))
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}
