//! The age at which a connection ends, so that its client makes a new one, with another server perhaps.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::limits::FOREVER;

/// When a connection is old.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Age {
    due: Option<Instant>,
}

impl Age {
    /// No age is too old.
    pub(crate) const NONE: Self = Self { due: None };

    /// Of the connection `number` of a receiver, which is open from now on. Its limit is up to a tenth less than `limit`: clients that
    /// connect at once return one by one.
    pub(crate) fn starting(limit: Duration, number: u64) -> Self {
        let due = (limit < FOREVER).then(|| {
            // Multiples of the golden ratio are far from each other, however many there are.
            let share = (number as u32).wrapping_mul(GOLDEN_RATIO);
            Instant::now() + limit.mul_f64(1.0 - 0.1 * f64::from(share) / f64::from(u32::MAX))
        });
        Self { due }
    }

    pub(crate) fn is_old(self) -> bool {
        self.due.is_some_and(|due| Instant::now() >= due)
    }

    /// Completes once the connection is old.
    pub(crate) async fn reached(self) {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}

/// Its fraction, in units of 2⁻³².
const GOLDEN_RATIO: u32 = 0x9E37_79B9;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn connections_that_start_at_once_are_old_one_by_one() {
        let limit = Duration::from_secs(100);
        let start = Instant::now();
        let mut due: Vec<_> =
            (1..=20).filter_map(|number| Age::starting(limit, number).due).collect();
        due.sort();
        assert_eq!(due.len(), 20);
        for pair in due.windows(2) {
            let apart = pair[1] - pair[0];
            assert!((200..1_000).contains(&apart.as_millis()), "{apart:?}");
        }
        assert!(due[0] >= start + limit * 9 / 10 && due[19] <= start + limit);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_old_from_its_limit_on_and_never_without_one() {
        let age = Age::starting(Duration::from_secs(100), 0);
        advance(Duration::from_secs(99)).await;
        assert!(!age.is_old());
        age.reached().await;
        assert!(age.is_old());
        let none = Age::starting(Duration::MAX, 0);
        advance(Duration::from_secs(1_000_000)).await;
        assert!(!none.is_old());
    }
}
