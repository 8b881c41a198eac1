//! The interval of keep-alive pings, which doubles when a server complains about them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::channels::MAX_KEEP_ALIVE;

/// The interval of the pings on all channels of a transport.
#[derive(Debug)]
pub(super) struct PingInterval(Mutex<Duration>);

impl PingInterval {
    pub(super) fn new(interval: Duration) -> Self {
        Self(Mutex::new(interval))
    }

    pub(super) fn get(&self) -> Duration {
        *self.lock()
    }

    /// A server complained about pings every `used`. Several channels may receive the complaint about one interval.
    ///
    /// The interval ends at [`MAX_KEEP_ALIVE`]: a server that never stops complaining would otherwise make it
    /// longer than an `Instant` can be moved, which panics in HTTP/2.
    pub(super) fn double(&self, used: Duration) {
        let mut interval = self.lock();
        if *interval <= used {
            *interval = used.saturating_mul(2).min(MAX_KEEP_ALIVE);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_doubles_once_for_all_channels() {
        let second = Duration::from_secs(1);
        let interval = PingInterval::new(second);
        interval.double(second);
        interval.double(second);
        assert_eq!(interval.get(), 2 * second);
        interval.double(2 * second);
        assert_eq!(interval.get(), 4 * second);
        interval.double(Duration::MAX);
        assert_eq!(interval.get(), MAX_KEEP_ALIVE);
    }
}
