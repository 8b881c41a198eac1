//! One wait for all: a server that asks one request to wait means the client.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::deadline::deadline_after;

/// Until when nothing may be sent.
#[derive(Debug)]
pub(crate) struct Throttle {
    until: Mutex<Option<Instant>>,
    /// Longest wait a server can impose: a wrong or hostile answer must not silence us for good.
    longest: Duration,
}

impl Throttle {
    pub(crate) fn new(longest: Duration) -> Self {
        Self { until: Mutex::new(None), longest }
    }

    /// Holds all sends back for `wait`, unless they are held back longer already.
    pub(crate) fn hold(&self, now: Instant, wait: Duration) {
        let wait = wait.min(self.longest);
        if wait.is_zero() {
            return;
        }
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(deadline_after(now, wait)));
    }

    /// When the hold ends, if it has not.
    fn ends(&self, now: Instant) -> Option<Instant> {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|until| *until > now)
    }

    /// Waits until nothing holds sends back, or until `deadline`.
    pub(crate) async fn wait(&self, deadline: Instant) {
        loop {
            let now = Instant::now();
            // Read anew after each sleep: another request may have prolonged it.
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
    async fn waits_as_long_as_the_longest_hold() {
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
