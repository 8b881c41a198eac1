use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::readings::Readings;
use super::start::Start;

/// Time by the monotonic clock: its reading, plus the difference to the system clock that the latest
/// comparison of the two measured.
#[derive(Debug)]
pub(super) struct Monotonic {
    /// System clock minus monotonic clock, wrapping; 0 before the first comparison.
    // ORDER: Relaxed throughout: this one number is the whole state and publishes no other data.
    ahead: AtomicU64,
}

impl Monotonic {
    pub const fn new() -> Self {
        Monotonic { ahead: AtomicU64::new(0) }
    }

    pub fn start(&self, clocks: &impl Readings) -> Start {
        let ahead = match self.ahead.load(Relaxed) {
            0 => self.initialize(clocks),
            ahead => ahead,
        };
        let nanos = clocks.monotonic_nanos();
        Start { ticks: nanos | MONOTONIC_BIT, unix_nanos: nanos.wrapping_add(ahead) }
    }

    /// Adopts the system clock for spans that start from now on. Returns whether the system clock was
    /// stepped since the last call: slewing changes both clocks alike, so only a step moves them
    /// apart.
    pub fn follow(&self, monotonic_nanos: u64, unix_nanos: u64) -> bool {
        let ahead = distance(monotonic_nanos, unix_nanos);
        let off = ahead.wrapping_sub(self.ahead.load(Relaxed)).cast_signed();
        // Readings are uncertain, and that alone must not move times backwards.
        if off.unsigned_abs() > UNCERTAIN_NANOS {
            self.ahead.store(ahead, Relaxed);
        }
        off.unsigned_abs() > STEP_NANOS
    }

    /// Compares the two clocks once: the result of the first thread counts for all threads.
    #[cold]
    fn initialize(&self, clocks: &impl Readings) -> u64 {
        let (monotonic_nanos, unix_nanos) = read_both(clocks);
        let ahead = distance(monotonic_nanos, unix_nanos);
        match self.ahead.compare_exchange(0, ahead, Relaxed, Relaxed) {
            Ok(_) => ahead,
            Err(first) => first,
        }
    }
}

/// The end time of a span that [`Monotonic::start`] started; `None` for other spans.
pub(super) fn end(start: Start, clocks: &impl Readings) -> Option<u64> {
    let started = start.ticks & !MONOTONIC_BIT;
    (start.ticks & MONOTONIC_BIT != 0).then(|| {
        let passed = clocks.monotonic_nanos().saturating_sub(started);
        start.unix_nanos.saturating_add(passed)
    })
}

/// Reads the monotonic and the system clock at one instant: of several attempts the shortest counts.
pub(super) fn read_both(clocks: &impl Readings) -> (u64, u64) {
    let mut shortest = (u64::MAX, (0, 0));
    for _ in 0..ATTEMPTS {
        let before = clocks.monotonic_nanos();
        let unix_nanos = clocks.unix_nanos();
        let took = clocks.monotonic_nanos().saturating_sub(before);
        if took < shortest.0 {
            shortest = (took, (before.saturating_add(took / 2), unix_nanos));
        }
    }
    shortest.1
}

fn distance(monotonic_nanos: u64, unix_nanos: u64) -> u64 {
    match unix_nanos.wrapping_sub(monotonic_nanos) {
        // 0 stands for "not compared yet", so a true difference of 0 becomes one nanosecond.
        0 => 1,
        ahead => ahead,
    }
}

/// Marks `Start::ticks` as a reading of the monotonic clock, whose other 63 bits last for 292 years.
const MONOTONIC_BIT: u64 = 1 << 63;

const UNCERTAIN_NANOS: u64 = 500;
/// A difference beyond the uncertainty of any reading.
const STEP_NANOS: u64 = 20_000;

const ATTEMPTS: usize = 3;
