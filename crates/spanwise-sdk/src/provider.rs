//! The provider: hands out tracers, flushes, shuts down.

use crate::config::Builder;
use crate::core::Core;
use crate::pipeline::{Command, CommandKind, Inbox};
use crate::report::{FlushError, Report};
use crate::tracer::Tracer;
use opentelemetry::{InstrumentationScope, global};
use spanwise_ledger::{DropReason, Snapshot};
use spanwise_sampling::Sampler;
use spanwise_worker::{State, Worker, completion};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// A tracer provider: the native pipeline behind the OpenTelemetry API.
///
/// Clones share one pipeline. When the last clone and the last tracer made by it are gone, the
/// pipeline is shut down as by [`shutdown`](Self::shutdown) with the configured timeout.
///
/// ```no_run
/// use spanwise_sdk::Spanwise;
///
/// let spanwise = Spanwise::builder().with_service_name("shop").build()?;
/// opentelemetry::global::set_tracer_provider(spanwise.clone());
/// // … the application runs …
/// let report = spanwise.shutdown(std::time::Duration::from_secs(5))?;
/// println!("{report}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Spanwise {
    handle: Arc<Handle>,
}

/// Keeps the pipeline running while somebody can make spans.
pub(crate) struct Handle {
    core: Arc<Core>,
    inbox: Arc<Inbox>,
    /// `None` when the provider is disabled.
    worker: Option<Worker>,
    shut_down: AtomicBool,
    shutdown_timeout: Duration,
}

impl Spanwise {
    /// Starts a configuration; what is left open is taken from the environment.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(
        core: Arc<Core>,
        inbox: Arc<Inbox>,
        worker: Option<Worker>,
        shutdown_timeout: Duration,
    ) -> Self {
        let shut_down = AtomicBool::new(false);
        Self { handle: Arc::new(Handle { core, inbox, worker, shut_down, shutdown_timeout }) }
    }

    /// A tracer of the scope `name`. For versions and attributes see
    /// [`TracerProvider::tracer_with_scope`](opentelemetry::trace::TracerProvider).
    pub fn tracer(&self, name: &'static str) -> Tracer {
        self.tracer_of(&InstrumentationScope::builder(name).build())
    }

    /// The account of all spans so far.
    pub fn ledger(&self) -> Snapshot {
        self.handle.core.ledger.snapshot()
    }

    /// Puts `sampler` in force for all spans that start from now on, of all tracers.
    ///
    /// ```
    /// # use spanwise_sdk::{Spanwise, sampling::Sampler};
    /// # let spanwise = Spanwise::builder().with_environment(|_| None).build()?;
    /// spanwise.set_sampler(Sampler::probability(0.01)?.parent_based());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_sampler(&self, sampler: impl Into<Sampler>) {
        self.handle.core.sampler.set(sampler);
    }

    /// Bytes that ended spans hold on their way, requests included: now, and at most so far. The
    /// budget is never exceeded; the second number may be a little high, as it adds two peaks.
    pub fn buffered_bytes(&self) -> (usize, usize) {
        let Core { shards, requests, .. } = &*self.handle.core;
        let chunks = shards.budget();
        (chunks.charged() + requests.charged(), chunks.peak() + requests.peak())
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
        self.handle.run(CommandKind::Flush, timeout)
    }

    /// Takes no more spans, sends what there is, and stops the worker.
    ///
    /// Works from any thread, inside or outside of any async runtime, and returns by `timeout`.
    /// Spans that end afterwards are counted as `after_shutdown`.
    ///
    /// # Errors
    /// See [`FlushError`]; the provider is shut down all the same.
    pub fn shutdown(&self, timeout: Duration) -> Result<Report, FlushError> {
        self.handle.shutdown(timeout)
    }

    fn tracer_of(&self, scope: &InstrumentationScope) -> Tracer {
        let core = &self.handle.core;
        Tracer::new(core.clone(), core.scopes.index(scope), scope.name(), self.handle.clone())
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
        if self.shut_down.swap(true, SeqCst) {
            return Err(FlushError::AlreadyShutdown);
        }
        self.core.shards.close();
        let started = Instant::now();
        let result = self.run(CommandKind::Shutdown, timeout);
        if let Some(worker) = &self.worker
            && result.is_ok()
        {
            // It has nothing left to do; waiting makes "shut down" mean that the thread is gone.
            let left = timeout.saturating_sub(started.elapsed()).max(THREAD_EXIT);
            worker.join_until(Instant::now() + left);
        }
        result
    }

    fn run(&self, kind: CommandKind, timeout: Duration) -> Result<Report, FlushError> {
        let started = Instant::now();
        let before = self.core.ledger.snapshot();
        let report = || {
            let ledger = self.core.ledger.snapshot();
            let since = ledger.since(&before);
            Report {
                elapsed: started.elapsed(),
                exported: since.exported,
                dropped: since.dropped_total(),
                ledger,
            }
        };
        let Some(worker) = &self.worker else { return Ok(report()) };
        if worker.is_current_thread() {
            return Err(FlushError::OnWorkerThread);
        }
        if worker.is_forked_child() {
            return Err(FlushError::WorkerGone);
        }
        // A timeout of centuries is "as long as it takes".
        let deadline = started + timeout.min(FOREVER);
        let (done, waiter) = completion();
        if !self.inbox.send(Command { kind, deadline, done }) {
            return Err(self.gone());
        }
        worker.wake();
        // The worker keeps the deadline itself and then says so; this wait is the second line.
        match waiter.wait_until(deadline + GRACE) {
            Some(true) => Ok(report()),
            Some(false) => Err(FlushError::Timeout(Box::new(report()))),
            None if waiter.is_gone() => Err(self.gone()),
            None => Err(FlushError::Timeout(Box::new(report()))),
        }
    }

    /// The worker has ended: by a shutdown, or before its time.
    fn gone(&self) -> FlushError {
        if self.worker.as_ref().is_some_and(|worker| worker.state() == State::Panicked) {
            self.bury();
            return FlushError::WorkerGone;
        }
        FlushError::AlreadyShutdown
    }

    /// Accounts for what a dead worker left behind.
    fn bury(&self) {
        self.core.shards.close();
        let mut left = Vec::new();
        self.core.shards.sweep(&mut left);
        let spans: usize = left.iter().map(|buffer| buffer.chunk().len()).sum();
        self.core.ledger.dropped(DropReason::WorkerUnavailable, spans as u64);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // An error is an earlier shutdown, or losses that the ledger has and diagnostics told.
        let _ = self.shutdown(self.shutdown_timeout);
    }
}

impl fmt::Debug for Spanwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spanwise")
            .field("sampler", &self.handle.core.sampler)
            .field("limits", &self.handle.core.limits)
            .field("disabled", &self.handle.core.disabled)
            .finish_non_exhaustive()
    }
}

/// A provider that is also the global one, shut down when this is dropped.
///
/// Keep it for as long as the program should trace; `let _ = …` would drop it at once.
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
        // The global provider keeps the handle alive, so this cannot be left to its drop.
        let _ = self.spanwise.shutdown(self.spanwise.handle.shutdown_timeout);
    }
}

/// How long the worker may overrun a deadline it has been told before nobody waits for it.
const GRACE: Duration = Duration::from_millis(30);
/// How long a thread with nothing to do may take to end.
const THREAD_EXIT: Duration = Duration::from_millis(20);
/// Far beyond any process, and far from overflowing an `Instant`.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);
