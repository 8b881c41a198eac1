//! Deadlines of tokio's clock.

use std::time::Duration;

use spanwise_worker::__private::timer_deadline;
use spanwise_worker::deadline;
use tokio::time::Instant;

/// The deadline `timeout` after `start`, 30 years after it at most.
pub(crate) fn deadline_after(start: Instant, timeout: Duration) -> Instant {
    timer_deadline(deadline(start.into_std(), timeout)).into()
}
