//! Runs checks on a thread of their own, within a deadline.

use super::check::{CheckStatus, DoctorCheck};
use super::report::DoctorReport;
use super::running::Running;
use opentelemetry::Context;
use spanwise_worker::{catch_panic, mask_sigpipe, sanitize};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The checks so far. Clones share them: those that ended are reported if a later one hangs.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<Mutex<State>>);

#[derive(Clone, Default)]
struct State {
    checks: Vec<DoctorCheck>,
    is_accepted: bool,
}

impl Progress {
    pub(super) fn add(&self, check: DoctorCheck) {
        self.lock().checks.push(check);
    }

    /// Records that the receiver accepted the span.
    pub(super) fn accepted(&self) {
        self.lock().is_accepted = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(self, last: Option<DoctorCheck>) -> DoctorReport {
        let State { mut checks, is_accepted } = self.lock().clone();
        checks.extend(last);
        DoctorReport::new(checks, is_accepted)
    }
}

/// Runs `checks` on a thread of their own, which no runtime of the program and none of its subscribers reaches, for at
/// most `limit`. A hanging check leaves its thread behind; a panic of one is a failed check. From within a check, or while
/// many others run, none of the checks is made.
pub(super) fn within(
    limit: Duration,
    checks: impl FnOnce(&Progress) + Send + 'static,
) -> DoctorReport {
    let progress = Progress::default();
    let failed = |what: String| Some(DoctorCheck::both("doctor", CheckStatus::Failed, what));
    let running = match Running::begin() {
        Ok(running) => running,
        Err(reason) => return progress.report(failed(reason.to_owned())),
    };
    let (done, ended) = sync_channel(1);
    let shared = progress.clone();
    let run = move || {
        let _until_the_end = running;
        mask_sigpipe();
        let ran = catch_panic(|| untraced(|| checks(&shared)));
        let _not_awaited = done.send(ran.map_err(|panic| panic.to_string()));
    };
    if let Err(error) = thread::Builder::new().name("spanwise-doctor".to_owned()).spawn(run) {
        return progress.report(failed(format!("no thread can be started: {error}")));
    }
    match ended.recv_timeout(limit) {
        Ok(Ok(())) => progress.report(None),
        Ok(Err(panic)) => progress.report(failed(format!("a check {}", sanitize(&panic, 256)))),
        Err(RecvTimeoutError::Disconnected) => {
            progress.report(failed("a check ended without a result".to_owned()))
        }
        Err(RecvTimeoutError::Timeout) => progress.report(failed(format!(
            "the next check does not end within {limit:.1?}: a sink, a file or a name server hangs"
        ))),
    }
}

/// Runs `work` on a thread of the doctor: neither the libraries of an export nor the doctor make spans of the program.
pub(super) fn untraced<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(feature = "tracing")]
    spanwise_worker::suppress_tracing();
    Running::mark_thread();
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    work()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_check_that_hangs_or_panics_leaves_those_before_it() {
        let (_open, blocked) = channel::<()>();
        let hung = within(Duration::from_millis(50), move |progress| {
            progress.add(DoctorCheck::skipped("name", "before"));
            let _hangs = blocked.recv();
        });
        let texts: Vec<_> = hung.checks().iter().map(DoctorCheck::finding).collect();
        let expected =
            "the next check does not end within 50.0ms: a sink, a file or a name server hangs";
        assert_eq!(texts, ["before", expected]);

        let panicked = within(Duration::from_secs(60), |progress| {
            progress.accepted();
            std::panic::resume_unwind(Box::new("a sink of the user"));
        });
        assert_eq!(panicked.checks()[0].finding(), "a check panicked: a sink of the user");
        assert!(!panicked.span_arrived());
    }
}
