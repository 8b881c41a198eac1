//! [`Core`]: the state that spans, tracers and the exporter share.

use crate::attributes::SampledAttributes;
use crate::dynamic_limits::DynamicLimits;
use crate::metrics::{CreationTimes, Usage};
use crate::processor::{ReadableSpan, SpanObserver};
use crate::recent::RecentSpans;
use crate::redaction::SpanRedaction;
use crate::span_metrics::SpanMetricsRecorder;
use crate::start::Scopes;
use opentelemetry::InstrumentationScope;
use spanwise_batch::{Budget, ShardedBuffer, ShardedBufferConfig};
use spanwise_export::{OnFull, ScopeTable, SpanQueue, SpoolRecovery};
use spanwise_ledger::Ledger;
use spanwise_sampling::{DynamicSampler, Sampler};
use spanwise_wire::write::{FinishedSpan, SpanHeader};
use spanwise_wire::{SpanLimits, SpanMeta};
use spanwise_worker::{CaughtPanic, catch_panic, fork};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// The shared state of one provider. Spans reach it without going through the provider.
pub(crate) struct Core {
    phase: AtomicU8,
    /// [`fork::generation`] of the process the provider was built in.
    pub(crate) process: u32,
    pub(crate) limits: DynamicLimits,
    pub(crate) sampler: DynamicSampler,
    /// The ledger of `queue`, which spans reach without another pointer.
    pub(crate) ledger: Ledger,
    /// The queue that takes ended spans. It is a field and not behind a pointer, so that an end reaches its
    /// slot without another load.
    pub(crate) queue: SpanQueue,
    pub(crate) scopes: Scopes,
    /// For live views.
    pub(crate) recent: RecentSpans,
    pub(crate) attributes: SampledAttributes,
    /// How long the creation of a span takes.
    pub(crate) creation: CreationTimes,
    /// The use of CPU, which the exporter's thread measures.
    pub(crate) usage: Usage,
    /// The span processors, or `None` without them. With them, the queue is never
    /// [accepting](SpanQueue::is_accepting), so that the tracer checks for them in no usual start.
    observer: Option<Arc<dyn SpanObserver>>,
    /// Whether sampled spans go to the queue and the ledger: false with `OTEL_TRACES_EXPORTER=none`.
    pub(crate) exports: bool,
    /// Tail sampling decides about all spans of this process, and so they are recorded, sampled or not.
    pub(crate) records_all: bool,
    /// The metrics of all spans. With them, the queue is never [accepting](SpanQueue::is_accepting) either.
    pub(crate) span_metrics: Option<Box<SpanMetricsRecorder>>,
    /// The rules that change spans at their end. With them, the queue is never [accepting](SpanQueue::is_accepting) either, so that the
    /// start of each span makes its end one that looks for them.
    pub(crate) redaction: Option<Box<SpanRedaction>>,
    /// The spans of earlier processes, once the spool is open.
    pub(crate) spool_recovery: OnceLock<SpoolRecovery>,
}

/// The phase of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    Running,
    /// `OTEL_SDK_DISABLED`: tracers pass contexts through, and neither make nor count spans.
    Disabled,
    /// `OTEL_TRACES_EXPORTER=none`: spans have ids, flags and a trace state to propagate and to log;
    /// the provider neither records nor counts them, and has no worker.
    NotExporting,
    /// After a shutdown; tracers behave as when disabled.
    ShutDown,
    /// The worker terminated before a shutdown: spans are lost and counted.
    WorkerTerminated,
}

impl Core {
    pub(crate) fn new(
        phase: Phase,
        limits: SpanLimits,
        sampler: DynamicSampler,
        scopes: Scopes,
        queue: SpanQueue,
    ) -> Self {
        let process = fork::generation();
        if phase != Phase::Running {
            // Tracers ask the queue alone whether a span may be recorded.
            queue.close();
        }
        Self {
            phase: AtomicU8::new(phase as u8),
            process,
            limits: DynamicLimits::new(limits),
            sampler,
            ledger: queue.ledger().clone(),
            queue,
            scopes,
            recent: RecentSpans::new(),
            attributes: SampledAttributes::new(),
            creation: CreationTimes::new(),
            usage: Usage::default(),
            observer: None,
            exports: phase == Phase::Running,
            records_all: false,
            span_metrics: None,
            redaction: None,
            spool_recovery: OnceLock::new(),
        }
    }

    /// A core without a worker, which records nothing.
    pub(crate) fn idle(phase: Phase, sampler: Sampler, on_full: OnFull) -> Self {
        let buffer = ShardedBuffer::new(ShardedBufferConfig::default(), Budget::new(IDLE_BUDGET));
        Self::new(
            phase,
            SpanLimits::default(),
            DynamicSampler::new(sampler),
            Scopes::new(ScopeTable::new(0)),
            SpanQueue::new(buffer, Ledger::new(), on_full),
        )
    }

    /// The core of a disabled SDK, or of a disabled tracer.
    pub(crate) fn disabled() -> Self {
        Self::idle(Phase::Disabled, Sampler::always_off(), OnFull::Drop)
    }

    /// Adds the observer. The queue checks each start ([`SpanQueue::with_checked_starts`]) if there is one.
    pub(crate) fn with_observer(mut self, observer: Option<Arc<dyn SpanObserver>>) -> Self {
        self.observer = observer;
        self
    }

    /// Records also the spans that are not sampled, for tail sampling. The queue then checks each start.
    pub(crate) fn recording_all(mut self, records_all: bool) -> Self {
        self.records_all = records_all;
        self
    }

    /// Adds metrics of all spans. The queue then checks each start.
    pub(crate) fn with_span_metrics(mut self, metrics: Option<Box<SpanMetricsRecorder>>) -> Self {
        self.span_metrics = metrics;
        self
    }

    /// Adds the rules that change spans. The queue then checks each start, unless another SDK starts the spans.
    pub(crate) fn with_redaction(mut self, redaction: Option<Box<SpanRedaction>>) -> Self {
        self.redaction = redaction;
        self
    }

    /// The index of `scope` after redaction; see [`Scopes::index`].
    pub(crate) fn scope(&self, scope: &InstrumentationScope) -> u32 {
        self.scopes.index(scope, &self.ledger, self.redaction.as_deref())
    }

    /// The metrics of spans, if a span that starts now is checked for them alone.
    #[inline(always)]
    pub(crate) fn metrics_alone(&self) -> Option<&SpanMetricsRecorder> {
        let metrics = self.span_metrics.as_deref()?;
        let is_checked = self.observer.is_some() || self.records_all || self.creation.is_due();
        let is_checked = is_checked || self.queue.sheds_by_trace() || self.queue.is_refusing();
        (!is_checked && self.is_running()).then_some(metrics)
    }

    /// Whether spans that are not sampled are recorded for metrics.
    pub(crate) fn records_for_metrics(&self) -> bool {
        self.span_metrics.as_ref().is_some_and(|metrics| metrics.records())
    }

    /// Whether processors can see spans.
    #[inline(always)]
    pub(crate) fn has_observer(&self) -> bool {
        self.observer.is_some()
    }

    /// Whether a span that starts or ends now on this thread is observed.
    pub(crate) fn observes_now(&self) -> bool {
        self.observer.as_ref().is_some_and(|observer| observer.observes_now())
    }

    /// Passes an ended span to the observer.
    #[cold]
    #[inline(never)]
    pub(crate) fn on_end(&self, header: &SpanHeader, meta: &SpanMeta, span: &FinishedSpan<'_>) {
        let Some(observer) = &self.observer else { return };
        let scope = self.scopes.header(meta.scope);
        let scope = scope.as_deref().unwrap_or_default();
        if let Some(span) = ReadableSpan::new(header, meta, *span, scope) {
            observer.on_end(&span);
        }
    }

    /// Whether spans that start now can be recorded: the provider runs, in this very process.
    pub(crate) fn is_running(&self) -> bool {
        self.phase() == Phase::Running
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            phase if phase == Phase::Disabled as u8 => Phase::Disabled,
            phase if phase == Phase::NotExporting as u8 => Phase::NotExporting,
            phase if phase == Phase::ShutDown as u8 => Phase::ShutDown,
            phase if phase == Phase::WorkerTerminated as u8 => Phase::WorkerTerminated,
            _ if self.is_forked() => Phase::WorkerTerminated,
            _ => Phase::Running,
        }
    }

    /// Whether the SDK or the tracer is disabled.
    pub(crate) fn is_disabled(&self) -> bool {
        self.phase.load(Relaxed) == Phase::Disabled as u8
    }

    /// Whether spans that start now get ids of their own, recorded or not.
    pub(crate) fn generates_ids(&self) -> bool {
        self.is_running() || self.phase() == Phase::NotExporting
    }

    /// Leaves [`Phase::Running`] or [`Phase::NotExporting`] for `phase`; any other phase is final.
    pub(crate) fn leave_running(&self, phase: Phase) {
        // ORDER: Relaxed. `ShardedBuffer::close` is what orders spans and the last drain.
        if let Some(observer) = &self.observer {
            observer.close();
        }
        for alive in [Phase::Running, Phase::NotExporting] {
            let _final = self.phase.compare_exchange(alive as u8, phase as u8, Relaxed, Relaxed);
        }
    }

    /// Whether this process was forked from the one the provider was built in. Its worker is not in
    /// this process, nor a thread that may hold one of its locks.
    pub(crate) fn is_forked(&self) -> bool {
        fork::generation() != self.process
    }

    /// Drops the sampler and catches a panic of its drop: a user's sampler may panic.
    // In a function of its own: inlined, it changes the code of the start of a span.
    #[cold]
    #[inline(never)]
    pub(crate) fn drop_sampler(&self) -> Result<(), CaughtPanic> {
        // A span whose start began before the shutdown is recorded and counts as `after_shutdown` at its end.
        catch_panic(|| self.sampler.set(Sampler::always_on().parent_based()))
    }

    /// The byte budget of chunks and requests.
    pub(crate) fn budget(&self) -> &Budget {
        self.queue.budget()
    }
}

/// The budget of a queue that takes no spans, in bytes: none of it is used.
const IDLE_BUDGET: usize = 16 << 20;

impl AsRef<SpanQueue> for Core {
    fn as_ref(&self) -> &SpanQueue {
        &self.queue
    }
}
