//! The provider: hands out tracers, flushes, shuts down.

use crate::config::SpanwiseBuilder;
use crate::core::{Core, Phase};
use crate::diagnostics::{Diagnostic, EndpointHealth, Reporter};
use crate::report::{FlushError, Report};
use crate::start::Tracer;
use opentelemetry::{InstrumentationScope, global};
use spanwise_export::{self as export, Exporter};
use spanwise_ledger::Snapshot;
use spanwise_sampling::Sampler;
use spanwise_worker::deadline;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

/// A tracer provider: the native pipeline behind the OpenTelemetry API.
///
/// Clones share one pipeline. When the last clone and the last tracer made by it are dropped, the
/// pipeline is told to shut down within the configured timeout, and the drop returns at once: it may
/// run under somebody's lock. To know that all is sent, or when the program ends, call
/// [`shutdown`](Self::shutdown) or keep a [`Guard`].
///
/// ```no_run
/// # use spanwise_sdk as spanwise;
/// use spanwise::Spanwise;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let spanwise = Spanwise::builder().with_service_name("shop").build()?;
///     spanwise::opentelemetry::global::set_tracer_provider(spanwise.clone());
///     // … the application runs …
///     let report = spanwise.shutdown(std::time::Duration::from_secs(5))?;
///     println!("{report}");
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Spanwise {
    handle: Arc<Handle>,
}

/// Keeps the pipeline running while somebody can make spans.
pub(crate) struct Handle {
    core: Arc<Core>,
    /// `None` when the provider is disabled or exports nothing.
    exporter: Option<Exporter>,
    health: EndpointHealth,
    shut_down: AtomicBool,
    shutdown_timeout: Duration,
    built: Instant,
    /// How long the guard lived that was dropped before any span was started, in nanoseconds; 0 once
    /// that is reported, or when it is not so.
    unused_for: AtomicU64,
}

impl Spanwise {
    /// Starts a configuration; what is left open is taken from the environment.
    pub fn builder() -> SpanwiseBuilder {
        SpanwiseBuilder::new()
    }

    pub(crate) fn new(
        core: Arc<Core>,
        exporter: Option<Exporter>,
        health: EndpointHealth,
        shutdown_timeout: Duration,
    ) -> Self {
        let shut_down = AtomicBool::new(false);
        let handle = Handle {
            core,
            exporter,
            health,
            shut_down,
            shutdown_timeout,
            built: Instant::now(),
            unused_for: AtomicU64::new(0),
        };
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

    /// Puts `sampler` in force for all spans that start from now on, of all tracers.
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

    /// Bytes that ended spans hold on their way, requests included, without the encoder of gzip: now,
    /// and at most so far. The budget is never exceeded.
    pub fn buffered_bytes(&self) -> (usize, usize) {
        let budget = self.handle.core.budget();
        (budget.charged(), budget.peak())
    }

    /// Sends all spans that ended before this call, and waits until each has its outcome.
    ///
    /// Works from any thread, inside or outside of any async runtime, and returns by `timeout`.
    ///
    /// # Errors
    /// See [`FlushError`].
    pub fn force_flush(&self, timeout: Duration) -> Result<Report, FlushError> {
        if self.handle.shut_down.load(SeqCst) {
            return Err(FlushError::AlreadyShutdown);
        }
        self.handle.run(Exporter::flush_until, timeout, &self.ledger())
    }

    /// Takes no more spans, sends what there is, and stops the worker.
    ///
    /// Works from any thread, inside or outside of any async runtime, and returns by `timeout`.
    /// Spans that were started before and end afterwards are counted as `after_shutdown`; tracers
    /// start none from then on (specification, *Shutdown*): contexts pass through.
    ///
    /// # Errors
    /// See [`FlushError`]; the provider is shut down all the same.
    pub fn shutdown(&self, timeout: Duration) -> Result<Report, FlushError> {
        self.handle.shutdown(timeout)
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

impl Handle {
    fn shutdown(&self, timeout: Duration) -> Result<Report, FlushError> {
        let before = self.core.ledger.snapshot();
        if !self.begin_shutdown() {
            return Err(FlushError::AlreadyShutdown);
        }
        let started = Instant::now();
        let result = self.run(Exporter::shutdown_until, timeout, &before);
        if let Some(exporter) = &self.exporter
            && result.is_ok()
        {
            // It has nothing left to do; waiting makes "shut down" mean that the thread is gone.
            let left = timeout.saturating_sub(started.elapsed()).max(THREAD_EXIT);
            exporter.join_until(deadline(Instant::now(), left));
        }
        result
    }

    fn reporter(&self) -> &Reporter {
        self.health.reporter()
    }

    /// Ends recording, once: false when somebody did before.
    fn begin_shutdown(&self) -> bool {
        if self.shut_down.swap(true, SeqCst) {
            return false;
        }
        self.core.leave_running(Phase::ShutDown);
        self.core.queue.close();
        true
    }

    /// Flushes or shuts down. `before` is the account at the call.
    fn run(
        &self,
        command: impl FnOnce(&Exporter, Instant) -> Result<(), export::FlushError>,
        timeout: Duration,
        before: &Snapshot,
    ) -> Result<Report, FlushError> {
        let started = Instant::now();
        let report = |done: bool| {
            let ledger = self.core.ledger.snapshot();
            let since = ledger.since(before);
            let (exported, dropped) = (since.exported, since.dropped_total());
            let last_failure = if done && dropped == 0 { None } else { self.health.last_failure() };
            Report { elapsed: started.elapsed(), exported, dropped, last_failure, ledger }
        };
        let Some(exporter) = &self.exporter else { return Ok(report(true)) };
        let result = command(exporter, deadline(started, timeout));
        if result != Err(export::FlushError::OnWorkerThread) {
            // What was lost is reported by now, unless the handler is slow.
            let left = timeout.saturating_sub(started.elapsed());
            self.reporter().flush(left.clamp(THREAD_EXIT, REPORTED_WITHIN));
        }
        match result {
            Ok(()) => Ok(report(true)),
            Err(export::FlushError::AlreadyShutdown) => Err(FlushError::AlreadyShutdown),
            Err(export::FlushError::OnWorkerThread) => Err(FlushError::OnWorkerThread),
            Err(export::FlushError::WorkerTerminated) => Err(FlushError::WorkerGone),
            Err(_) => Err(FlushError::Timeout(Box::new(report(false)))),
        }
    }

    /// The guard is dropped. If nothing was traced before, and something is to be traced later, the
    /// program has a mistake that it would not notice otherwise.
    fn guard_dropped(&self) {
        if self.core.is_running() && self.core.ledger.snapshot().created == 0 {
            self.reporter().hold_open();
            let lived = u64::try_from(self.built.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.unused_for.store(lived.max(1), Relaxed);
        }
    }

    /// A span was started that cannot be recorded.
    ///
    /// Once, and in a program that records nothing, this waits for the report, 20 ms at most: such a
    /// program may end at once.
    pub(crate) fn not_recorded(&self) {
        if self.unused_for.load(Relaxed) == 0 {
            return;
        }
        let lived = self.unused_for.swap(0, Relaxed);
        if lived > 0 {
            self.reporter().report(Diagnostic::GuardDropped { after: Duration::from_nanos(lived) });
            self.reporter().close_held_open();
            self.reporter().flush(THREAD_EXIT);
        }
    }
}

impl Drop for Handle {
    /// Hands over and returns: whoever drops the last handle may hold a lock that others wait for,
    /// as the API does when the global provider is replaced.
    fn drop(&mut self) {
        if self.begin_shutdown() {
            let until = deadline(Instant::now(), self.shutdown_timeout);
            self.exporter.iter().for_each(|exporter| exporter.start_shutdown(until));
        }
        if self.exporter.is_none() {
            let _ = self.core.drop_sampler();
            self.reporter().close();
        }
        if *self.unused_for.get_mut() > 0 {
            self.reporter().close_held_open();
        }
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

/// A provider that is also the global one, shut down when this is dropped.
///
/// Keep it for as long as the program should trace; `let _ = …` would drop it at once. Its drop
/// waits, at most for the configured shutdown timeout, until all spans are sent.
#[must_use = "dropping the guard shuts tracing down"]
#[derive(Debug)]
pub struct Guard {
    spanwise: Spanwise,
}

impl Guard {
    pub(crate) fn install(spanwise: Spanwise) -> Self {
        global::set_tracer_provider(spanwise.clone());
        Self { spanwise }
    }

    /// The provider.
    pub fn provider(&self) -> &Spanwise {
        &self.spanwise
    }

    /// Shuts down now, with a report.
    ///
    /// # Errors
    /// As [`Spanwise::shutdown`].
    pub fn shutdown(self, timeout: Duration) -> Result<Report, FlushError> {
        self.spanwise.shutdown(timeout)
    }
}

impl std::ops::Deref for Guard {
    type Target = Spanwise;

    fn deref(&self) -> &Spanwise {
        &self.spanwise
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.spanwise.handle.guard_dropped();
        // The global provider keeps the handle alive, so this cannot be left to its drop.
        let _ = self.spanwise.shutdown(self.spanwise.handle.shutdown_timeout);
    }
}

/// How long a thread with nothing to do may take to end.
const THREAD_EXIT: Duration = Duration::from_millis(20);
/// How long a flush waits for the handler of reports, which may be slow.
const REPORTED_WITHIN: Duration = Duration::from_millis(200);
