#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
#![deny(unsafe_code)]

mod init;
#[cfg(doctest)]
mod pages;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tracing-init")]
mod tracing_init;

pub use init::init;
/// The bytes of a request, as a [`Sink`] receives them.
#[doc(no_inline)]
pub use spanwise_sdk::Bytes;
// Every item by name: with `*` a new item of a layer would become public here without a decision, and
// rustdoc would show the documentation of `Bytes`, whose examples are for its own crate, as ours.
#[doc(inline)]
pub use spanwise_sdk::{
    AdaptiveBatchSize, Attribute, BatchConfig, BatchConfigError, BatchLimits, BatchPreset,
    BatchSize, BuildError, CheckStatus, CircuitBreaker, Compression, Counter, CrashLoss,
    CryptoProvider, Destination, DestinationReport, Detector, Diagnostic, DoctorCheck,
    DoctorReport, DropReason, DurationUnit, DynamicBatchConfig, EncodeValue, Exporter, Failure,
    FileSink, FileSinkBuilder, FileSinkError, FinishError, Finished, FlushError, Guard,
    LinkedContext, LiveBudget, LiveDestination, LiveDiagnostic, LiveRedaction, LiveRule,
    LiveSampler, LiveSnapshot, LiveSpan, LiveView, LocalSpan, LocalSpans, LocalTrace, LogLevel,
    MetricsExport, OnFull, Outcome, OwnedValue, ProcessorError, Protocol, ReadableSpan,
    ReloadError, Reloaded, Report, ResponseStatus, SettingChange, Sink, SinkFuture, SinkLifecycle,
    Snapshot, Span, SpanId, SpanKind, SpanLimits, SpanMetrics, SpanMetricsBuilder,
    SpanMetricsError, SpanProcessor, Spanwise, SpanwiseBuilder, SpoolRecovery, StatusCode,
    TailDecision, TailSampling, TraceFlags, TraceId, Tracer, TracerConfig, Value, VisibleFrom,
    doctor,
};

#[cfg(feature = "spool")]
#[doc(inline)]
pub use spanwise_sdk::SpoolSettings;

/// Views of encoded spans, which a [`SpanProcessor`] reads.
#[doc(no_inline)]
pub use spanwise_sdk::read;

/// Propagators of W3C Trace Context and W3C Baggage, which [`init()`] makes the global ones.
#[doc(inline)]
pub use spanwise_sdk::propagation;

/// The API that spans are made through, in the version this crate implements. Two versions in one
/// program do not see each other's spans: depend on this one.
pub use opentelemetry;

/// An HTTP endpoint of the process: metrics for Prometheus and the live state of the provider: the crate `spanwise-admin`.
///
/// ```
/// use spanwise::{Spanwise, admin::AdminEndpoint};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let spanwise = Spanwise::builder().build()?;
///     let admin = AdminEndpoint::builder().with_address("127.0.0.1:0").build(&spanwise)?;
///     println!("http://{}/metrics", admin.local_addr());
///     Ok(())
/// }
/// ```
#[cfg(feature = "admin")]
pub mod admin {
    #[doc(no_inline)]
    pub use spanwise_admin::{AdminEndpoint, AdminEndpointBuilder, AdminError};
}

/// Sharded buffers under a byte budget: the crate `spanwise-batch`.
///
/// ```
/// use spanwise::batch::Budget;
///
/// let budget = Budget::new(1024);
/// let half = budget.try_charge(512);
/// assert!(half.is_some() && budget.try_charge(513).is_none());
/// ```
pub mod batch {
    #[doc(no_inline)]
    pub use spanwise_batch::{
        AdaptiveBatchSize, BatchLimits, BatchObservation, BatchPreset, BatchSize, BatchSizer,
        Budget, Charge, ChargedChunk, ChunkCounts, FlushAction, FlushSchedule, FlushScheduleConfig,
        FullChunks, PushError, Pushed, RequestObservation, ShardedBuffer, ShardedBufferConfig,
    };
}

/// The export engine, from chunks of finished spans to requests: the crate `spanwise-export`.
///
/// ```
/// use spanwise::export::Exporter;
/// use spanwise::transport::Transport;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let transport = Transport::builder().build()?; // to this machine, port 4318
///     let exporter = Exporter::builder(transport).build()?;
///     exporter.snapshot().check()?;
///     Ok(())
/// }
/// ```
pub mod export {
    #[doc(no_inline)]
    pub use spanwise_export::{
        BatchConfig, BatchConfigError, BuildError, CrashLoss, Destination, DynamicBatchConfig,
        DynamicTransport, ExportEvent, Exporter, ExporterBuilder, FlushError, HoldBack, HoldCause,
        HoldContext, HoldDecision, LastWork, LocalSpan, LocalSpans, LocalTrace, Observer, OnFull,
        Operation, PreparedExporter, PreparedTransport, RequestSpool, ScopeTable, ShedThreshold,
        SpanQueue, SpoolCommand, SpoolEvent, SpoolLosses, SpoolRecovery, SpoolReport, SpoolUsage,
        TailDecision, TailSampler, TailSampling, sans_io,
    };
    #[cfg(feature = "spool")]
    #[doc(no_inline)]
    pub use spanwise_export::{DiskSpool, DiskSpoolBuilder};
}

/// The ledger of spans, which counts the outcome of each: the crate `spanwise-ledger`.
///
/// ```
/// use spanwise::ledger::{DropReason, Ledger};
///
/// let ledger = Ledger::new();
/// ledger.started();
/// ledger.tickets(1).dropped(DropReason::Rejected);
/// assert!(ledger.snapshot().is_idle());
/// ```
pub mod ledger {
    #[doc(no_inline)]
    pub use spanwise_ledger::{
        Counter, DropReason, Imbalance, Ledger, ParentOrigin, SamplingResult, Snapshot, Tickets,
    };
}

/// The table of settings, and with the feature `config-file` configuration files in YAML and their errors with
/// places: the crate `spanwise-config`.
///
/// ```
/// use spanwise::config::settings;
///
/// let of_name = |name| settings().iter().find(move |setting| setting.variables.contains(&name));
/// let timeout = of_name("OTEL_BSP_EXPORT_TIMEOUT").unwrap();
/// assert_eq!((timeout.methods[0], timeout.default), ("with_export_timeout", "60000"));
/// ```
pub mod config {
    #[cfg(feature = "config-file")]
    #[doc(no_inline)]
    pub use spanwise_config::{
        Document, Field, MAX_BYTES, MAX_DEPTH, MAX_NODES, MAX_TEXT_BYTES, Mapping, Position,
        Problem, Problems, Read, Scalar, hint,
    };
    #[doc(inline)]
    pub use spanwise_sdk::settings::{
        EffectiveSetting, Explanation, Origin, Setting, SettingType, Support, explain, settings,
    };
}

/// Metrics: recorders, a model, and the model as OTLP, Prometheus text and OpenMetrics: the crate `spanwise-metrics`.
///
/// ```
/// use spanwise::metrics::{Metric, MetricData, MetricsSnapshot, NumberPoint, TextEncoder, TextFormat};
///
/// let mut snapshot = MetricsSnapshot::new(0, 1_000_000_000);
/// let orders = MetricData::Counter(vec![NumberPoint::new(3_u64)]);
/// snapshot.push(Metric::new("shop.orders", "{order}", orders)).unwrap();
/// let text = TextEncoder::new(TextFormat::Prometheus).encode(&snapshot);
/// assert!(text.ends_with("shop_orders_total 3\n"));
/// ```
#[cfg(feature = "metrics")]
pub mod metrics {
    #[doc(no_inline)]
    pub use spanwise_metrics::{
        Attribute, AttributeKey, AttributePlace, AttributeReport, AttributeSketch, CounterRecorder,
        Exemplar, ExponentialBuckets, ExponentialHistogramPoint, ExponentialHistogramRecorder,
        ExponentialHistogramRecorderBuilder, HistogramFamilyRecorder, HistogramPoint,
        HistogramRecorder, HistogramRecorderBuilder, Metric, MetricData, MetricError,
        MetricsSnapshot, Number, NumberPoint, ObservedSpan, OwnedValue, RecorderError, SeriesId,
        SeriesRecorder, SpanId, StringValue, TextEncoder, TextFormat, TraceId,
        UpDownCounterRecorder, encode_request,
    };
}

/// Pools of objects, spans and buffers: the crate `spanwise-pool`.
///
/// [`Tracer::start_pooled`] and [`Tracer::finish_pooled`] record a pooled span:
///
/// ```no_run
/// use spanwise::{SpanKind, Spanwise, pool::SpanPool};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let spanwise = Spanwise::builder().build()?;
///     let (tracer, spans) = (spanwise.tracer("shop"), SpanPool::new(64));
///     let mut span = spans.acquire();
///     let _is_sampled = tracer.start_pooled(&mut span, "checkout", SpanKind::Server, None);
///     span.set_attribute("order.items", vec!["book", "pen"].len());
///     let _finished = tracer.finish_pooled(&span)?; // counts a span that is not sampled, too
///     Ok(())
/// }
/// ```
pub mod pool {
    #[doc(no_inline)]
    pub use spanwise_pool::{
        Buffer, BufferPool, Bytes, Pool, PoolStats, Pooled, PooledBuffer, PooledOwned, PooledSpan,
        Reset, SpanPool, TierObject, TierPooled, TieredPool, TieredSpanPool, Trimmed, span,
    };
    #[cfg(feature = "interner")]
    #[doc(no_inline)]
    pub use spanwise_pool::{Interner, InternerStats};
}

/// Profiles of the process as pprof, and an allocator that samples: the crate `spanwise-profiling`. The admin endpoint serves them
/// with `with_profiling(true)`.
///
/// ```
/// use spanwise::profiling::SamplingAllocator;
///
/// #[global_allocator]
/// static ALLOCATOR: SamplingAllocator = SamplingAllocator::system();
///
/// let heap = spanwise::profiling::heap().unwrap();
/// println!("{}", heap.to_text());
/// ```
#[cfg(feature = "profiling")]
pub mod profiling {
    #[doc(no_inline)]
    pub use spanwise_profiling::{
        CpuProfiler, Profile, ProfileError, SamplingAllocator, allocs, cpu, heap, threads,
    };
}

/// Rules that filter and redact spans: the crate `spanwise-redact`. [`SpanwiseBuilder::with_redaction`] applies them.
///
/// ```
/// use spanwise::redaction::{Preset, Redactor, Rule};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let redactor = Redactor::builder()
///         .with_preset(Preset::Email)
///         .with_rule(Rule::delete(["http.request.header.*"]))
///         .build()?;
///     let _builder = spanwise::Spanwise::builder().with_redaction(redactor);
///     Ok(())
/// }
/// ```
#[cfg(feature = "redaction")]
pub mod redaction {
    #[doc(no_inline)]
    pub use spanwise_redact::{
        Action, Explanation, Preset, RedactError, Redacted, Redactor, RedactorBuilder, Rule,
        RuleCount, Scratch, Target, Targets,
    };
}

/// Samplers and their parts: the crate `spanwise-sampling`.
///
/// ```
/// use spanwise::sampling::{RuleBased, Sampler, SpanPredicate};
///
/// let rules = RuleBased::new()
///     .with_rule(SpanPredicate::any().name("GET /health*"), Sampler::always_off())
///     .with_rule(SpanPredicate::any(), Sampler::always_on());
/// let sampler = Sampler::from(rules).parent_based();
/// let _builder = spanwise::Spanwise::builder().with_sampler(sampler);
/// ```
pub mod sampling {
    #[cfg(any(feature = "jaeger", feature = "xray"))]
    #[doc(inline)]
    pub use spanwise_sdk::sampling::RemoteSettings;
    #[doc(inline)]
    pub use spanwise_sdk::sampling::{
        Adaptive, AdaptiveAlgorithm, AdaptiveBuilder, AdaptiveKey, AdaptiveState, AlwaysRecord,
        AnnotatingSampler, Annotations, ApiAttributes, ApiSamplingParameters, Attributes,
        ComposableSampler, DynamicSampler, FastDecision, FastResult, NoAttributes, OwnedValue,
        Parent, ParentBased, ParentKind, ParentThreshold, ProbabilityError, Randomness,
        RateLimited, RuleBased, Sampler, SamplerContext, SamplingDecision, SamplingIntent,
        SamplingParameters, SamplingRate, SamplingResult, SettingError, SpanKind, SpanPredicate,
        Threshold, ThresholdText, Tick, TraceIdRatioBased, TraceStateUpdate, Value, max_min_shares,
        parent_of, trace_state, trace_state_of,
    };
    #[cfg(feature = "jaeger")]
    #[doc(inline)]
    pub use spanwise_sdk::sampling::{
        JaegerPoller, JaegerRemote, JaegerSettings, JaegerStrategy, JaegerStrategyError,
    };
    #[cfg(feature = "xray")]
    #[doc(inline)]
    pub use spanwise_sdk::sampling::{
        XrayError, XrayPoller, XrayRemote, XrayRequest, XraySettings,
    };
}

/// The tracer provider, whose items are those at the root of this crate: the crate `spanwise-sdk`.
///
/// ```
/// let _builder: spanwise::SpanwiseBuilder = spanwise::sdk::Spanwise::builder(); // the same type by either path
/// ```
pub mod sdk {
    #[cfg(feature = "spool")]
    #[doc(no_inline)]
    pub use spanwise_sdk::SpoolSettings;
    #[doc(no_inline)]
    pub use spanwise_sdk::{
        AdaptiveBatchSize, Attribute, BatchConfig, BatchConfigError, BatchLimits, BatchPreset,
        BatchSize, BuildError, Bytes, CheckStatus, CircuitBreaker, Compression, Counter, CrashLoss,
        CryptoProvider, Destination, DestinationReport, Detector, Diagnostic, DoctorCheck,
        DoctorReport, DropReason, DurationUnit, DynamicBatchConfig, EncodeValue, Exporter, Failure,
        FileSink, FileSinkBuilder, FileSinkError, FinishError, Finished, FlushError, Guard,
        LinkedContext, LiveBudget, LiveDestination, LiveDiagnostic, LiveRedaction, LiveRule,
        LiveSampler, LiveSnapshot, LiveSpan, LiveView, LocalSpan, LocalSpans, LocalTrace, LogLevel,
        MetricsExport, OnFull, Outcome, OwnedValue, ProcessorError, Protocol, ReadableSpan,
        ReloadError, Reloaded, Report, ResponseStatus, SettingChange, Sink, SinkFuture,
        SinkLifecycle, Snapshot, Span, SpanId, SpanKind, SpanLimits, SpanMetrics,
        SpanMetricsBuilder, SpanMetricsError, SpanProcessor, Spanwise, SpanwiseBuilder,
        SpoolRecovery, StatusCode, TailDecision, TailSampling, TraceFlags, TraceId, Tracer,
        TracerConfig, Value, VisibleFrom, doctor, opentelemetry, propagation, read, sampling,
        settings,
    };
}

/// The policies of tail sampling, as in the Collector: the crate `spanwise-tail`.
///
/// ```
/// use spanwise::StatusCode;
/// use spanwise::tail::{LatencyPolicy, Policy, PolicyKind, TailSamplingConfig};
///
/// let errors_and_slow = TailSamplingConfig::default()
///     .with_policy(Policy::new("errors", PolicyKind::StatusCode(vec![StatusCode::Error])))
///     .with_policy(Policy::new("slow", LatencyPolicy::above(500)))
///     .with_policy(Policy::new("head", PolicyKind::TraceFlags));
/// let _builder = spanwise::Spanwise::builder().with_tail_sampling(errors_and_slow);
/// ```
#[cfg(feature = "tail-sampling")]
pub mod tail {
    #[doc(no_inline)]
    pub use spanwise_tail::{
        AdaptiveThroughput, Appended, BooleanAttributePolicy, BytesLimitingPolicy, Compat,
        CompatError, CompositePolicy, DecidedTrace, Decision, DecisionCacheConfig, DecisionCause,
        DecisionSums, DroppedSpans, ErrorMode, EvaluationError, Evidence, EvidenceSpan,
        ExplainError, ExplainFilter, Explanation, FilterError, FilteredRequest, LatencyPolicy,
        NumericAttributePolicy, OnFullQueue, OttlConditionPolicy, Policy, PolicyCounts,
        PolicyDecision, PolicyError, PolicyExplanation, PolicyKind, PolicyVote,
        ProbabilisticPolicy, ProbabilisticSampler, ProbabilisticSamplerConfig,
        ProbabilisticSamplerCounts, ProbabilisticSamplerError, RateLimitingPolicy, Rule, RuleMatch,
        RuleSampler, SampledCounts, SampledRequest, SamplerMode, SamplingStrategy,
        ShardedTailSampler, SpanCountPolicy, SpanFilter, SpanSource, StressRelief,
        StringAttributePolicy, TailAppendError, TailCounts, TailDropReason, TailOutput,
        TailPolicies, TailSampler, TailSamplerThreads, TailSamplerThreadsBuilder,
        TailSamplingConfig, TailSamplingError, TailShutdown, TailThreadCounts, TailThreadsError,
        ThroughputState, TraceStatePolicy, TraceSummary,
    };
}

/// Spans of `tracing` as spans of OpenTelemetry: the crate `spanwise-tracing`. `tracing::layer` is for a subscriber of your own;
/// with the feature `tracing-init`, `tracing::init` starts everything.
#[cfg(feature = "tracing-layer")]
pub mod tracing {
    #[cfg(feature = "tracing-init")]
    #[doc(inline)]
    pub use crate::tracing_init::{InitError, TracingBuilder, builder, init};
    #[doc(no_inline)]
    pub use spanwise_tracing::{
        FilteredSpanwiseLayer, OpenTelemetrySpanExt, SetParentError, SpanwiseLayer,
        SpanwiseSubscriber, TraceIds, get_otel_context, layer, subscriber,
    };
    #[cfg(feature = "http")]
    #[doc(no_inline)]
    pub use spanwise_tracing::{grpc, http};
}

/// OTLP over HTTP and gRPC: the crate `spanwise-transport`.
///
/// ```
/// let to_this_machine = spanwise::transport::Transport::builder().build();
/// println!("{to_this_machine:?}"); // port 4318
/// ```
pub mod transport {
    #[doc(no_inline)]
    pub use spanwise_transport::{
        BlockingTransport, BuildError, Bytes, ChannelSelection, Channels, CircuitBreaker,
        Compression, CryptoProvider, Delivery, Endpoint, EndpointError, EndpointProblem,
        EndpointSelection, FailedAttempt, Failure, FetchError, Fetcher, FileSink, FileSinkBuilder,
        FileSinkError, FramedRequest, Headers, HeadersError, HttpVersion, IdleConnections,
        InMemoryError, KeepAlive, Outcome, PREFIX, Probe, ProbeResult, Protocol, ResponseStatus,
        RetryPolicy, Ring, RingError, RingVersion, Signal, Sink, SinkFuture, SinkLifecycle,
        Transport, TransportBuilder, UnknownCompression, UnknownProtocol, sans_io,
    };
    #[cfg(feature = "proxy")]
    #[doc(no_inline)]
    pub use spanwise_transport::{Proxy, ProxyError};
}

/// OTLP bytes, written and read in place: the crate `spanwise-wire`.
///
/// ```
/// use spanwise::wire::read::TraceRequest;
///
/// /// The number of spans in a request, for a sink.
/// fn spans(request: &spanwise::Bytes) -> u64 {
///     TraceRequest::new(request).count_spans().unwrap_or_default()
/// }
/// assert_eq!(spans(&spanwise::Bytes::new()), 0);
/// ```
pub mod wire {
    #[doc(no_inline)]
    pub use spanwise_wire::{
        Attribute, Chunk, Framer, LinkedContext, OwnedValue, Plan, Position, Request,
        RequestLimits, RequestOrder, RequestPart, SpanFlags, SpanId, SpanKind, SpanLimits,
        SpanMeta, Status, StatusCode, StringValue, TraceFlags, TraceId, Value, json, read, write,
    };
}

/// Worker threads, worker pools and the span clock: the crate `spanwise-worker`.
///
/// ```
/// use spanwise::worker::clock;
///
/// let start = clock::start();
/// assert!(clock::end(start) >= start.unix_nanos);
/// ```
///
/// `RateLimiter` is left out: its crate `governor` brings a second hashbrown.
pub mod worker {
    #[cfg(feature = "tracing")]
    #[doc(no_inline)]
    pub use spanwise_worker::suppress_tracing;
    #[doc(no_inline)]
    pub use spanwise_worker::{
        CatchPanic, CaughtPanic, Clock, MAX_LINE_BYTES, Notified, Notifier, OwnedPermit, Permit,
        PoolReport, RejectReason, Semaphore, ShutdownMode, SubmitError, SystemClock, Timer,
        TokioPool, VirtualClock, Wakeup, Worker, WorkerBuilder, WorkerPool, WorkerPoolBuilder,
        WorkerPoolError, WorkerState, catch_panic, catch_panic_async, cgroup, clock, deadline,
        fork, mask_sigpipe, notify, oneshot, random_bytes, random_seed, redact_url, sanitize,
        trim_heap,
    };
}

/// Zero-copy buffers: the crate `spanwise-bytes`.
///
/// ```
/// use spanwise::zero_copy::ByteStr;
///
/// let text = ByteStr::from(String::from("GET /orders"));
/// assert_eq!(text.slice(4..).as_deref(), Some("/orders")); // the same memory
/// ```
#[cfg(feature = "zero-copy")]
pub mod zero_copy {
    #[doc(no_inline)]
    pub use spanwise_bytes::{
        ByteStr, BytesChain, FromUtf8Error, WriteTo, bytes, bytes_to_str, str_to_bytes,
    };
}
