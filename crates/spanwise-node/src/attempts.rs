//! [`Attempts`]: whether the attempts of requests fail, while no request has ended.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The failed attempts of requests to one destination or peer since the last end of a request.
#[derive(Default)]
pub(crate) struct Attempts {
    failing: Mutex<Option<Failing>>,
}

struct Failing {
    since: Instant,
    /// The cause of the last one.
    cause: String,
}

impl Attempts {
    pub(crate) fn failed(&self, cause: &str) {
        let mut failing = self.lock();
        let since = failing.as_ref().map_or_else(Instant::now, |it| it.since);
        *failing = Some(Failing { since, cause: cause.to_owned() });
    }

    /// A request has ended, in whichever way.
    pub(crate) fn ended(&self) {
        *self.lock() = None;
    }

    /// Whether the last attempt failed, and no request has ended since.
    #[cfg(test)]
    pub(crate) fn is_failing(&self) -> bool {
        self.lock().is_some()
    }

    /// The cause, if attempts have failed for longer than a moment.
    pub(crate) fn failing(&self) -> Option<String> {
        let failing = self.lock();
        let failing = failing.as_ref().filter(|it| it.since.elapsed() >= MOMENT);
        failing.map(|it| it.cause.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A destination that starts again is not reported.
const MOMENT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_that_fail_for_longer_than_a_moment_are_reported_until_a_request_ends() {
        let attempts = Attempts::default();
        attempts.failed("refused");
        assert_eq!(attempts.failing(), None);
        let since = Instant::now().checked_sub(MOMENT);
        *attempts.lock() = since.map(|since| Failing { since, cause: String::new() });
        attempts.failed("reset");
        assert_eq!(attempts.failing().is_some(), since.is_some());
        assert_eq!(attempts.failing().as_deref(), since.map(|_| "reset"));
        attempts.ended();
        assert_eq!(attempts.failing(), None);
    }
}
