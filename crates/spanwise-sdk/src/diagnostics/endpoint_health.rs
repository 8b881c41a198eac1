//! Whether requests get through to the endpoint, and why the last attempt that failed did.

use super::{Diagnostic, EVERY, Reporter};
use spanwise_transport::FailedAttempt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Reports the first attempt that fails, at once, and the first request that gets through after it.
/// Cloning shares it: with the tasks that send, and with whoever flushes and asks what went wrong.
///
/// After a report, the next failure is reported half a minute later at the earliest, and then if a
/// request was accepted in between or the cause is another one.
#[derive(Clone)]
pub(crate) struct EndpointHealth {
    reporter: Reporter,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The attempts that failed since a request was accepted last; `None` when none did.
    failing: Option<Failing>,
    /// When the endpoint was reported to fail last, and for what.
    reported: Option<(Instant, String)>,
    /// Whether its recovery is to be reported.
    owes_recovery: bool,
    last_failure: Option<(Instant, String)>,
}

struct Failing {
    endpoint: String,
    since: Instant,
    attempts: u64,
}

impl EndpointHealth {
    pub(crate) fn new(reporter: Reporter) -> Self {
        Self { reporter, state: Arc::default() }
    }

    /// Where its reports go.
    pub(crate) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// An attempt failed. Called by the task that sends.
    pub(crate) fn attempt_failed(&self, failed: &FailedAttempt) {
        let now = Instant::now();
        let FailedAttempt { endpoint, cause, .. } = failed.clone();
        let mut state = self.lock();
        let failing = state.failing.get_or_insert_with(|| Failing {
            since: now,
            attempts: 0,
            endpoint: endpoint.clone(),
        });
        failing.attempts = failing.attempts.saturating_add(1);
        state.last_failure = Some((now, format!("{endpoint}: {cause}")));
        if !state.should_report(now, &cause) {
            return;
        }
        state.reported = Some((now, cause.clone()));
        state.owes_recovery = true;
        drop(state);
        self.reporter.report(Diagnostic::EndpointFailing {
            endpoint,
            cause,
            advice: failed.advice.clone(),
            attempt: failed.attempt,
            retry_in: failed.retry_in,
        });
    }

    /// A request was accepted.
    pub(crate) fn accepted(&self) {
        let mut state = self.lock();
        let Some(Failing { endpoint, since, attempts }) = state.failing.take() else { return };
        if std::mem::take(&mut state.owes_recovery) {
            drop(state);
            let after = since.elapsed();
            self.reporter.report(Diagnostic::EndpointRecovered { endpoint, after, attempts });
        }
    }

    /// Whether `cause` is what the endpoint was reported to fail for last, in this half minute.
    pub(crate) fn has_reported(&self, cause: &str) -> bool {
        let state = self.lock();
        state.reported.as_ref().is_some_and(|(at, last)| last == cause && at.elapsed() < EVERY)
    }

    /// Endpoint and cause of the last attempt that failed, if one did since `since` (since the start
    /// for `None`), or if nothing was accepted after it.
    pub(crate) fn last_failure(&self, since: Option<Instant>) -> Option<String> {
        let state = self.lock();
        let (at, failure) = state.last_failure.as_ref()?;
        let recent = since.is_none_or(|since| *at >= since);
        (recent || state.failing.is_some()).then(|| failure.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a failure for `cause` is to be reported: the first since a request was accepted, or
    /// one for another cause than was reported; not twice in half a minute for the same kind.
    fn should_report(&self, now: Instant, cause: &str) -> bool {
        match &self.reported {
            None => true,
            Some((at, reported)) => {
                let rested = now >= *at + EVERY;
                rested && (!self.owes_recovery || reported != cause)
            }
        }
    }
}
