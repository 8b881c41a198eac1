//! Hands reports to the user's handler, on a thread that may be slow.

use super::diagnostic::Diagnostic;
use super::handler::Handler;
use opentelemetry::Context;
use spanwise_worker::{catch_panic, deadline, fork, mask_sigpipe};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where reports wait for the handler. Cloning shares it.
///
/// A handler may block for ever: standard error can be a full pipe, and a user's handler anything.
/// So neither the worker nor an application thread calls it, but a thread that lives while there is
/// something to report. At most [`CAPACITY`] reports wait; then the oldest make way for the latest,
/// and their number is reported.
#[derive(Clone)]
pub(crate) struct Reporter {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Notified when the thread has nothing left to report.
    idle: Condvar,
    /// The process that the thread lives in: see [`fork::generation`].
    generation: u32,
}

struct State {
    /// `None` once it is dropped: after the last report, by the thread that makes the reports. It is
    /// the user's, and its drop may block or panic.
    handler: Option<Handler>,
    waiting: VecDeque<Diagnostic>,
    /// Reports that made way since this was last reported.
    left_out: u64,
    /// Whether a thread takes reports off the queue.
    running: bool,
    /// No report comes any more.
    closed: bool,
    /// One more report may come after [`Reporter::close`].
    held_open: bool,
}

impl Reporter {
    pub(crate) fn new(handler: Handler) -> Self {
        let state = State {
            handler: Some(handler),
            waiting: VecDeque::new(),
            left_out: 0,
            running: false,
            closed: false,
            held_open: false,
        };
        let (state, idle) = (Mutex::new(state), Condvar::new());
        let generation = fork::generation();
        Self { shared: Arc::new(Shared { state, idle, generation }) }
    }

    /// Queues a report. Never waits for the handler.
    pub(crate) fn report(&self, diagnostic: Diagnostic) {
        if self.is_forked() {
            return;
        }
        let mut state = self.shared.lock();
        if state.closed {
            return;
        }
        if state.waiting.len() >= CAPACITY {
            state.waiting.pop_front();
            state.left_out += 1;
        }
        state.waiting.push_back(diagnostic);
        self.start(state);
    }

    /// Stays open for a report that may come after [`close`](Self::close), until
    /// [`close_held_open`](Self::close_held_open).
    pub(crate) fn hold_open(&self) {
        if !self.is_forked() {
            self.shared.lock().held_open = true;
        }
    }

    /// Ends [`hold_open`](Self::hold_open).
    pub(crate) fn close_held_open(&self) {
        if !self.is_forked() {
            self.shared.lock().held_open = false;
            self.close();
        }
    }

    /// Takes no more reports, and drops the handler after those that wait. Returns at once.
    pub(crate) fn close(&self) {
        if self.is_forked() {
            return;
        }
        let mut state = self.shared.lock();
        if !state.held_open && !std::mem::replace(&mut state.closed, true) {
            self.start(state);
        }
    }

    fn start(&self, mut state: MutexGuard<'_, State>) {
        if state.running {
            return;
        }
        state.running = true;
        drop(state);
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name("spanwise-report".to_owned());
        if thread.spawn(move || shared.run()).is_err() {
            // No thread to be had: the report waits for the next one.
            self.shared.lock().running = false;
        }
    }

    /// Waits until the handler has had all reports, at most for `timeout`.
    pub(crate) fn flush(&self, timeout: Duration) {
        if self.is_forked() {
            return;
        }
        let until = deadline(Instant::now(), timeout);
        let mut state = self.shared.lock();
        while state.running && state.handler.is_some() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.shared.idle.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A forked child has the queue but not the thread, and perhaps a lock that no thread opens.
    fn is_forked(&self) -> bool {
        fork::generation() != self.shared.generation
    }
}

impl Shared {
    fn run(&self) {
        // Standard error may be a closed pipe.
        mask_sigpipe();
        // A handler that starts spans must not report on their fate, and so on.
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        while let Some((handler, diagnostic)) = self.next() {
            // A panic in it is the user's own, and has been reported by the panic hook.
            let _ = catch_panic(|| handler(&diagnostic));
        }
    }

    fn next(&self) -> Option<(Handler, Diagnostic)> {
        loop {
            let mut state = self.lock();
            let next = match std::mem::take(&mut state.left_out) {
                0 => state.waiting.pop_front(),
                reports => Some(Diagnostic::ReportsLeftOut { reports }),
            };
            if let (Some(diagnostic), Some(handler)) = (next, &state.handler) {
                return Some((handler.clone(), diagnostic));
            }
            if !state.closed || state.handler.is_none() {
                state.running = false;
                self.idle.notify_all();
                return None;
            }
            // Flushes do not wait for the drop of it.
            let handler = state.handler.take();
            self.idle.notify_all();
            drop(state);
            let _ = catch_panic(|| drop(handler));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports that wait while the handler is slow.
const CAPACITY: usize = 32;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;

    #[test]
    fn the_latest_reports_wait_and_the_others_are_counted() {
        let (door, lines) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(Vec::new())));
        let closed = door.lock().unwrap();
        let (shut, received) = (door.clone(), lines.clone());
        let reporter = Reporter::new(Arc::new(move |diagnostic: &Diagnostic| {
            drop(shut.lock());
            received.lock().unwrap().push(diagnostic.to_string());
        }));
        for number in 0..CAPACITY + 10 {
            let (setting, value) = (format!("number {number} "), String::new());
            reporter.report(Diagnostic::SettingIgnored { setting, value, accepted: String::new() });
        }
        drop(closed);
        reporter.flush(Duration::from_secs(60));
        let lines = lines.lock().unwrap();
        assert!(lines.iter().any(|line| line.contains("older reports not shown")), "{lines:?}");
        let last = format!("number {} ", CAPACITY + 9);
        assert!(lines.last().is_some_and(|line| line.contains(&last)), "{lines:?}");
        assert!(lines.len() <= CAPACITY + 2, "{lines:?}");
    }
}
