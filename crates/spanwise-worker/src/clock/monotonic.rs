use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::{Readings, Start};

/// Time by the monotonic clock: what it says, plus how far the system clock was ahead of it when
/// the two were last compared.
#[derive(Debug)]
pub(super) struct Monotonic {
    /// System clock minus monotonic clock, wrapping; 0 before they were first compared.
    // ORDER: Relaxed throughout: one number that says all there is.
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
        Start { ticks: nanos | MARK, unix_nanos: nanos.wrapping_add(ahead) }
    }

    /// Adopts the system clock for spans that begin from now on. Returns whether it was stepped since
    /// the last time: the two clocks are slewed alike.
    pub fn follow(&self, monotonic_nanos: u64, unix_nanos: u64) -> bool {
        let ahead = distance(monotonic_nanos, unix_nanos);
        let off = ahead.wrapping_sub(self.ahead.load(Relaxed)).cast_signed();
        // Readings are uncertain: no time should run back for that.
        if off.unsigned_abs() > UNCERTAIN_NANOS {
            self.ahead.store(ahead, Relaxed);
        }
        off.unsigned_abs() > STEP_NANOS
    }

    /// The first to ask for the time decides for all.
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

/// The end of a span that [`Monotonic::start`] began; `None` for other spans.
pub(super) fn end(start: Start, clocks: &impl Readings) -> Option<u64> {
    let began = start.ticks & !MARK;
    (start.ticks & MARK != 0).then(|| {
        let passed = clocks.monotonic_nanos().saturating_sub(began);
        start.unix_nanos.saturating_add(passed)
    })
}

/// Monotonic and system clock at one instant: of several tries the one that took least.
pub(super) fn read_both(clocks: &impl Readings) -> (u64, u64) {
    let mut best = (u64::MAX, (0, 0));
    for _ in 0..TRIES {
        let before = clocks.monotonic_nanos();
        let unix_nanos = clocks.unix_nanos();
        let took = clocks.monotonic_nanos().saturating_sub(before);
        if took < best.0 {
            best = (took, (before.saturating_add(took / 2), unix_nanos));
        }
    }
    best.1
}

fn distance(monotonic_nanos: u64, unix_nanos: u64) -> u64 {
    match unix_nanos.wrapping_sub(monotonic_nanos) {
        // Means that they were not compared: a nanosecond more will do.
        0 => 1,
        ahead => ahead,
    }
}

/// In `Start::ticks`: this is the monotonic clock. Its 63 bits last for 292 years.
const MARK: u64 = 1 << 63;

const UNCERTAIN_NANOS: u64 = 500;
/// More than readings are ever uncertain by.
const STEP_NANOS: u64 = 20_000;

const TRIES: usize = 3;
