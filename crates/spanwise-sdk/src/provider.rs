//! The tracer provider: hands out tracers.

use crate::config::SpanwiseBuilder;
use crate::lifecycle::Handle;
use crate::start::Tracer;
use opentelemetry::InstrumentationScope;
use spanwise_ledger::Snapshot;
use spanwise_sampling::Sampler;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A tracer provider: the native pipeline behind the OpenTelemetry API.
///
/// Clones share one pipeline. When the last clone and the last tracer made by it are dropped, the
/// pipeline begins to shut down within the configured timeout, and the drop returns at once: the
/// thread may hold a lock. To be sure that all spans are sent, and at the end of a program, call
/// [`shutdown`](Self::shutdown) or keep a [`Guard`](crate::Guard).
///
/// # Log correlation
/// A log line that holds the ids of the current span leads to its trace. They are valid also for a
/// span that is not sampled, and with `OTEL_TRACES_EXPORTER=none`:
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
/// A sink instead of the network makes a pipeline for a test, and the report of the shutdown counts its
/// spans:
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
    /// Starts a builder; settings that it leaves open are taken from the environment.
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

    /// The account of all spans so far.
    pub fn ledger(&self) -> Snapshot {
        self.handle.core.ledger.snapshot()
    }

    /// Exchanges the sampler: `sampler` decides for all spans that start from now on, of all tracers.
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
    /// Does nothing in a forked child and after a shutdown.
    pub fn set_sampler(&self, sampler: impl Into<Sampler>) {
        let core = &self.handle.core;
        if core.generates_ids() && !core.is_forked() {
            core.sampler.set(sampler);
        }
    }

    /// Bytes of the budget that ended spans and requests hold, without the encoder of gzip: now, and
    /// the peak. The budget is never exceeded.
    pub fn buffered_bytes(&self) -> (usize, usize) {
        let budget = self.handle.core.budget();
        (budget.charged(), budget.peak())
    }

    fn tracer_of(&self, scope: &InstrumentationScope) -> Tracer {
        let core = &self.handle.core;
        // Not in a forked child: the table's lock may have been copied while it was held.
        let index = if core.is_running() { core.scopes.index(scope, &core.ledger) } else { 0 };
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
            .field("limits", &self.handle.core.limits)
            .field("phase", &self.handle.core.phase())
            .finish_non_exhaustive()
    }
}
