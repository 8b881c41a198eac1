//! [`SpanwiseBuilder`]: the settings of a provider in code.

use super::attribute_filter::AttributeFilter;
use super::container::limits::ContainerLimits;
use super::environment::Lookup;
use super::exporter::Exporter;
use super::file_parts::FileParts;
use super::files::Files;
use super::of_file::OfFile;
use super::otlp::{ClientCertificate, Trust};
use super::recording_sdk::RecordingSdk;
use super::redaction::shown;
use crate::detectors::Detector;
use crate::diagnostics::{Diagnostic, Handler, LogLevel};
use crate::processor::SpanProcessor;
use crate::propagation::Propagator;
use crate::start::TracerConfigurator;
use opentelemetry::KeyValue;
use spanwise_batch::{BatchPreset, BatchSize};
use spanwise_export::{Destination, OnFull};
#[cfg(any(feature = "jaeger", feature = "xray"))]
use spanwise_sampling::RemoteSettings;
use spanwise_sampling::Sampler;
use spanwise_transport::{CircuitBreaker, Compression, CryptoProvider, Protocol, Sink, Transport};
use spanwise_wire::SpanLimits;
use std::ffi::OsString;
use std::fmt;
#[cfg(feature = "config-file")]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Configures a [`Spanwise`](crate::Spanwise): the builder of a tracer provider.
///
/// Code precedes the declarative file, which replaces the `OTEL_*` variables. Without a file, the variable of the
/// signal (`OTEL_…_TRACES_…`) precedes the generic variable, which precedes the default that each method names. A list of headers of the signal replaces the generic list.
/// A header or resource attribute in code replaces one of the list with the same name, and the last of a
/// name counts.
///
/// # Variables
/// The builder trims white space around a value, and treats an empty value as unset. Names of protocols,
/// samplers and the like are case-insensitive. A boolean is true if its value is `true`; any other value is
/// false, and the provider reports it unless it is `false`. Durations are in milliseconds; a timeout of 0 is
/// no limit.
///
/// The provider reports and ignores an invalid value, as the specification requires. An invalid endpoint,
/// protocol, header, certificate or key is an error, because ignoring it would send data elsewhere or without
/// credentials. Both apply to settings in use alone: a disabled SDK, the exporter `none` and a sink use no
/// setting of the network, and an `http` endpoint uses no certificate. The provider reports variables of the
/// specification that it does not support.
///
/// `SPANWISE_CLOCK`, `auto` or `monotonic`, applies to the whole process: `monotonic` does not use the
/// processor's counter for the times of spans.
#[derive(Clone, Default)]
#[must_use]
pub struct SpanwiseBuilder {
    pub(super) service_name: Option<String>,
    pub(super) resource: Vec<KeyValue>,
    pub(super) detectors: Option<Vec<Detector>>,
    /// The detected attributes that the file chooses.
    pub(super) detected: AttributeFilter,
    pub(super) schema_url: String,
    pub(super) sampler: Option<Sampler>,
    pub(super) sampling_ratio: Option<f64>,
    #[cfg(any(feature = "jaeger", feature = "xray"))]
    pub(super) remote_sampling: Option<RemoteSettings>,
    pub(super) limits: Option<SpanLimits>,
    pub(super) endpoint: Option<String>,
    pub(super) exporter: Option<Exporter>,
    pub(super) protocol: Option<Protocol>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) compression: Option<Compression>,
    pub(super) compression_level: Option<i32>,
    pub(super) compression_threshold: Option<usize>,
    pub(super) trust: Option<Trust>,
    pub(super) client_certificate: Option<ClientCertificate>,
    pub(super) crypto_provider: Option<CryptoProvider>,
    pub(super) proxy: Option<String>,
    pub(super) sink: Option<Arc<dyn Sink>>,
    pub(super) transport: Option<Transport>,
    pub(super) metrics_export: Option<crate::metrics::MetricsExport>,
    pub(super) destinations: Vec<Destination>,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) export_timeout: Option<Duration>,
    pub(super) budget_bytes: Option<usize>,
    pub(super) scheduled_delay: Option<Duration>,
    pub(super) max_request_bytes: Option<usize>,
    pub(super) max_export_batch_size: Option<usize>,
    pub(super) max_response_bytes: Option<usize>,
    pub(super) circuit_breaker: Option<CircuitBreaker>,
    pub(super) max_queue_size: Option<usize>,
    pub(super) max_in_flight: Option<usize>,
    pub(super) batch_preset: Option<BatchPreset>,
    pub(super) is_production: bool,
    pub(super) batch_size: Option<BatchSize>,
    pub(super) hold_back: Option<Duration>,
    pub(super) on_full: OnFull,
    pub(super) tail_sampling: Option<crate::tail::TailSampling>,
    pub(super) spool: crate::spool_settings::SpoolSettings,
    pub(super) span_metrics: Option<crate::span_metrics::SpanMetrics>,
    #[cfg(feature = "redaction")]
    pub(super) redaction: Option<crate::redaction::Redactor>,
    pub(super) shutdown_timeout: Option<Duration>,
    pub(super) processors: Vec<Arc<dyn SpanProcessor>>,
    pub(super) tracer_configurator: Option<TracerConfigurator>,
    pub(super) propagators: Option<Vec<Propagator>>,
    #[cfg(feature = "config-file")]
    pub(super) config_file: Option<PathBuf>,
    /// The limits of the file; the control group's where it has none.
    pub(super) container: ContainerLimits,
    /// The interval at which the file is examined.
    #[cfg(feature = "config-file")]
    pub(super) config_file_watch: Option<Duration>,
    /// The transport is the exporter of the configuration file that writes to this path.
    pub(super) file_exporter: Option<String>,
    pub(super) file_parts: FileParts,
    /// The propagators that [`init`](Self::init) sets.
    pub(super) installed: Option<Vec<Propagator>>,
    pub(super) of_file: OfFile,
    pub(super) files: Files,
    pub(super) lookup: Option<Lookup>,
    pub(super) handler: Option<Handler>,
    pub(super) log_level: Option<LogLevel>,
    pub(super) recording_sdk: RecordingSdk,
}

impl SpanwiseBuilder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The resource's `service.name` (`OTEL_SERVICE_NAME`). An empty name counts as unset. Default
    /// `unknown_service:<program>`.
    pub fn with_service_name(mut self, name: impl Into<String>) -> Self {
        self.service_name = Some(name.into());
        self
    }

    /// Adds attributes of the resource (`OTEL_RESOURCE_ATTRIBUTES`).
    pub fn with_resource(mut self, attributes: impl IntoIterator<Item = KeyValue>) -> Self {
        self.resource.extend(attributes);
        self
    }

    /// Adds the attributes of resource detectors: of the process, the host or the container
    /// (`OTEL_RUST_RESOURCE_DETECTORS`: a list of `process`, `processcommand`, `host`, `os`,
    /// `container`, `serviceinstance`; or `all`, all but `processcommand`; or `none`). Default none.
    ///
    /// Attributes of [`with_resource`](Self::with_resource) and `OTEL_RESOURCE_ATTRIBUTES` replace
    /// detected ones. [`build`](Self::build) runs the detectors once: they read a few small files.
    ///
    /// ```
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::{Detector, Spanwise};
    ///
    /// fn main() -> Result<(), spanwise::BuildError> {
    ///     let detectors = [Detector::Process, Detector::Host, Detector::ServiceInstance];
    ///     let _spanwise = Spanwise::builder().with_detectors(detectors).build()?;
    ///     Ok(())
    /// }
    /// ```
    pub fn with_detectors(mut self, detectors: impl IntoIterator<Item = Detector>) -> Self {
        self.detectors = Some(detectors.into_iter().collect());
        self
    }

    /// Schema URL of the resource. Default none.
    pub fn with_schema_url(mut self, url: impl Into<String>) -> Self {
        self.schema_url = url.into();
        self
    }

    /// The sampler (`OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`): any sampler of
    /// [`sampling`](crate::sampling), or your own. Default `Sampler::always_on().parent_based()`.
    pub fn with_sampler(mut self, sampler: impl Into<Sampler>) -> Self {
        self.sampler = Some(sampler.into());
        self
    }

    /// Samples as a Jaeger collector or AWS X-Ray requests; the worker fetches the strategy
    /// (`OTEL_TRACES_SAMPLER=parentbased_jaeger_remote` or `xray`): takes `JaegerSettings` (feature
    /// `jaeger`) or `XraySettings` (feature `xray`) of [`sampling`](crate::sampling). Children are sampled as
    /// their parent is.
    #[cfg(any(feature = "jaeger", feature = "xray"))]
    pub fn with_remote_sampling(mut self, settings: impl Into<RemoteSettings>) -> Self {
        self.remote_sampling = Some(settings.into());
        self
    }

    /// Samples traces that start here with this probability, 0 to 1; children are sampled as their
    /// parent is.
    pub fn with_sampling_ratio(mut self, ratio: f64) -> Self {
        self.sampling_ratio = Some(ratio);
        self
    }

    /// Limits of a single span (`OTEL_SPAN_*_LIMIT`, `OTEL_*_ATTRIBUTE_COUNT_LIMIT`,
    /// `OTEL_[SPAN_]ATTRIBUTE_VALUE_LENGTH_LIMIT`). Default 128 of each, values of 65,536
    /// characters.
    pub fn with_span_limits(mut self, limits: SpanLimits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Whether spans are exported (`OTEL_TRACES_EXPORTER`): [`Exporter::None`] leaves ids,
    /// propagation and sampling as they are and sends nothing; [`Exporter::Otlp`] exports whatever
    /// the variable holds. Default [`Exporter::Otlp`].
    ///
    /// ```
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::{Exporter, SpanKind, Spanwise};
    ///
    /// fn main() -> Result<(), spanwise::BuildError> {
    ///     let spanwise = Spanwise::builder().with_exporter(Exporter::None).build()?;
    ///     let span = spanwise.tracer("shop").root("GET /orders", SpanKind::Server);
    ///     assert!(span.context().is_valid() && !span.is_recording());
    ///     Ok(())
    /// }
    /// ```
    pub fn with_exporter(mut self, exporter: Exporter) -> Self {
        self.exporter = Some(exporter);
        self
    }

    /// The endpoint of requests (`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `OTEL_EXPORTER_OTLP_ENDPOINT`): an
    /// `http` or `https` URL, or `unix:/path` for a Unix socket. For OTLP/HTTP a URL without a path gets
    /// `/v1/traces`. Default `http://localhost:4318/v1/traces`, or `http://localhost:4317` for gRPC.
    pub fn with_endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// The protocol of requests (`OTEL_EXPORTER_OTLP_[TRACES_]PROTOCOL`). Default
    /// [`Protocol::HttpProtobuf`]; [`Protocol::Grpc`] needs the feature `grpc`.
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Adds a header to each request (`OTEL_EXPORTER_OTLP_[TRACES_]HEADERS`), in place of one of
    /// the same name. The exporter never prints its value. All headers together have at most 16 KiB.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Compression of requests (`OTEL_EXPORTER_OTLP_[TRACES_]COMPRESSION`). Default none;
    /// [`Compression::Zstd`] needs the feature `zstd`.
    ///
    /// A receiver that refuses the compression gets the same requests uncompressed, which is reported once.
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// The level of the compression: gzip 1 to 9, zstd -7 to 9. Default 1. No effect without compression.
    pub fn with_compression_level(mut self, level: i32) -> Self {
        self.compression_level = Some(level);
        self
    }

    /// The size in bytes below which requests are sent uncompressed. Default 1 KiB, at most 64 MiB.
    pub fn with_compression_threshold(mut self, bytes: usize) -> Self {
        self.compression_threshold = Some(bytes);
        self
    }

    /// Passes each request, an encoded `ExportTraceServiceRequest`, to `sink` instead of the network: to a
    /// file, a queue, a test. A sink is a function from `Bytes` to a future of an
    /// [`Outcome`](crate::Outcome); it runs on the worker thread and must not block it. Copy bytes that you
    /// retain: the budget is charged for them until they are dropped. The provider then uses no setting of
    /// protocol, endpoint, headers, certificate and compression, and reports those in code.
    /// `OTEL_TRACES_EXPORTER=none` disables a sink
    /// too, unless [`with_exporter`](Self::with_exporter) selects OTLP.
    ///
    /// ```
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::{Bytes, Outcome, SpanKind, Spanwise};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let sink = |request: Bytes| async move {
    ///         println!("{} bytes of OTLP", request.len());
    ///         Outcome::Accepted { rejected: 0, message: None }
    ///     };
    ///     let spanwise = Spanwise::builder().with_sink(sink).build()?;
    ///     let items = vec!["book", "pen"];
    ///     let mut span = spanwise.tracer("shop").root("checkout", SpanKind::Server);
    ///     span.attribute("order.items", items.len());
    ///     span.finish();
    ///     println!("{}", spanwise.shutdown()?);
    ///     Ok(())
    /// }
    /// ```
    pub fn with_sink(mut self, sink: impl Sink) -> Self {
        self.sink = Some(Arc::new(sink));
        self
    }

    /// Sends each request by a [`Transport`] of yours, with all of its settings: several
    /// endpoints, gRPC channels, retries, idle connections, a probed protocol. The provider then uses no setting of the
    /// network, of timeouts and of the circuit breaker, and reports those in code. Further transports are destinations:
    /// [`with_destination`](Self::with_destination).
    ///
    /// ```
    /// # mod spanwise { pub use spanwise_sdk::*; pub mod transport { pub use spanwise_transport::*; } }
    /// use spanwise::Spanwise;
    /// use spanwise::transport::{EndpointSelection, Transport};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let endpoints = ["http://collector-1:4318", "http://collector-2:4318"];
    ///     let endpoints = endpoints.map(str::parse).into_iter().collect::<Result<Vec<_>, _>>()?;
    ///     let transport = Transport::builder()
    ///         .with_endpoints(endpoints)
    ///         .with_endpoint_selection(EndpointSelection::RoundRobin)
    ///         .build()?;
    ///     let _spanwise = Spanwise::builder().with_transport(transport).build()?;
    ///     Ok(())
    /// }
    /// ```
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Adds a destination, which gets every span too: a `Transport` or a [`Destination`]. No variable
    /// applies to it.
    ///
    /// A destination that falls behind delays the others by two seconds at most, and loses its own spans after that. The provider's account counts the outcomes at the
    /// endpoint of this builder; [`Destination::ledger`] counts those at the further destination, whose
    /// failures and losses the diagnostics report too, by its name. A flush and a shutdown wait for all destinations. With [`Exporter::None`] no destination gets a span.
    pub fn with_destination(mut self, destination: impl Into<Destination>) -> Self {
        self.destinations.push(destination.into());
        self
    }

    /// The largest response of a receiver in bytes, compressed and decompressed. Default 64 KiB, 1 KiB to
    /// 64 MiB. The transport reads at most 8 KiB of a failed response.
    pub fn with_max_response_bytes(mut self, bytes: usize) -> Self {
        self.max_response_bytes = Some(bytes);
        self
    }

    /// A circuit breaker for the requests of this provider: after failed attempts in a row they wait, and one probe at
    /// a time is sent. Default none. The counter `breaker_openings` has how often it opened, and a diagnostic reports it.
    pub fn with_circuit_breaker(mut self, breaker: impl Into<Option<CircuitBreaker>>) -> Self {
        self.circuit_breaker = breaker.into();
        self
    }

    /// The timeout of one attempt to deliver a request (`OTEL_EXPORTER_OTLP_[TRACES_]TIMEOUT`). Default 10 s, at least 1 ms; 0 is no limit.
    pub fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// The timeout of a request with all its retries (`OTEL_BSP_EXPORT_TIMEOUT`). Default 60 s, at least 1 ms; 0 is no limit.
    pub fn with_export_timeout(mut self, timeout: Duration) -> Self {
        self.export_timeout = Some(timeout);
        self
    }

    /// The memory budget in bytes of ended spans without an outcome, requests included
    /// (`SPANWISE_BUDGET_BYTES`). Default 16 MiB, 1 MiB to 16 GiB. It does not depend
    /// on the number of threads or the size of spans. With gzip the encoder takes 384 KiB of it.
    ///
    /// In a container with less than 512 MiB of memory the default is a 32nd of its limit, at least 1 MiB and
    /// at least the smallest budget that the other settings accept; the provider reports it. The limit is that of
    /// the control group (versions 1 and 2), or `resources.memory_limit` of a configuration file.
    pub fn with_budget_bytes(mut self, bytes: usize) -> Self {
        self.budget_bytes = Some(bytes);
        self
    }

    /// Whether spans are refused and dropped, or their end waits, while the budget is used up or the queue
    /// is full, or whether whole traces are shed before. Default [`OnFull::Drop`].
    pub fn with_on_full(mut self, on_full: OnFull) -> Self {
        self.on_full = on_full;
        self
    }

    /// The timeout of [`shutdown`](crate::Spanwise::shutdown), of
    /// [`force_flush`](crate::Spanwise::force_flush), and of the shutdown that a dropped guard or
    /// provider starts. Default 5 s. The specification has no variable for it:
    /// `OTEL_BSP_EXPORT_TIMEOUT` limits a single request.
    pub fn with_shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = Some(timeout);
        self
    }

    /// The global propagators that [`init`](Self::init) sets (`OTEL_PROPAGATORS`: a list of
    /// `tracecontext` and `baggage`, or `none`). Default both. An empty list leaves the global
    /// propagator as it is. [`build`](Self::build) sets no globals.
    ///
    /// The provider reports and skips unknown names. `OTEL_SDK_DISABLED=true` has no effect on propagators,
    /// so that traces of other services pass through.
    ///
    /// ```no_run
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::{Spanwise, propagation::Propagator};
    ///
    /// fn main() -> Result<(), spanwise::BuildError> {
    ///     let builder = Spanwise::builder().with_propagators([Propagator::TraceContext]);
    ///     let _tracing = builder.init()?;
    ///     Ok(())
    /// }
    /// ```
    pub fn with_propagators(mut self, propagators: impl IntoIterator<Item = Propagator>) -> Self {
        self.propagators = Some(propagators.into_iter().collect());
        self
    }

    /// Reads variables from `lookup` instead of the process's environment.
    pub fn with_environment(
        mut self,
        lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.lookup = Some(Arc::new(move |name| lookup(name).map(OsString::from)));
        self
    }

    /// Sets the handler of diagnostics: losses, failed requests and ignored settings, at most twice a
    /// minute for each kind. Default: a line on standard error for those at or above the
    /// [level](Self::with_log_level).
    ///
    /// The handler runs on a thread of its own, which it may block: the queue then holds the latest 32
    /// reports and counts older ones. `build`, flushes and shutdowns wait for it for at most 200 ms.
    pub fn with_diagnostics(
        mut self,
        handler: impl Fn(&Diagnostic) + Send + Sync + 'static,
    ) -> Self {
        self.handler = Some(Arc::new(handler));
        self
    }
}

/// The default timeout of a flush or a shutdown.
pub(super) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

impl fmt::Debug for SpanwiseBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanwiseBuilder")
            .field("service_name", &self.service_name)
            .field("sampler", &self.sampler)
            .field("endpoint", &self.endpoint.as_deref().map(shown))
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}
