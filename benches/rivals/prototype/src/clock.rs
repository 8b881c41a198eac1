//! The time of a span: a processor's counter, scaled to nanoseconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A line through two readings of the counter and the system's clock. No later reading corrects it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    ticks: u64,
    nanos: u64,
    /// Nanoseconds per tick, times 2^32.
    scale: u64,
}

impl Clock {
    /// Reads both clocks at the ends of `time`.
    pub fn calibrated(time: Duration) -> Self {
        let (from_ticks, from_nanos) = both();
        std::thread::sleep(time);
        let (ticks, nanos) = both();
        let scale =
            (u128::from(nanos - from_nanos) << 32) / u128::from((ticks - from_ticks).max(1));
        Self { ticks, nanos, scale: scale as u64 }
    }

    /// Nanoseconds since 1970.
    #[inline(always)]
    pub fn now(&self) -> u64 {
        let passed = u128::from(counter().wrapping_sub(self.ticks)) * u128::from(self.scale);
        self.nanos.wrapping_add((passed >> 32) as u64)
    }
}

/// The counter and the system's clock at the same time: of several tries, the one whose two readings
/// of the counter are closest.
fn both() -> (u64, u64) {
    let tries = (0..100).map(|_| {
        let before = counter();
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let width = counter().wrapping_sub(before);
        (width, before.wrapping_add(width / 2), nanos as u64)
    });
    tries.min().map_or((0, 0), |(_, ticks, nanos)| (ticks, nanos))
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn counter() -> u64 {
    // SAFETY: every x86-64 processor has the instruction.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Elsewhere the monotonic clock counts nanoseconds.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn counter() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64
}
