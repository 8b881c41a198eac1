//! Deadlines of tokio's clock.

use std::time::Duration;

use tokio::time::Instant;

/// The deadline `timeout` after `start`, 30 years after it at most.
pub(crate) fn deadline_after(start: Instant, timeout: Duration) -> Instant {
    timer_deadline(spanwise_worker::deadline(start.into_std(), timeout).into())
}

/// `at`, at least a second before the last instant: tokio's timers round up and would panic.
pub(crate) fn timer_deadline(at: Instant) -> Instant {
    match at.checked_add(ROUNDING) {
        Some(_) => at,
        None => at.checked_sub(ROUNDING).unwrap_or(at),
    }
}

/// More than a timer rounds up by.
const ROUNDING: Duration = Duration::from_secs(1);
