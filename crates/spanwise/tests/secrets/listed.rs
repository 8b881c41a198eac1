//! The public types of all crates.

/// Types that hold settings or data of another process. The tests above print them.
pub const PRINTED: &str = "\
    config::Document config::Field config::Mapping config::Position config::Problem config::Problems config::Read \
    transport::RequestBody bytes::BytesChain bytes::FromUtf8Error export::Action export::BuildError export::Destination export::DynamicTransport export::PreparedTransport \
    export::SpoolCommand export::SpoolEvent export::SpoolReport export::Drained export::DrainedChunk export::ExportEvent export::ExportMachine \
    export::Exporter export::ExporterBuilder export::FlushError export::PreparedExporter \
    export::QueueAction export::ScopeTable export::SpanQueue ledger::Snapshot \
    receiver::ReceiverBuilder receiver::Collected receiver::Export receiver::Headers \
    receiver::Receiver receiver::Stats receiver::StatsReader receiver::TlsRenewal sampling::JaegerRemote sampling::JaegerSettings \
    sampling::JaegerPoller sampling::RemoteSettings opentelemetry::BatchSpanProcessor \
    opentelemetry::BatchSpanProcessorBuilder opentelemetry::OtlpExporter \
    opentelemetry::OtlpExporterBuilder sampling::Sampler sampling::SettingError \
    sampling::JaegerStrategyError sampling::XrayError sampling::XrayPoller sampling::XrayRemote \
    sampling::XrayRequest sampling::XraySettings sdk::BuildError sdk::SpanwiseBuilder \
    sdk::EffectiveSetting sdk::Explanation sdk::Origin sdk::Diagnostic sdk::DoctorCheck sdk::DoctorReport sdk::DestinationReport sdk::FlushError sdk::HeaderExtractor sdk::HeaderInjector sdk::Report \
    sdk::LiveDestination sdk::LiveDiagnostic sdk::LiveSnapshot sdk::LiveView admin::AdminEndpoint admin::AdminEndpointBuilder admin::AdminError \
    redact::RedactorBuilder redact::Redactor redact::Scratch sdk::ReloadError sdk::Reloaded sdk::SettingChange \
    sdk::MetricsExport sdk::Span sdk::Spanwise sdk::Tracer transport::BuildError transport::Delivery \
    transport::Endpoint transport::EndpointError transport::FailedAttempt transport::FetchError transport::Observed \
    transport::Fetcher transport::FramedRequest transport::Headers transport::HeadersError \
    transport::Outcome transport::Proxy transport::ProxyError transport::Transport \
    transport::TransportBuilder transport::UnknownCompression transport::UnknownProtocol \
    transport::BlockingTransport transport::Probe transport::ProbeResult";

/// Types that hold numbers, names of ours or handles; views of spans, text, and samplers in code.
pub const WITHOUT_SETTINGS: &str = "\
    bytes::ByteStr config::Scalar batch::BatchPreset export::BatchConfig export::BatchConfigError \
    export::DynamicBatchConfig export::HoldCause export::HoldDecision export::FlushId \
    export::OnFull export::DiskSpool export::DiskSpoolBuilder sdk::SpoolSettings export::CrashLoss export::SpoolLosses export::SpoolRecovery export::SpoolUsage export::Operation export::QueueLevel export::Reply export::RequestId export::ShedController \
    export::ShedThreshold spanwise::Allocations spanwise::InitError spanwise::TracingBuilder tracing::SpanwiseLayer tracing::SpanwiseSubscriber tracing::FilteredSpanwiseLayer tracing::SetParentError tracing::TraceIds spanwise::CountingAllocator spanwise::CollectError spanwise::Collected spanwise::CollectedSpan \
    batch::AdaptiveBatchSize batch::BatchLimits batch::BatchObservation batch::BatchSize \
    batch::BatchSizer batch::TryLock batch::TryLockGuard batch::Budget batch::Charge batch::ChargedChunk batch::ChunkCounts ledger::ParentOrigin ledger::SamplingResult transport::OpenConnections batch::FlushAction \
    batch::FlushSchedule batch::FlushScheduleConfig batch::PushError batch::Pushed \
    batch::RequestObservation batch::ShardedBuffer batch::ShardedBufferConfig ledger::Bug \
    ledger::Counter ledger::DropReason ledger::Imbalance ledger::Ledger ledger::Tickets \
    opentelemetry::OtelSampler opentelemetry::RandomIdGenerator pool::BufferPool pool::Event \
    pool::Interner opentelemetry::RedactingSpanExporter opentelemetry::RedactingSpanProcessor opentelemetry::SpanExporterSink opentelemetry::SpanProcessorAdapter \
    pool::InternerStats pool::Link pool::Pool pool::PoolStats pool::Pooled pool::PooledBuffer \
    pool::PooledOwned pool::PooledSpan pool::SpanPool pool::TierPooled pool::TieredPool \
    pool::Trimmed receiver::Answer receiver::Limits receiver::Protocol receiver::StartError \
    sampling::Adaptive sampling::AdaptiveAlgorithm sampling::AdaptiveBuilder \
    sampling::AdaptiveKey sampling::AdaptiveState sampling::AlwaysRecord \
    sampling::AnnotatingSampler sampling::Annotations sampling::ApiAttributes \
    sampling::ApiSamplingParameters sampling::DynamicSampler sampling::FastDecision \
    sampling::FastResult sampling::JaegerStrategy sampling::Malformed sampling::NoAttributes \
    sampling::OtMember sampling::Parent sampling::ParentBased sampling::ParentThreshold \
    sampling::ParentKind sampling::ProbabilityError sampling::Randomness sampling::RateLimited sampling::RuleBased \
    sampling::SamplingDecision sampling::SamplingIntent sampling::SamplingParameters \
    sampling::SamplingRate sampling::SamplingResult sampling::SpanPredicate sampling::Threshold sampling::ThresholdText \
    sampling::Tick sampling::TraceIdRatioBased sampling::TraceStateUpdate sdk::BaggagePropagator \
    sdk::Detector sdk::Exporter sdk::Setting sdk::SettingType sdk::Support sdk::FinishError sdk::Finished sdk::Guard sdk::LogLevel sdk::Propagator \
    redact::Action redact::Explanation redact::Preset redact::RedactError redact::Redacted redact::Rule redact::RuleCount \
    redact::Target redact::Targets sdk::RedactionBuffers sdk::LiveRedaction sdk::LiveRule \
    sdk::LiveBudget sdk::LiveSampler sdk::LiveSpan sdk::TailSampling export::LocalSpan export::LocalSpans export::LocalTrace export::TailDecision \
    export::TailSampling sdk::CheckStatus sdk::VisibleFrom sdk::Front sdk::Pipeline sdk::ReadableSpan sdk::TraceContextPropagator transport::AttemptEnd \
    transport::Attempted transport::BodyEnd transport::Compression transport::EndpointProblem \
    transport::RequestMachine transport::RequestSettings transport::RequestStep \
    transport::Response transport::Failure transport::InMemoryError transport::Protocol \
    transport::ResponseStatus transport::RetryPolicy wire::Array wire::ArrayView wire::Attribute \
    wire::Attributes wire::Chunk wire::DroppedCounts wire::EventHeader wire::EventView \
    wire::ExportResponse wire::Field wire::FieldValue wire::Fields wire::FinishedSpan \
    wire::Framer wire::KvListView wire::LinkView wire::LinkedContext wire::OwnedValue wire::Plan \
    wire::Position wire::RawWriter wire::Request wire::RequestLimits wire::ResourceSpans \
    wire::ScopeSpans wire::SpanFlags wire::SpanHeader wire::SpanId wire::SpanKind \
    wire::SpanLimits wire::SpanMeta wire::SpanView wire::SpanWriter wire::Spans wire::Status \
    wire::StatusCode wire::StringValue wire::TraceFlags wire::TraceId wire::AttributeKey wire::TraceStateField \
    wire::TraceRequest wire::Value wire::ValueView wire::WireError worker::CatchPanic \
    worker::CaughtPanic worker::ClockMode worker::Limits worker::InsufficientCapacity worker::Notified \
    worker::Notifier worker::OwnedPermit worker::Pcg worker::Permit worker::PoolReport \
    worker::RateError worker::RateLimiter worker::Receiver worker::RejectReason \
    worker::Semaphore worker::Sender worker::ShutdownMode worker::Source worker::SpanClock \
    worker::Start worker::SubmitError worker::SystemClock worker::TokioPool worker::VirtualClock \
    worker::Wakeup worker::Worker worker::WorkerBuilder worker::WorkerPool \
    worker::WorkerPoolBuilder worker::WorkerPoolError worker::WorkerState batch::FullChunks \
    export::HoldContext transport::MissingFeature transport::Admission transport::CircuitBreaker \
    wire::RequestPart wire::RequestOrder transport::FileSink transport::FileSinkBuilder transport::FileSinkError \
    sampling::Pattern sampling::RateEstimate sdk::TracerConfig transport::ChannelSelection transport::Channels transport::CryptoProvider \
    transport::EndpointSelection transport::HttpVersion transport::IdleConnections \
    transport::KeepAlive transport::Signal transport::Ring transport::RingError \
    transport::RingVersion wire::FromProtobufError wire::JsonError wire::JsonProblem \
    tail::Appended tail::BooleanAttributePolicy tail::BytesLimitingPolicy tail::Compat \
    tail::CompatError tail::CompositePolicy tail::DecidedTrace tail::Decision \
    tail::DecisionCacheConfig tail::DecisionCause tail::DroppedSpans tail::ErrorMode \
    tail::EvaluationError tail::Evidence tail::EvidenceSpan tail::ExplainError tail::ExplainFilter \
    tail::Explanation tail::PolicyExplanation tail::PolicyVote tail::LatencyPolicy tail::NumericAttributePolicy \
    tail::TailPolicies tail::TraceSummary \
    tail::OttlConditionPolicy tail::Policy tail::PolicyCounts tail::PolicyDecision tail::PolicyError \
    tail::PolicyKind tail::ProbabilisticPolicy tail::ProbabilisticSampler tail::ProbabilisticSamplerConfig \
    tail::ProbabilisticSamplerCounts tail::ProbabilisticSamplerError tail::SampledCounts \
    tail::SamplerMode tail::AdaptiveThroughput tail::Rule tail::RuleMatch tail::RuleSampler \
    tail::ThroughputState tail::StressRelief tail::RateLimitingPolicy tail::SampledRequest \
    tail::SamplingStrategy tail::ShardedTailSampler tail::SpanCountPolicy \
    tail::StringAttributePolicy tail::DecisionSums tail::TailCounts tail::TailDropReason tail::TailSampler \
    tail::TailSamplingConfig tail::TailSamplingError tail::TraceStatePolicy tail::OnFullQueue \
    tail::TailAppendError tail::TailSamplerThreads tail::TailSamplerThreadsBuilder tail::TailShutdown \
    tail::TailThreadCounts tail::TailThreadsError tail::TailBug metrics::AttributeKey metrics::AttributePlace metrics::AttributeReport metrics::AttributeSketch metrics::Exemplar metrics::ExponentialBuckets \
    metrics::ExponentialHistogramPoint metrics::HistogramPoint metrics::Metric metrics::MetricData \
    metrics::MetricError metrics::MetricsSnapshot metrics::Number metrics::NumberPoint \
    metrics::TextEncoder metrics::TextFormat metrics::CounterRecorder metrics::UpDownCounterRecorder \
    metrics::HistogramRecorder metrics::HistogramRecorderBuilder metrics::RecorderError metrics::ObservedSpan \
    metrics::ExponentialHistogramRecorder metrics::ExponentialHistogramRecorderBuilder \
    metrics::HistogramFamilyRecorder metrics::SeriesRecorder metrics::SeriesId \
    sdk::SpanMetrics sdk::SpanMetricsBuilder sdk::SpanMetricsError sdk::DurationUnit \
    spool::BootIdentity spool::BootLedger spool::CompressedRequest spool::Crash spool::CrashLoss \
    spool::CrashPoint spool::Damage spool::DirectoryEntry spool::DirectoryFile \
    spool::DirectoryStorage spool::Found spool::FoundRecord spool::FoundRecords spool::Head \
    spool::IndexBuilder spool::IndexError spool::IndexState spool::IndexedRecord spool::Losses \
    spool::ModelFile spool::ModelStorage spool::Operation spool::Precision spool::PreviousRun \
    spool::Problem spool::ReadOutcome spool::ReadOnlyDirectory spool::ReadOnlyFile spool::RecordFacts \
    spool::RecordHeader spool::RecordId spool::RecordKind spool::RecordPart spool::RecordPlace \
    spool::RecordQuery spool::Recovery spool::RequestCompressor spool::SealedIndex \
    spool::SegmentHeader spool::SegmentIdentity spool::SegmentIndex spool::SegmentState \
    spool::SegmentSummary spool::SpanCounts spool::Spool spool::SpoolBug spool::SpoolBuilder \
    spool::SpoolEnd spool::SpoolError spool::SpoolEvent spool::SpoolHandle spool::SpoolReader spool::SpoolSettings \
    spool::SpoolStats spool::SpoolThread spool::StoredRequest spool::Synced spool::UnknownRecord \
    spool::UnknownSegment spool::Verified \
    tail::FilterError tail::FilteredRequest tail::SpanFilter \
    admin::Json admin::Page admin::Request admin::Response admin::Route admin::Router admin::Runs admin::Status \
    profiling::CpuProfiler profiling::Profile profiling::ProfileError profiling::SamplingAllocator";
