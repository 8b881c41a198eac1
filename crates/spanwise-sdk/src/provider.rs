//! [`Spanwise`]: the tracer provider.

use crate::config::SpanwiseBuilder;
use crate::doctor::{self, MARKER};
use crate::lifecycle::Handle;
use crate::start::Tracer;
use opentelemetry::InstrumentationScope;
use spanwise_export::{DynamicBatchConfig, SpoolRecovery};
use spanwise_ledger::Snapshot;
use spanwise_sampling::Sampler;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The tracer provider: it implements the API's `TracerProvider` with an export pipeline of its own.
///
/// Clones share one pipeline. The drop of the last clone and the last tracer starts a shutdown within the
/// configured timeout and returns at once, because the thread may hold a lock. At the end of a program, call
/// [`shutdown`](Self::shutdown) or hold a [`Guard`](crate::Guard) to export all spans.
///
/// # Log correlation
/// A log line with the ids of the current span refers to its trace. The ids are valid for a span that is not
/// sampled too, and with `OTEL_TRACES_EXPORTER=none`:
///
/// ```
/// # use spanwise_sdk as spanwise;
/// use spanwise::opentelemetry::{Context, trace::TraceContextExt};
///
/// /// For each line of a log; `None` outside of a trace.
/// fn ids_for_log() -> Option<String> {
///     Context::map_current(|cx| {
///         let span = cx.span();
///         let context = span.span_context();
///         let (trace_id, span_id) = (context.trace_id(), context.span_id());
///         context.is_valid().then(|| format!("trace_id={trace_id} span_id={span_id}"))
///     })
/// }
/// assert_eq!(ids_for_log(), None);
/// ```
///
/// # Tests
/// A test can set a sink instead of the network, and check the report of the shutdown:
///
/// ```
/// # use spanwise_sdk as spanwise;
/// use spanwise::{Bytes, Outcome, SpanKind, Spanwise};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let accept = |_request: Bytes| async { Outcome::Accepted { rejected: 0, message: None } };
///     let spanwise = Spanwise::builder().with_environment(|_| None).with_sink(accept).build()?;
///     spanwise.tracer("shop").root("checkout", SpanKind::Server).finish();
///     assert_eq!(spanwise.shutdown()?.exported, 1);
///     Ok(())
/// }
/// ```
///
/// # Start and end
///
/// ```no_run
/// # use spanwise_sdk as spanwise;
/// use spanwise::Spanwise;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let spanwise = Spanwise::builder().with_service_name("shop").build()?;
///     spanwise::opentelemetry::global::set_tracer_provider(spanwise.clone());
///     // … the application runs …
///     let report = spanwise.shutdown()?;
///     println!("{report}");
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Spanwise {
    pub(crate) handle: Arc<Handle>,
}

impl Spanwise {
    /// Starts a builder; the environment provides settings that the code does not set.
    pub fn builder() -> SpanwiseBuilder {
        SpanwiseBuilder::new()
    }

    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle: Arc::new(handle) }
    }

    /// A tracer of the scope `name`. For versions and attributes see
    /// [`TracerProvider::tracer_with_scope`](opentelemetry::trace::TracerProvider).
    pub fn tracer(&self, name: impl Into<Cow<'static, str>>) -> Tracer {
        self.tracer_of(&InstrumentationScope::builder(name).build())
    }

    /// The ledger's counts of all spans so far.
    pub fn ledger(&self) -> Snapshot {
        self.handle.core.ledger.snapshot()
    }

    /// The spans of earlier processes that the spool found when it was opened: those on disk, and those that a crash lost, exactly or
    /// with the stated uncertainty. `None` without a spool, and until its thread has opened it, which after a crash with 1 GiB on disk
    /// may take seconds.
    pub fn spool_recovery(&self) -> Option<SpoolRecovery> {
        self.handle.core.spool_recovery.get().copied()
    }

    /// Replaces the sampler: `sampler` decides about all later spans of all tracers.
    ///
    /// ```
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::{Spanwise, sampling::Sampler};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let spanwise = Spanwise::builder().build()?;
    ///     spanwise.set_sampler(Sampler::probability(0.01)?.parent_based());
    ///     Ok(())
    /// }
    /// ```
    ///
    /// The call has no effect in a forked child and after a shutdown.
    pub fn set_sampler(&self, sampler: impl Into<Sampler>) {
        let core = &self.handle.core;
        if core.generates_ids() && !core.is_forked() {
            // ORDER: Relaxed: the flag publishes no other data; a reload that misses it has come first.
            self.handle.is_sampler_replaced.store(true, Relaxed);
            core.sampler.set(sampler);
        }
    }

    /// The settings of batching, which can be replaced while the provider runs: batch size, delay, queue size,
    /// requests in flight and the like. No span is lost.
    ///
    /// ```
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::{BatchPreset, Spanwise};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let spanwise = Spanwise::builder().build()?;
    ///     spanwise.batching().update(|config| config.with_preset(BatchPreset::HighThroughput))?;
    ///     spanwise.batching().update(|config| config.with_max_in_flight(8))?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// The settings have no effect in a forked child, after a shutdown, and if the provider exports nothing.
    pub fn batching(&self) -> DynamicBatchConfig {
        self.handle.batching()
    }

    /// Bytes of the budget that ended spans and requests use, without the gzip encoder: the current value and
    /// the peak, which never exceeds the budget.
    pub fn buffered_bytes(&self) -> (usize, usize) {
        let budget = self.handle.core.budget();
        (budget.charged(), budget.peak())
    }

    fn tracer_of(&self, scope: &InstrumentationScope) -> Tracer {
        if scope.name() == MARKER && doctor::reached(&self.handle) {
            // The doctor makes no span of it, and no entry in the table of scopes.
            return Tracer::new(self.handle.core.clone(), 0, MARKER, self.handle.clone());
        }
        let core = self.handle.core_of(scope);
        // A forked child does not lock the table: another thread may have held its lock at the fork.
        let records = core.is_running() || core.observes_now();
        let index = if records { core.scope(scope) } else { 0 };
        Tracer::new(core.clone(), index, scope.name(), self.handle.clone())
    }
}

impl opentelemetry::trace::TracerProvider for Spanwise {
    type Tracer = Tracer;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> Tracer {
        self.tracer_of(&scope)
    }
}

impl fmt::Debug for Spanwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spanwise")
            .field("sampler", &self.handle.core.sampler)
            .field("limits", &self.handle.core.limits.load())
            .field("phase", &self.handle.core.phase())
            .finish_non_exhaustive()
    }
}
