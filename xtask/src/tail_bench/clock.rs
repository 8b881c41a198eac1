//! The time of a measurement.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The processor time of this process, which others on the machine do not change; with several CPUs the time of day.
pub(super) fn now(cpus: usize) -> Duration {
    if cpus > 1 {
        return START.elapsed();
    }
    let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes a `timespec`.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut used) };
    if result != 0 {
        return START.elapsed();
    }
    Duration::new(used.tv_sec.unsigned_abs(), u32::try_from(used.tv_nsec).unwrap_or_default())
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_advance_while_a_thread_computes() {
        for cpus in [1, 2] {
            let (begun, start) = (now(cpus), Instant::now());
            while now(cpus) <= begun + Duration::from_millis(1) {
                assert!(start.elapsed() < Duration::from_secs(60), "{cpus}: {begun:?}");
            }
        }
    }
}
