//! [`SpanExporterSink`]: a `SpanExporter` of the stock SDK as the sink of the native provider.

use super::export_call::{CancelOnDrop, ExportCall};
use super::exporter_thread::{Call, Exported, ExporterThread};
use opentelemetry_sdk::trace::SpanExporter;
use spanwise_sdk::{Bytes, Failure, Outcome, Sink, SinkFuture, SinkLifecycle};
use spanwise_worker::{catch_panic, fork, oneshot};
use std::any::type_name;
use std::fmt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::oneshot as task_oneshot;

/// A [`Sink`] that exports through any `SpanExporter` of the stock SDK: each request becomes one batch of
/// `SpanData`.
///
/// The sink calls the exporter on a thread of its own, which the first call starts, never two calls at a
/// time, and with telemetry suppressed. It passes the resource before the first batch, and calls
/// `force_flush` and `shutdown` in those of the provider, `shutdown` once.
///
/// The ledger counts each span by the result of its export: exported; `transport` for an error;
/// `ambiguous_timeout` for a timeout, and for an export that has not ended within the attempt's timeout;
/// `exporter_panic` for a panic. A future that has not ended by then is dropped. A call that blocks its
/// thread cannot be ended: requests behind it time out, and their memory is freed. A flush or a shutdown of
/// the provider that the exporter calls on its thread starts, and returns
/// [`OnWorkerThread`](spanwise_sdk::FlushError::OnWorkerThread) at once.
///
/// Diagnostics name the exporter by its type.
///
/// [`SpanwiseBuilderExt`](super::SpanwiseBuilderExt) sets the sink together with
/// `with_max_in_flight(1)`: with more, the time in which requests wait for each other counts against
/// their timeouts.
///
/// # Cost
/// `SpanData` is a tree of heap objects: an allocation for each text, list and attribute of a span, on the
/// exporter's thread.
pub struct SpanExporterSink {
    shared: Arc<Shared>,
    /// The exporter's type.
    name: &'static str,
}

/// The state that the sink shares with the provider's lifecycle.
struct Shared {
    state: Mutex<State>,
    shut_down: Condvar,
    /// The exporter's thread, once it was started.
    thread: OnceLock<ThreadId>,
    /// The cause of the last failed export.
    last_failure: Mutex<Option<String>>,
    /// [`fork::generation`] of the process the sink was made in. A child has no thread of it.
    process: u32,
}

enum State {
    NotStarted(Box<dyn FnOnce(Receiver<Call>) + Send>),
    Running(SyncSender<Call>),
    ShuttingDown,
    ShutDown(Result<(), String>),
}

impl SpanExporterSink {
    /// A sink for an exporter that blocks or that needs no runtime: its futures run on a thread outside
    /// of any runtime.
    pub fn new(exporter: impl SpanExporter + 'static) -> Self {
        Self::start(exporter, None)
    }

    /// A sink for an exporter whose futures need a tokio runtime: they run on the sink's thread, with
    /// the timers, sockets and tasks of `runtime`. The runtime must outlive the provider, and a
    /// current-thread runtime makes progress only while the program drives it.
    pub fn on_runtime(exporter: impl SpanExporter + 'static, runtime: Handle) -> Self {
        Self::start(exporter, Some(runtime))
    }

    fn start<E: SpanExporter + 'static>(exporter: E, runtime: Option<Handle>) -> Self {
        fork::watch();
        let thread = ExporterThread::new(exporter, runtime);
        let shared = Shared {
            state: Mutex::new(State::NotStarted(Box::new(move |calls| thread.run(&calls)))),
            shut_down: Condvar::new(),
            thread: OnceLock::new(),
            last_failure: Mutex::new(None),
            process: fork::generation(),
        };
        Self { shared: Arc::new(shared), name: type_name::<E>() }
    }
}

impl Sink for SpanExporterSink {
    fn take(&self, request: Bytes) -> SinkFuture<'_> {
        let call = Arc::new(ExportCall::new(request));
        let (sender, exported) = task_oneshot::channel();
        let sent = self.shared.send(Call::Export { call: call.clone(), exported: sender });
        let cancel = CancelOnDrop(call);
        Box::pin(async move {
            let _cancel = cancel;
            let (outcome, cause): Exported = match sent {
                Ok(()) => exported.await.unwrap_or_else(|_| ended()),
                Err(problem) => (Outcome::Failed(Failure::Unsendable), Some(problem)),
            };
            *lock(&self.shared.last_failure) = cause;
            outcome
        })
    }

    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn last_failure(&self) -> Option<String> {
        lock(&self.shared.last_failure).clone()
    }

    fn lifecycle(&self) -> Option<Arc<dyn SinkLifecycle>> {
        Some(Arc::new(Lifecycle(self.shared.clone())))
    }
}

/// The flush and the shutdown of the exporter.
struct Lifecycle(Arc<Shared>);

impl SinkLifecycle for Lifecycle {
    fn flush_until(&self, deadline: Instant) -> Result<(), String> {
        if matches!(*lock(&self.0.state), State::NotStarted(_)) {
            // The exporter has received no span.
            return Ok(());
        }
        let (sender, result) = oneshot::channel();
        self.0.send(Call::Flush(sender))?;
        result.recv_until(deadline).unwrap_or_else(|| Err(LATE.to_owned()))
    }

    fn shutdown_until(&self, deadline: Instant) -> Result<(), String> {
        self.0.start_shutdown();
        let mut state = lock(&self.0.state);
        loop {
            if let State::ShutDown(result) = &*state {
                return result.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LATE.to_owned());
            }
            let waited = self.0.shut_down.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn is_current_thread(&self) -> bool {
        self.0.thread.get() == Some(&thread::current().id())
    }
}

impl Shared {
    /// Sends a call to the thread, and starts the thread for the first one.
    fn send(&self, call: Call) -> Result<(), String> {
        if fork::generation() != self.process {
            return Err("the exporter's thread is in another process".to_owned());
        }
        let mut state = lock(&self.state);
        self.send_to(&mut state, call)
    }

    fn send_to(&self, state: &mut State, call: Call) -> Result<(), String> {
        *state = match std::mem::replace(state, State::ShuttingDown) {
            State::NotStarted(run) => {
                let (sender, calls) = sync_channel(MAX_CALLS);
                let thread = thread::Builder::new().name("spanwise-sdkexp".to_owned());
                // The system drops the exporter with the thread that it does not start.
                match catch_panic(|| thread.spawn(move || run(calls))) {
                    Ok(Ok(thread)) => {
                        let _started_once = self.thread.set(thread.thread().id());
                        State::Running(sender)
                    }
                    _ => State::ShutDown(Err("the system started no thread".to_owned())),
                }
            }
            other => other,
        };
        match state {
            State::Running(sender) => {
                sender.try_send(call).map_err(|_| "the exporter does not return".to_owned())
            }
            State::ShutDown(Err(problem)) => Err(problem.clone()),
            _ => Err("the exporter is shut down".to_owned()),
        }
    }

    /// Starts the shutdown, once.
    fn start_shutdown(self: &Arc<Self>) {
        if fork::generation() != self.process {
            return;
        }
        let mut state = lock(&self.state);
        if matches!(*state, State::ShuttingDown | State::ShutDown(_)) {
            return;
        }
        let shared = self.clone();
        let result = move |result| {
            *lock(&shared.state) = State::ShutDown(result);
            shared.shut_down.notify_all();
        };
        let sent = self.send_to(&mut state, Call::Shutdown(Box::new(result)));
        *state = match sent {
            Ok(()) => State::ShuttingDown,
            Err(problem) => State::ShutDown(Err(problem)),
        };
    }
}

impl Drop for SpanExporterSink {
    /// Starts the shutdown, and does not wait: a thread that drops a provider may hold a lock.
    fn drop(&mut self) {
        self.shared.start_shutdown();
    }
}

impl fmt::Debug for SpanExporterSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanExporterSink").finish_non_exhaustive()
    }
}

/// The outcome of a request whose thread ended without one.
fn ended() -> Exported {
    (Outcome::Failed(Failure::SinkPanicked), Some("the exporter's thread has ended".to_owned()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error of a flush or shutdown that takes too long.
const LATE: &str = "the exporter did not return by the deadline";
/// Calls that wait while the exporter blocks: more than requests are in flight.
const MAX_CALLS: usize = 256;
