//! The thread that calls `ForceFlush` and `Shutdown` of processors, so that one that blocks does not block
//! the caller of the provider.

use super::registry::Registry;
use opentelemetry::Context;
use spanwise_worker::{CaughtPanic, MAX_LINE_BYTES, mask_sigpipe, oneshot, sanitize};
use std::cell::Cell;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// A call to all processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    ForceFlush,
    Shutdown,
}

/// A command that runs: the caller waits for its result.
pub(crate) struct Pending(State);

enum State {
    /// There is nothing to wait for.
    Done,
    Failed(&'static str),
    Running(oneshot::Receiver<Vec<String>>),
}

/// The thread of a provider's processors. The first command starts it, and the shutdown ends it.
#[derive(Default)]
pub(super) struct LifecycleThread {
    thread: Mutex<Thread>,
}

#[derive(Default)]
enum Thread {
    #[default]
    NotStarted,
    Running(SyncSender<Call>),
    ShutDown,
}

struct Call {
    registry: Arc<Registry>,
    command: Command,
    until: Instant,
    result: oneshot::Sender<Vec<String>>,
}

impl LifecycleThread {
    pub(super) fn start(
        &self,
        registry: &Arc<Registry>,
        command: Command,
        until: Instant,
    ) -> Pending {
        let is_inside = ON_THREAD.get();
        if is_inside && command == Command::ForceFlush {
            // A processor flushes the provider in its own flush.
            return Pending::none();
        }
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*thread, Thread::NotStarted) {
            let (sender, receiver) = sync_channel(MAX_CALLS);
            let builder = thread::Builder::new().name("spanwise-processor".to_owned());
            if builder.spawn(move || run(&receiver)).is_err() {
                return Pending(State::Failed("the system started no thread for the processors"));
            }
            *thread = Thread::Running(sender);
        }
        let Thread::Running(sender) = &*thread else { return Pending::none() };
        let (result, receiver) = oneshot::channel();
        let call = Call { registry: registry.clone(), command, until, result };
        let sent = sender.try_send(call);
        if command == Command::Shutdown {
            // The thread ends after the calls that it has.
            *thread = Thread::ShutDown;
        }
        match sent {
            // A processor shuts the provider down in its own flush: the thread cannot wait for itself.
            Ok(()) if is_inside => Pending::none(),
            Ok(()) => Pending(State::Running(receiver)),
            Err(_) => Pending(State::Failed("a processor does not return from earlier calls")),
        }
    }
}

impl Pending {
    pub(crate) fn none() -> Self {
        Self(State::Done)
    }

    /// Waits until all processors have returned, at most until the deadline. Returns the errors, as text.
    pub(crate) fn wait_until(self, until: Instant) -> Option<String> {
        match self.0 {
            State::Done => None,
            State::Failed(problem) => Some(problem.to_owned()),
            State::Running(receiver) => match receiver.recv_until(until) {
                Some(errors) => (!errors.is_empty()).then(|| errors.join("; ")),
                None => Some("a span processor did not return by the deadline".to_owned()),
            },
        }
    }
}

fn run(calls: &Receiver<Call>) {
    mask_sigpipe();
    ON_THREAD.set(true);
    // A processor that exports by an instrumented client would otherwise record its own exports.
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    while let Ok(Call { registry, command, until, result }) = calls.recv() {
        result.send(call_each(&registry, command, until));
        if command == Command::Shutdown {
            // The caller does not wait for destructors.
            return registry.clear();
        }
    }
}

fn call_each(registry: &Registry, command: Command, until: Instant) -> Vec<String> {
    let errors = registry.try_each(|processor| -> Result<(), Problem> {
        let left = until.saturating_duration_since(Instant::now());
        let result = match command {
            Command::ForceFlush => processor.force_flush(left),
            Command::Shutdown => processor.shutdown(left),
        };
        // The error is the user's code too: it is printed and dropped here, where a panic is caught.
        result.map_err(|error| Problem(sanitize(&error.to_string(), MAX_LINE_BYTES)))
    });
    errors
        .into_iter()
        .map(|(number, Problem(text))| format!("span processor {number}: {text}"))
        .collect()
}

/// An error of a processor, as text.
struct Problem(String);

impl From<CaughtPanic> for Problem {
    fn from(panic: CaughtPanic) -> Self {
        Self(panic.to_string())
    }
}

thread_local! {
    /// Whether this thread is one of a provider's processors.
    static ON_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Calls that wait while a processor blocks.
const MAX_CALLS: usize = 16;
