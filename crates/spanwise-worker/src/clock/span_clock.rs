use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, TryLockError};
use std::time::Duration;

use super::calibration::{Calibration, MIN_BASELINE_NANOS, Reading};
use super::monotonic::{self, Monotonic};
use super::scale::Scale;
use super::seq_lock::SeqLock;
use super::{Readings, Source, Start};

/// The clock as a value, with the clocks it reads as an argument: what the functions of
/// [`clock`](super) do for the machine's own, for clocks that a test moves.
///
/// ```
/// use spanwise_worker::clock::{Readings, SpanClock};
/// use std::cell::Cell;
///
/// /// No counter, and a system clock that is one hour ahead from the second reading on.
/// #[derive(Default)]
/// struct Stepped(Cell<u64>);
///
/// impl Readings for Stepped {
///     fn ticks(&self) -> u64 { 0 }
///     fn monotonic_nanos(&self) -> u64 { self.0.replace(self.0.get() + 1) }
///     fn unix_nanos(&self) -> u64 { if self.0.get() < 5 { 1 } else { 3_600_000_000_000 } }
///     fn ticks_are_steady(&self) -> bool { false }
/// }
///
/// let clock = SpanClock::new(Stepped::default());
/// let start = clock.start();
/// assert!(clock.end(start) - start.unix_nanos < 100);
/// ```
pub struct SpanClock<R> {
    /// Counter to time; not known while there is no counter to be used.
    published: SeqLock,
    /// The same, written after it: whole while the other is being written, however long that
    /// takes, and the other way round.
    spare: SeqLock,
    /// Counter to monotonic clock, for spans that are open when the counter is given up.
    given_up: SeqLock,
    monotonic: Monotonic,
    /// The counter when a step of the system clock was noticed last.
    // ORDER: Relaxed. An end that races with the anchor that notices a step is on either side of it.
    stepped_at: AtomicU64,
    /// Writer's side. Only ever try-locked.
    keeper: Mutex<Keeper>,
    readings: R,
}

struct Keeper {
    calibration: Calibration,
    anchors: u32,
    steady: bool,
}

impl<R: Readings> SpanClock<R> {
    /// A clock that has never been anchored.
    pub const fn new(readings: R) -> Self {
        SpanClock {
            published: SeqLock::new(),
            spare: SeqLock::new(),
            given_up: SeqLock::new(),
            monotonic: Monotonic::new(),
            stepped_at: AtomicU64::new(0),
            keeper: Mutex::new(Keeper {
                calibration: Calibration::new(),
                anchors: 0,
                steady: true,
            }),
            readings,
        }
    }

    /// What it reads.
    pub fn readings(&self) -> &R {
        &self.readings
    }

    /// As [`clock::start`](super::start).
    #[inline(always)]
    pub fn start(&self) -> Start {
        let (scale, whole) = self.published.try_read();
        if !whole || !scale.is_known() {
            return self.start_otherwise();
        }
        let ticks = self.readings.ticks();
        match ticks.checked_sub(scale.ticks) {
            Some(after) => {
                Start { ticks, unix_nanos: scale.unix_nanos.saturating_add(scale.nanos(after)) }
            }
            None => self.start_otherwise(),
        }
    }

    /// As [`clock::end`](super::end).
    #[inline(always)]
    pub fn end(&self, start: Start) -> u64 {
        let (scale, whole) = self.published.try_read();
        // One comparison for both: no counter was read, or the monotonic clock was.
        if !whole || !scale.is_known() || start.ticks.cast_signed() <= 0 {
            return self.end_otherwise(start);
        }
        self.end_by(&scale, start)
    }

    #[inline(always)]
    fn end_by(&self, scale: &Scale, start: Start) -> u64 {
        let ticks = self.readings.ticks();
        match scale.end_of_short(start.ticks, start.unix_nanos, ticks) {
            Some(end) => end,
            None => self.end_of_long(start, ticks),
        }
    }

    #[cold]
    #[inline(never)]
    fn end_of_long(&self, start: Start, ticks: u64) -> u64 {
        let was_stepped = || start.ticks < self.stepped_at.load(Relaxed);
        // Read again, so that the short way keeps it in registers.
        match self.scale().filter(Scale::is_known) {
            Some(scale) => scale.end_of(start.ticks, start.unix_nanos, ticks, was_stepped),
            None => self.end_otherwise(start),
        }
    }

    /// As [`clock::start_at`](super::start_at).
    pub fn start_at(&self, unix_nanos: u64) -> Start {
        let mut timeline = self.start();
        if timeline.unix_nanos.abs_diff(unix_nanos) > STEP_NANOS
            && let Some((_, system)) = self.step_since(timeline)
        {
            timeline.unix_nanos = system;
        }
        timeline
    }

    /// As [`clock::align`](super::align).
    #[inline(always)]
    pub fn align(&self, start: Start, unix_nanos: u64) -> u64 {
        // A step can only matter for a span that has lasted.
        if unix_nanos.wrapping_sub(start.unix_nanos) <= STEP_NANOS {
            return unix_nanos;
        }
        self.align_far(start, unix_nanos)
    }

    #[inline(never)]
    fn align_far(&self, start: Start, unix_nanos: u64) -> u64 {
        let now = self.end(start);
        if unix_nanos.abs_diff(now) <= STEP_NANOS {
            return unix_nanos;
        }
        match self.step_since(start) {
            Some((now, system)) if unix_nanos.abs_diff(system) <= RECENT_NANOS => {
                now.saturating_add(unix_nanos).saturating_sub(system)
            }
            _ => unix_nanos,
        }
    }

    /// The time now on the timeline of `start` and by the system clock, if the two differ by a step.
    ///
    /// The thread may lose its processor between two readings, which is no step: the system clock
    /// must be off both readings around it.
    #[cold]
    fn step_since(&self, start: Start) -> Option<(u64, u64)> {
        for _ in 0..TRIES {
            let before = self.end(start);
            let system = self.readings.unix_nanos();
            let now = self.end(start);
            if now.abs_diff(before) <= STEP_NANOS / 2 {
                return (system.abs_diff(now) > STEP_NANOS).then_some((now, system));
            }
        }
        None
    }

    /// As [`clock::recalibrate`](super::recalibrate).
    pub fn recalibrate(&self) -> Duration {
        let mut keeper = match self.keeper.try_lock() {
            Ok(keeper) => keeper,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return RARELY,
        };
        let keeper = &mut *keeper;
        if !keeper.is_steady(&self.readings) {
            return self.anchor_monotonic(keeper);
        }
        let Some(reading) = self.read_clocks() else {
            return SOON;
        };
        if reading.ticks > MAX_TICKS {
            keeper.steady = false;
            return self.anchor_monotonic(keeper);
        }
        if self.monotonic.follow(reading.monotonic_nanos, reading.unix_nanos) {
            self.stepped_at.store(reading.ticks, Relaxed);
        }
        self.publish(keeper.calibration.add(reading));
        Duration::from_nanos(keeper.calibration.baseline_nanos()).clamp(SOON, RARELY)
    }

    /// As [`clock::source`](super::source).
    pub fn source(&self) -> Source {
        match self.scale() {
            Some(scale) if scale.is_known() => Source::Tsc,
            _ => Source::System,
        }
    }

    /// There is no counter to be used.
    fn anchor_monotonic(&self, keeper: &mut Keeper) -> Duration {
        if let Some(scale) = keeper.calibration.give_up() {
            // First, for who sees the next.
            self.given_up.write(scale);
            self.publish(Scale::default());
        }
        let (monotonic_nanos, unix_nanos) = monotonic::read_both(&self.readings);
        self.monotonic.follow(monotonic_nanos, unix_nanos);
        RARELY
    }

    fn publish(&self, scale: Scale) {
        self.published.write(scale);
        self.spare.write(scale);
    }

    /// The latest scale, or the one before while that is being replaced.
    fn scale(&self) -> Option<Scale> {
        self.published.read().or_else(|| self.spare.read())
    }

    /// There is no scale, it is being replaced, or the counter is not where it was.
    #[cold]
    fn start_otherwise(&self) -> Start {
        if let Some(scale) = self.scale().filter(Scale::is_known) {
            let ticks = self.readings.ticks();
            if scale.is_near(ticks) {
                return Start { ticks, unix_nanos: scale.unix_nanos_at(ticks) };
            }
        }
        self.monotonic.start(&self.readings)
    }

    #[cold]
    fn end_otherwise(&self, start: Start) -> u64 {
        if let Some(end) = monotonic::end(start, &self.readings) {
            return end;
        }
        let now = || self.start().unix_nanos.max(start.unix_nanos);
        match self.scale() {
            _ if start.ticks == 0 => now(),
            Some(scale) if scale.is_known() => self.end_by(&scale, start),
            _ => match self.given_up.read().filter(Scale::is_known) {
                Some(to_monotonic) => {
                    let began = to_monotonic.unix_nanos_at(start.ticks);
                    let passed = self.readings.monotonic_nanos().saturating_sub(began);
                    start.unix_nanos.saturating_add(passed)
                }
                None => now(),
            },
        }
    }

    /// All clocks at one instant: of several tries the one that took least. `None` if each was
    /// interrupted.
    fn read_clocks(&self) -> Option<Reading> {
        let mut best = (MAX_TICKS_BETWEEN, None);
        for tries in 1..=MAX_TRIES {
            let before = self.readings.ticks();
            let unix_nanos = self.readings.unix_nanos();
            let monotonic_nanos = self.readings.monotonic_nanos();
            let took = self.readings.ticks().saturating_sub(before);
            if took < best.0 {
                let ticks = before.saturating_add(took / 2);
                best = (took, Some(Reading { ticks, monotonic_nanos, unix_nanos }));
            }
            if tries >= TRIES && best.1.is_some() {
                break;
            }
        }
        best.1
    }
}

impl Keeper {
    /// Looks now and then whether the counter can still be trusted.
    fn is_steady(&mut self, readings: &impl Readings) -> bool {
        // For good: a counter found unsteady once is not worth another try.
        if self.steady && self.anchors.is_multiple_of(ANCHORS_PER_LOOK) {
            self.steady = readings.ticks_are_steady();
        }
        self.anchors = self.anchors.wrapping_add(1);
        self.steady
    }
}

impl<R: Readings> fmt::Debug for SpanClock<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanClock").field("source", &self.source()).finish_non_exhaustive()
    }
}

/// More than the system clock and a timeline differ by without a step.
const STEP_NANOS: u64 = 1_000_000;

/// How long ago a caller who means "now" can have read the system clock: its thread may have waited
/// for a processor since.
const RECENT_NANOS: u64 = 1_000_000_000;

const TRIES: usize = 5;
const MAX_TRIES: usize = 20;

/// About a microsecond or two; a reading takes a tenth of that.
const MAX_TICKS_BETWEEN: u64 = 5_000;

/// A counter beyond this could reach the bit that marks readings of the monotonic clock: it is not
/// used. From 0 it takes a century and more to get there.
const MAX_TICKS: u64 = 1 << 62;

const SOON: Duration = Duration::from_nanos(MIN_BASELINE_NANOS);
const RARELY: Duration = Duration::from_millis(100);

const ANCHORS_PER_LOOK: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// One tick a nanosecond; the system clock jumps about.
    #[derive(Default)]
    struct Jumpy(Cell<u64>);

    impl Readings for Jumpy {
        fn ticks(&self) -> u64 {
            self.0.get()
        }

        fn monotonic_nanos(&self) -> u64 {
            self.0.get()
        }

        fn unix_nanos(&self) -> u64 {
            self.0.get().wrapping_mul(1_000)
        }

        fn ticks_are_steady(&self) -> bool {
            true
        }
    }

    #[test]
    fn times_go_on_while_a_writer_is_stuck() {
        type Which = fn(&SpanClock<Jumpy>) -> &SeqLock;
        let both: [Which; 2] = [|clock| &clock.published, |clock| &clock.spare];
        for stuck in both {
            let clock = SpanClock::new(Jumpy::default());
            for now in 1..=3 {
                clock.readings.0.set(now * MIN_BASELINE_NANOS);
                clock.recalibrate();
            }
            let before = clock.start();
            stuck(&clock).left_half_written();
            assert_eq!(clock.start(), before);
            assert_eq!(clock.source(), Source::Tsc);
            clock.readings.0.set(before.ticks + 7);
            assert_eq!(clock.end(before), before.unix_nanos + 7);
        }
    }
}
