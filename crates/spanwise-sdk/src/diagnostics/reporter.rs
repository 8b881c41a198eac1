//! [`Reporter`]: passes reports to the diagnostics handler on a thread of its own.

use super::diagnostic::Diagnostic;
use super::handler::Handler;
use super::level::LogLevel;
use super::recent::{LiveDiagnostic, RecentDiagnostics};
use opentelemetry::Context;
use spanwise_worker::{catch_panic, deadline, fork, mask_sigpipe};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A bounded queue of reports for the handler. A clone shares it.
///
/// A handler may block for ever: standard error can be a full pipe. So neither the worker nor an
/// application thread calls it, but a thread that runs while the queue has reports. The queue holds at
/// most [`CAPACITY`] reports; then the latest replaces the oldest, and the number of the replaced ones
/// is reported.
#[derive(Clone)]
pub(crate) struct Reporter {
    shared: Arc<Shared>,
    /// Takes the place of the thread in an explanation.
    collected: Option<Collected>,
    /// Gets a copy of each report.
    copies: Option<Collected>,
}

/// Reports in their order.
pub(crate) type Collected = Arc<Mutex<Vec<Diagnostic>>>;

struct Shared {
    state: Mutex<State>,
    /// Notified when the thread has nothing left to report.
    idle: Condvar,
    /// The process of the thread: see [`fork::generation`].
    generation: u32,
    /// The least severe level that the default handler receives, as [`LogLevel`] orders them; any other handler
    /// receives every report.
    level: Option<AtomicU8>,
    recent: RecentDiagnostics,
}

struct State {
    /// The handler; `None` once it is dropped. The reporting thread drops it after the last report,
    /// because the drop of a user's handler may block or panic.
    handler: Option<Handler>,
    waiting: VecDeque<Diagnostic>,
    /// Reports that were replaced since the last report of their number.
    left_out: u64,
    /// Whether a thread takes reports off the queue.
    running: bool,
    /// Whether the queue accepts no more reports.
    closed: bool,
    /// One more report may come after [`Reporter::close`].
    held_open: bool,
}

impl Reporter {
    /// A reporter to a handler that receives every report.
    pub(crate) fn new(handler: Handler) -> Self {
        Self::with_level(handler, None)
    }

    /// A reporter to a handler that receives the reports at or above a level: [`LogLevel::Info`] until
    /// [`set_level`](Self::set_level).
    pub(crate) fn filtered(handler: Handler) -> Self {
        Self::with_level(handler, Some(AtomicU8::new(LogLevel::default() as u8)))
    }

    fn with_level(handler: Handler, level: Option<AtomicU8>) -> Self {
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
        Self {
            shared: Arc::new(Shared {
                state,
                idle,
                generation,
                level,
                recent: RecentDiagnostics::default(),
            }),
            collected: None,
            copies: None,
        }
    }

    /// A reporter that starts no thread, and the reports that it collects.
    pub(crate) fn collecting() -> (Self, Collected) {
        let collected = Collected::default();
        let mut reporter = Self::new(Arc::new(|_| {}));
        reporter.collected = Some(collected.clone());
        (reporter, collected)
    }

    /// The same reporter, and a copy of each report to this clone of it, also of one below the level.
    pub(crate) fn recording(&self) -> (Self, Collected) {
        let copies = Collected::default();
        (Self { copies: Some(copies.clone()), ..self.clone() }, copies)
    }

    /// Whether reports are collected, and start no thread.
    #[cfg(test)]
    pub(crate) fn is_collecting(&self) -> bool {
        self.collected.is_some()
    }

    /// The least severe level of reports; `None`: the handler is the user's, and receives all.
    pub(crate) fn level(&self) -> Option<LogLevel> {
        self.shared.level.as_ref().map(|level| LogLevel::of(level.load(Relaxed)))
    }

    /// Sets the least severe level of later reports to the default handler.
    pub(crate) fn set_level(&self, level: LogLevel) {
        if let Some(present) = &self.shared.level {
            // ORDER: Relaxed: the level publishes no other data.
            present.store(level as u8, Relaxed);
        }
    }

    /// Queues a report. Never waits for the handler.
    pub(crate) fn report(&self, diagnostic: Diagnostic) {
        if self.is_forked() {
            return;
        }
        if let Some(copies) = &self.copies {
            copies.lock().unwrap_or_else(PoisonError::into_inner).push(diagnostic.clone());
        }
        if let Some(collected) = &self.collected {
            collected.lock().unwrap_or_else(PoisonError::into_inner).push(diagnostic);
            return;
        }
        if self
            .shared
            .level
            .as_ref()
            .is_some_and(|it| (diagnostic.level() as u8) < it.load(Relaxed))
        {
            return;
        }
        let mut state = self.shared.lock();
        if state.closed {
            return;
        }
        self.shared.recent.push(&diagnostic);
        if state.waiting.len() >= CAPACITY {
            state.waiting.pop_front();
            state.left_out += 1;
        }
        state.waiting.push_back(diagnostic);
        self.start(state);
    }

    /// The latest reports that the handler receives, the newest last. Not for a forked child.
    pub(crate) fn recent(&self) -> Vec<LiveDiagnostic> {
        self.shared.recent.list()
    }

    /// Accepts one more report after [`close`](Self::close), until
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

    /// Accepts no more reports, and drops the handler after the queued ones. Returns at once.
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
            // The system has no thread left: the report stays in the queue until the next one.
            self.shared.lock().running = false;
        }
    }

    /// Waits until the handler has received all reports, at most for `timeout`.
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

    /// A forked child has the queue but not the thread, and perhaps a lock that no thread releases.
    fn is_forked(&self) -> bool {
        fork::generation() != self.shared.generation
    }
}

impl Shared {
    fn run(&self) {
        // Standard error may be a closed pipe.
        mask_sigpipe();
        // Suppression prevents a loop: a handler that starts spans would cause reports about them.
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        while let Some((handler, diagnostic)) = self.next() {
            // The panic hook has reported the panic of the user's handler.
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
            // Flushes do not wait for the drop of the handler.
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
    fn a_filtered_handler_receives_the_reports_at_or_above_the_level_which_may_change() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let received = lines.clone();
        let handler: Handler = Arc::new(move |diagnostic: &Diagnostic| {
            received.lock().unwrap().push(diagnostic.level());
        });
        let report_all = |reporter: &Reporter| {
            reporter.report(Diagnostic::SamplingStrategyRecovered { url: String::new() });
            reporter.report(Diagnostic::ReceiverWarned { message: String::new() });
            reporter.report(Diagnostic::SpansRejected { spans: 1, message: String::new() });
            reporter.report(Diagnostic::WorkerDied);
            reporter.flush(Duration::from_secs(60));
            std::mem::take(&mut *lines.lock().unwrap())
        };
        let all = [LogLevel::Info, LogLevel::Warn, LogLevel::Error, LogLevel::Fatal];
        let reporter = Reporter::filtered(handler.clone());
        assert_eq!(report_all(&reporter), all);
        for (index, level) in all.into_iter().enumerate() {
            reporter.set_level(level);
            assert_eq!(report_all(&reporter), all[index..]);
        }
        reporter.set_level(LogLevel::Debug);
        assert_eq!(report_all(&reporter), all);
        // A handler of the user's receives every report.
        let reporter = Reporter::new(handler);
        reporter.set_level(LogLevel::Fatal);
        assert_eq!(report_all(&reporter), all);
    }

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
