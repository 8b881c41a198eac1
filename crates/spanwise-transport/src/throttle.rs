//! Throttling: a `Retry-After` for one request applies to every request of the transport.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::deadline::deadline_after;

/// The instant before which no request may be sent.
#[derive(Debug)]
pub(crate) struct Throttle {
    until: Mutex<Option<Instant>>,
    /// Maximum wait that a server can impose: a wrong or hostile response must not stop exports
    /// forever.
    longest: Duration,
}

impl Throttle {
    pub(crate) fn new(longest: Duration) -> Self {
        Self { until: Mutex::new(None), longest }
    }

    /// Throttles all requests for `wait`, unless they are throttled longer already.
    pub(crate) fn hold(&self, now: Instant, wait: Duration) {
        let wait = wait.min(self.longest);
        if wait.is_zero() {
            return;
        }
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(deadline_after(now, wait)));
    }

    /// The end of the throttle, if it is in force.
    fn ends(&self, now: Instant) -> Option<Instant> {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|until| *until > now)
    }

    /// Waits until the throttle ends, or until `deadline`.
    pub(crate) async fn wait(&self, deadline: Instant) {
        loop {
            let now = Instant::now();
            // Read again after each sleep: another request may have extended it.
            match self.ends(now) {
                Some(end) if now < deadline => tokio::time::sleep_until(end.min(deadline)).await,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_the_longest_throttle() {
        let start = Instant::now();
        let throttle = Throttle::new(60 * SECOND);
        throttle.wait(start + SECOND).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        throttle.hold(start, 5 * SECOND);
        throttle.hold(start, 2 * SECOND);
        throttle.wait(start + 3 * SECOND).await;
        assert_eq!(start.elapsed(), 3 * SECOND);
        throttle.wait(start + 30 * SECOND).await;
        assert_eq!(start.elapsed(), 5 * SECOND);
        throttle.hold(Instant::now(), Duration::MAX);
        throttle.wait(start + 1000 * SECOND).await;
        assert_eq!(start.elapsed(), 65 * SECOND);
    }
}
