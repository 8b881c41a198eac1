//! Configuration: code > signal variable > generic variable > default.

mod environment;
mod error;
mod exporter;
mod queue;
mod ranges;
mod resource;
mod sampling;
mod shown;
mod unused;

pub use error::BuildError;
pub use exporter::Exporter;
pub(crate) use shown::shown;

use crate::core::{Core, Phase};
use crate::diagnostics::{Diagnostic, Diagnostics, EndpointHealth, Handler, Reporter, to_stderr};
use crate::export_observer::ExportObserver;
use crate::provider::{Guard, Spanwise};
use crate::start::Scopes;
use environment::{Environment, Lookup};
use opentelemetry::{Context, KeyValue};
use resource::Resource;
use spanwise_batch::{Budget, ShardedBuffer, ShardedBufferConfig};
use spanwise_export::{self as export, OnFull, ScopeTable, SpanQueue};
use spanwise_ledger::Ledger;
#[cfg(any(feature = "jaeger", feature = "xray"))]
use spanwise_sampling::RemoteSettings;
use spanwise_sampling::{DynamicSampler, Sampler};
use spanwise_transport::{Compression, Protocol, Sink, Transport};
use spanwise_wire::{RequestLimits, SpanLimits};
use spanwise_worker::clock::ClockMode;
use spanwise_worker::fork;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

/// Configures a [`Spanwise`].
///
/// What is not set here is taken from the environment (`OTEL_*`), and else has the default named
/// with each method: code stands above the variable of the signal (`…_TRACES_…`), that above the
/// generic one, that above the default. A list of headers of the signal replaces the generic list;
/// what code adds to headers and resource replaces what the list has under the same name, and the
/// last of a name counts.
///
/// # Variables
/// White space around a value is dropped; empty is unset. Names of protocols, samplers and the like
/// are the same in upper and lower case. A boolean is true if it is `true`, and false if it is
/// anything else, which is reported unless it is `false`. Durations are in milliseconds; a timeout
/// of 0 is no limit.
///
/// A value that cannot be used is reported and ignored, as the specification wants; one that says
/// where data goes and with which credentials — endpoint, protocol, headers, certificate — is an
/// error instead of a silent change of direction. Either happens only where the setting is used:
/// not when the SDK is disabled, nothing is exported or requests go to a sink, and a certificate
/// only where the endpoint is `https`. Variables that the specification knows and this crate does
/// not are reported; client certificates are an error.
///
/// One variable is the process's and not a provider's: `SPANWISE_CLOCK`, `auto` or `monotonic`, says
/// whether spans may be timed by the processor's counter.
#[derive(Clone, Default)]
#[must_use]
pub struct SpanwiseBuilder {
    pub(crate) service_name: Option<String>,
    resource: Vec<KeyValue>,
    schema_url: String,
    sampler: Option<Sampler>,
    ratio: Option<f64>,
    #[cfg(any(feature = "jaeger", feature = "xray"))]
    remote_sampling: Option<RemoteSettings>,
    limits: Option<SpanLimits>,
    endpoint: Option<String>,
    exporter: Option<Exporter>,
    protocol: Option<Protocol>,
    headers: Vec<(String, String)>,
    compression: Option<Compression>,
    certificate_pem: Option<Vec<u8>>,
    sink: Option<Arc<dyn Sink>>,
    attempt_timeout: Option<Duration>,
    export_timeout: Option<Duration>,
    budget_bytes: Option<usize>,
    max_delay: Option<Duration>,
    max_request_bytes: Option<usize>,
    max_request_spans: Option<usize>,
    max_response_bytes: Option<usize>,
    max_queue_size: Option<usize>,
    max_in_flight: Option<usize>,
    on_full: OnFull,
    shutdown_timeout: Option<Duration>,
    lookup: Option<Lookup>,
    handler: Option<Handler>,
}

impl SpanwiseBuilder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The resource's `service.name` (`OTEL_SERVICE_NAME`). An empty one is none. Default
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

    /// Schema URL of the resource. Default none.
    pub fn with_schema_url(mut self, url: impl Into<String>) -> Self {
        self.schema_url = url.into();
        self
    }

    /// Which traces are kept (`OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`): any sampler of
    /// [`sampling`](crate::sampling), or your own. Default `Sampler::always_on().parent_based()`.
    pub fn with_sampler(mut self, sampler: impl Into<Sampler>) -> Self {
        self.sampler = Some(sampler.into());
        self
    }

    /// Keeps what a Jaeger collector or AWS X-Ray asks for, which is fetched by the worker
    /// (`OTEL_TRACES_SAMPLER=parentbased_jaeger_remote` or `xray`): takes `JaegerSettings` (feature
    /// `jaeger`) or `XraySettings` (feature `xray`) of [`sampling`](crate::sampling). Children go
    /// with their parent.
    #[cfg(any(feature = "jaeger", feature = "xray"))]
    pub fn with_remote_sampling(mut self, settings: impl Into<RemoteSettings>) -> Self {
        self.remote_sampling = Some(settings.into());
        self
    }

    /// Keeps this share of the traces that start here, 0 to 1; others go with their parent.
    pub fn with_sampling_ratio(mut self, ratio: f64) -> Self {
        self.ratio = Some(ratio);
        self
    }

    /// How much one span may hold (`OTEL_SPAN_*_LIMIT`, `OTEL_*_ATTRIBUTE_COUNT_LIMIT`,
    /// `OTEL_[SPAN_]ATTRIBUTE_VALUE_LENGTH_LIMIT`). Default 128 of each, values of 65,536
    /// characters.
    pub fn with_span_limits(mut self, limits: SpanLimits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Whether spans are exported (`OTEL_TRACES_EXPORTER`): [`Exporter::None`] leaves ids,
    /// propagation and sampling as they are and sends nothing; [`Exporter::Otlp`] exports whatever
    /// the variable says. Default [`Exporter::Otlp`].
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

    /// Where spans go (`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `OTEL_EXPORTER_OTLP_ENDPOINT`): an
    /// `http` or `https` URL. For OTLP/HTTP a URL without a path gets `/v1/traces`. Default
    /// `http://localhost:4318/v1/traces`, or `http://localhost:4317` for gRPC.
    pub fn with_endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// How spans travel (`OTEL_EXPORTER_OTLP_[TRACES_]PROTOCOL`). Default
    /// [`Protocol::HttpProtobuf`]; [`Protocol::Grpc`] needs the feature `grpc`.
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Adds a header to each request (`OTEL_EXPORTER_OTLP_[TRACES_]HEADERS`), in place of one of
    /// the same name. Its value is never logged. All of them together have at most 16 KiB.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Compression of requests (`OTEL_EXPORTER_OTLP_[TRACES_]COMPRESSION`). Default none.
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Certificate authorities to trust for `https` instead of the built-in ones, in PEM form
    /// (`OTEL_EXPORTER_OTLP_[TRACES_]CERTIFICATE` names a file). An `http` endpoint has no use for
    /// them.
    pub fn with_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificate_pem = Some(pem.into());
        self
    }

    /// Hands each request, an encoded `ExportTraceServiceRequest`, to `sink` instead of sending it
    /// over the network: to a file, a queue, a test. Any function from `Bytes` to a future of an
    /// [`Outcome`](crate::Outcome) will do; it runs on the worker thread and must not
    /// block it. Copy what is to be kept: the bytes are charged to the budget until they are
    /// dropped. What is set of protocol, endpoint, headers, certificate and compression is not
    /// looked at then. `OTEL_TRACES_EXPORTER=none` switches a sink off as well, but for
    /// [`with_exporter`](Self::with_exporter).
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
    ///     println!("{}", spanwise.shutdown(std::time::Duration::from_secs(5))?);
    ///     Ok(())
    /// }
    /// ```
    pub fn with_sink(mut self, sink: impl Sink) -> Self {
        self.sink = Some(Arc::new(sink));
        self
    }

    /// The largest answer of a receiver that is read, in bytes, as sent and inflated. Default 64 KiB,
    /// 1 KiB to 64 MiB. What a failed answer says is read up to 8 KiB, whatever its size.
    pub fn with_max_response_bytes(mut self, bytes: usize) -> Self {
        self.max_response_bytes = Some(bytes);
        self
    }

    /// The time one attempt to deliver a request has (`OTEL_EXPORTER_OTLP_[TRACES_]TIMEOUT`).
    /// Default 10 s, at least 1 ms; 0 is no limit.
    pub fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// The time a request has with all its retries (`OTEL_BSP_EXPORT_TIMEOUT`). Default 60 s, at
    /// least 1 ms; 0 is no limit.
    pub fn with_export_timeout(mut self, timeout: Duration) -> Self {
        self.export_timeout = Some(timeout);
        self
    }

    /// Bytes that ended spans may take on their way, requests included
    /// (`SPANWISE_BUDGET_BYTES`). Default 16 MiB, 1 MiB to 16 GiB. Whatever the number of threads
    /// or the size of spans, no more is held. With gzip 384 KiB of it are the encoder's.
    pub fn with_budget_bytes(mut self, bytes: usize) -> Self {
        self.budget_bytes = Some(bytes);
        self
    }

    /// The time an ended span waits at most before it is sent (`OTEL_BSP_SCHEDULE_DELAY`).
    /// Default 1 s, at least 1 ms.
    pub fn with_scheduled_delay(mut self, delay: Duration) -> Self {
        self.max_delay = Some(delay);
        self
    }

    /// Bytes of a request at most. Default, and most that is accepted, 3.75 MiB: receivers refuse
    /// gRPC messages above 4 MiB.
    pub fn with_max_request_bytes(mut self, bytes: usize) -> Self {
        self.max_request_bytes = Some(bytes);
        self
    }

    /// Spans of a request at most (`OTEL_BSP_MAX_EXPORT_BATCH_SIZE`). Default 8,192, 1 to
    /// 1,048,576.
    pub fn with_max_export_batch_size(mut self, spans: usize) -> Self {
        self.max_request_spans = Some(spans);
        self
    }

    /// Spans that may wait to be sent (`OTEL_BSP_MAX_QUEUE_SIZE`), 16 to 16,777,216, beside the byte
    /// budget; those beyond are dropped and counted as `queue_full`, or wait as
    /// [`with_on_full`](Self::with_on_full) says. Default none: only bytes count.
    ///
    /// Never more wait, from their end until they are in a request. Open buffers keep places for
    /// spans that have not ended yet, so that threads together can use at least half of it; a single
    /// thread can use all. A request has at most as many spans.
    pub fn with_max_queue_size(mut self, spans: usize) -> Self {
        self.max_queue_size = Some(spans);
        self
    }

    /// Requests on their way at once, and so connections over HTTP/1.1. Default 4, 1 to 64.
    pub fn with_max_in_flight(mut self, requests: usize) -> Self {
        self.max_in_flight = Some(requests);
        self
    }

    /// What happens to a span that ends while the budget is used up, or the queue is full. Default
    /// [`OnFull::Drop`].
    pub fn with_on_full(mut self, on_full: OnFull) -> Self {
        self.on_full = on_full;
        self
    }

    /// How long a dropped guard or provider may take to send the rest. Default 5 s.
    pub fn with_shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = Some(timeout);
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

    /// Is told of losses, failed requests and ignored settings, at most twice a minute for each
    /// kind. Default: a line on standard error.
    ///
    /// Runs on a thread of its own, which it may block: then the latest 32 reports wait, older ones
    /// are counted. `build`, flushes and shutdowns wait for it, 200 ms at most.
    pub fn with_diagnostics(
        mut self,
        handler: impl Fn(&Diagnostic) + Send + Sync + 'static,
    ) -> Self {
        self.handler = Some(Arc::new(handler));
        self
    }

    /// Checks everything that is used and starts the pipeline: one worker thread, or none if
    /// nothing is exported. Opens no connection yet.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(mut self) -> Result<Spanwise, BuildError> {
        // Before anything is drawn that must differ between processes.
        fork::watch();
        crate::record::warm_up();
        let reporter = Reporter::new(self.handler.take().unwrap_or_else(to_stderr));
        let built = self.build_with(&reporter);
        reporter.flush(REPORTED_WITHIN);
        built
    }

    fn build_with(mut self, reporter: &Reporter) -> Result<Spanwise, BuildError> {
        let lookup = self.lookup.take().unwrap_or_else(process_environment);
        let environment = Environment::new(lookup, reporter.clone());
        if environment.switch(&["OTEL_SDK_DISABLED"]) {
            let sampler = self.sampler.take().unwrap_or_default();
            return Ok(self.idle(Phase::Disabled, sampler, reporter));
        }
        unused::report(&environment);
        if self.resolve_exporter(&environment) == Exporter::None {
            let (sampler, asked) = self.resolve_sampler(&environment)?;
            if let Some(asked) = asked {
                asked.report_unused(&environment);
            }
            return Ok(self.idle(Phase::NotExporting, sampler, reporter));
        }
        self.start(&environment, reporter)
    }

    /// A provider without a worker.
    fn idle(&self, phase: Phase, sampler: Sampler, reporter: &Reporter) -> Spanwise {
        let buffer = ShardedBuffer::new(ShardedBufferConfig::default(), Budget::new(BUDGET));
        let core = Core::new(
            phase,
            SpanLimits::default(),
            DynamicSampler::new(sampler),
            Scopes::new(ScopeTable::new(0)),
            SpanQueue::new(buffer, Ledger::new(), self.on_full),
        );
        let health = EndpointHealth::new(reporter.clone());
        Spanwise::new(Arc::new(core), None, health, self.shutdown_timeout())
    }

    fn start(
        mut self,
        environment: &Environment,
        reporter: &Reporter,
    ) -> Result<Spanwise, BuildError> {
        let health = EndpointHealth::new(reporter.clone());
        // Only to report a bad value: the clock is the process's and reads the variable itself.
        let _ = environment.parsed(&[ClockMode::VARIABLE], ClockMode::ACCEPTED, ClockMode::parse);
        let transport = self.transport(environment, &health)?;
        health.set_endpoint(match self.sink {
            Some(_) => "the sink".to_owned(),
            None => transport.endpoint().to_string(),
        });
        let exporter = self.exporter_builder(environment, transport)?;
        let resource = Resource::new(
            environment,
            self.service_name.take(),
            std::mem::take(&mut self.resource),
            &self.schema_url,
            exporter.max_resource_bytes(),
        )?;
        let service_name = resource.service_name;
        let exporter = self.resolve_export(exporter, environment)?.with_resource(resource.encoded);
        let (queue, prepared) = exporter.prepare()?;
        let (sampler, asked) = self.resolve_sampler(environment)?;
        let core = Arc::new(Core::new(
            Phase::Running,
            self.span_limits(environment, prepared.max_span_bytes())?,
            DynamicSampler::new(sampler),
            Scopes::new(prepared.scopes().clone()),
            queue,
        ));
        let remote = asked.map(|asked| asked.start(&service_name)).transpose()?;
        let diagnostics = Diagnostics::new(reporter.clone(), health.clone());
        let observer = ExportObserver::new(core.clone(), diagnostics, remote);
        let exporter = prepared.with_observer(observer).spawn(core.clone())?;
        Ok(Spanwise::new(core, Some(exporter), health, self.shutdown_timeout()))
    }

    /// The exporter's settings that bound a resource, and its transport.
    fn exporter_builder(
        &self,
        environment: &Environment,
        transport: Transport,
    ) -> Result<export::ExporterBuilder, BuildError> {
        let budget = self.budget(environment)?;
        let queue = self.resolve_queue_size(environment)?;
        let limits = self.request_limits(environment, queue)?;
        let exporter = export::Exporter::builder(transport)
            .with_budget_bytes(budget)
            .with_max_request_bytes(limits.max_bytes)
            .with_max_export_batch_size(limits.max_spans)
            .with_on_full(self.on_full)
            .with_shutdown_timeout(self.shutdown_timeout())
            // No work of the exporter's thread may become a span.
            .with_on_thread_start(Context::enter_telemetry_suppressed_scope);
        Ok(match queue {
            Some(spans) => exporter.with_max_queue_size(spans),
            None => exporter,
        })
    }

    /// The rest of the exporter's settings.
    fn resolve_export(
        &self,
        mut exporter: export::ExporterBuilder,
        environment: &Environment,
    ) -> Result<export::ExporterBuilder, BuildError> {
        if let Some(requests) = self.max_in_flight {
            exporter = exporter.with_max_in_flight(ranges::IN_FLIGHT.check(requests)?);
        }
        let delay = match self.max_delay {
            Some(delay) => Some(ranges::delay("with_scheduled_delay", delay)?),
            None => environment.millis(&["OTEL_BSP_SCHEDULE_DELAY"]),
        };
        Ok(match delay {
            // The variable accepts 0, which the schedule takes for 1 ms.
            Some(delay) => exporter.with_scheduled_delay(delay.max(SHORTEST_DELAY)),
            None => exporter,
        })
    }

    fn shutdown_timeout(&self) -> Duration {
        self.shutdown_timeout.unwrap_or(SHUTDOWN_TIMEOUT)
    }

    /// [`build`](Self::build)s and makes the result the global tracer provider, until the guard
    /// is dropped.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn init(self) -> Result<Guard, BuildError> {
        self.build().map(Guard::install)
    }

    fn budget(&self, environment: &Environment) -> Result<usize, BuildError> {
        let range = ranges::BUDGET_BYTES;
        match self.budget_bytes {
            Some(bytes) => range.check(bytes),
            None => Ok(range.from(environment, &["SPANWISE_BUDGET_BYTES"]).unwrap_or(BUDGET)),
        }
    }

    fn request_limits(
        &self,
        environment: &Environment,
        queue: Option<usize>,
    ) -> Result<RequestLimits, BuildError> {
        let mut limits = RequestLimits::default();
        if let Some(bytes) = self.max_request_bytes {
            limits.max_bytes = ranges::REQUEST_BYTES.check(bytes)?;
        }
        limits.max_spans = self.resolve_request_spans(environment, queue, limits.max_spans)?;
        Ok(limits)
    }

    fn span_limits(
        &self,
        environment: &Environment,
        most: usize,
    ) -> Result<SpanLimits, BuildError> {
        if let Some(mut limits) = self.limits {
            if limits.span_bytes == SpanLimits::default().span_bytes {
                // Not set: as much of it as this budget and request size have room for.
                limits.span_bytes = limits.span_bytes.min(most);
            }
            if !(MIN_SPAN_BYTES..=most).contains(&limits.span_bytes) {
                return Err(BuildError::setting(
                    "with_span_limits, span_bytes",
                    limits.span_bytes,
                    format!(
                        "accepted is {MIN_SPAN_BYTES} to {most} with this budget and request size"
                    ),
                ));
            }
            return Ok(limits);
        }
        let count = |names: &[&'static str], default: u32| {
            environment
                .count(names)
                .map_or(default, |count| u32::try_from(count).unwrap_or(u32::MAX))
        };
        const ATTRIBUTES: &str = "OTEL_ATTRIBUTE_COUNT_LIMIT";
        let mut limits = SpanLimits::default();
        limits.attributes =
            count(&["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", ATTRIBUTES], limits.attributes);
        limits.events = count(&["OTEL_SPAN_EVENT_COUNT_LIMIT"], limits.events);
        limits.links = count(&["OTEL_SPAN_LINK_COUNT_LIMIT"], limits.links);
        limits.attributes_per_event =
            count(&["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", ATTRIBUTES], limits.attributes_per_event);
        limits.attributes_per_link =
            count(&["OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", ATTRIBUTES], limits.attributes_per_link);
        limits.value_chars = environment
            .count(&["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"])
            .map_or(limits.value_chars, |chars| usize::try_from(chars).unwrap_or(usize::MAX));
        limits.span_bytes = limits.span_bytes.min(most);
        Ok(limits)
    }
}

fn process_environment() -> Lookup {
    Arc::new(|name| std::env::var_os(name))
}

impl std::fmt::Debug for SpanwiseBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpanwiseBuilder")
            .field("service_name", &self.service_name)
            .field("sampler", &self.sampler)
            .field("endpoint", &self.endpoint.as_deref().map(shown::shown))
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

const BUDGET: usize = 16 << 20;
const MIN_SPAN_BYTES: usize = 1 << 10;
/// What the exporter's timer can measure.
const SHORTEST_DELAY: Duration = Duration::from_millis(1);
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long `build` waits for a handler of reports, which may be slow.
const REPORTED_WITHIN: Duration = Duration::from_millis(200);
