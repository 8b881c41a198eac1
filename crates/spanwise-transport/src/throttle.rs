//! Throttling: a `Retry-After` for one request applies to every request to its endpoint.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_worker::__private::timer_deadline;
use spanwise_worker::deadline;

/// The instant before which no request may be sent to an endpoint.
#[derive(Debug)]
pub(crate) struct Throttle {
    until: Mutex<Option<Instant>>,
    /// Maximum wait that a server can impose: a wrong or hostile response must not stop exports
    /// forever.
    longest: Duration,
}

impl Throttle {
    /// No throttle; a server can impose one of at most `longest`.
    pub(crate) fn new(longest: Duration) -> Self {
        Self { until: Mutex::new(None), longest }
    }

    /// Throttles all requests for `wait`, unless they are throttled longer already. Returns the wait that a server
    /// can impose: the limit, if `wait` is longer.
    pub(crate) fn hold(&self, now: Instant, wait: Duration) -> Duration {
        let wait = wait.min(self.longest);
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::ThrottleIgnored) {
            return wait;
        }
        if !wait.is_zero() {
            let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
            *until = (*until).max(Some(timer_deadline(deadline(now, wait))));
        }
        wait
    }

    /// The end of the throttle, if it is in force.
    pub(crate) fn ends(&self, now: Instant) -> Option<Instant> {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_throttle_lasts_for_the_longest_wait_up_to_its_limit() {
        let start = Instant::now();
        let throttle = Throttle::new(60 * SECOND);
        assert_eq!(throttle.ends(start), None);
        assert_eq!(throttle.hold(start, 5 * SECOND), 5 * SECOND);
        assert_eq!(throttle.hold(start, 2 * SECOND), 2 * SECOND);
        assert_eq!(throttle.ends(start + 3 * SECOND), Some(start + 5 * SECOND));
        assert_eq!(throttle.ends(start + 5 * SECOND), None);
        assert_eq!(throttle.hold(start + 5 * SECOND, Duration::MAX), 60 * SECOND);
        assert_eq!(throttle.ends(start + 6 * SECOND), Some(start + 65 * SECOND));
        assert_eq!(throttle.hold(start + 6 * SECOND, Duration::ZERO), Duration::ZERO);
        assert_eq!(throttle.ends(start + 6 * SECOND), Some(start + 65 * SECOND));
    }
}
