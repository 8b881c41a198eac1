use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, TryLockError};
use std::time::Duration;

use super::calibration::{Calibration, MIN_BASELINE_NANOS};
use super::monotonic::{self, Monotonic};
use super::readings::Readings;
use super::scale::Scale;
use super::seq_lock::SeqLock;
use super::source::Source;
use super::start::Start;
use super::window::Reading;

/// The span clock as a value, with its [`Readings`] as an argument, for clocks that a test moves. The
/// functions of [`clock`](super) do the same for the clocks of the machine.
///
/// ```
/// use spanwise_worker::clock::{Readings, SpanClock};
/// use std::cell::Cell;
///
/// /// No counter, and a system clock that steps one hour ahead after five readings.
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
    /// Map from counter to time; unknown while no counter is usable.
    published: SeqLock,
    /// The same scale, written after `published`: one of the two is whole while the other is being
    /// written, even if the system suspends the writer.
    spare: SeqLock,
    /// Map from counter to monotonic clock, for spans that are open when the clock disables the
    /// counter.
    counter_to_monotonic: SeqLock,
    monotonic: Monotonic,
    /// The counter at the recalibration that detected the latest step of the system clock.
    // ORDER: Relaxed. An end that races with the recalibration that detects a step may be on either
    // side of it.
    stepped_at: AtomicU64,
    /// The state of the thread that recalibrates. No thread waits for this lock: all use `try_lock`.
    recalibration: Mutex<Recalibration>,
    readings: R,
}

struct Recalibration {
    calibration: Calibration,
    count: u32,
    steady: bool,
}

impl<R: Readings> SpanClock<R> {
    /// A clock that is not calibrated yet.
    pub const fn new(readings: R) -> Self {
        SpanClock {
            published: SeqLock::new(),
            spare: SeqLock::new(),
            counter_to_monotonic: SeqLock::new(),
            monotonic: Monotonic::new(),
            stepped_at: AtomicU64::new(0),
            recalibration: Mutex::new(Recalibration {
                calibration: Calibration::new(),
                count: 0,
                steady: true,
            }),
            readings,
        }
    }

    /// The [`Readings`] of this clock.
    pub fn readings(&self) -> &R {
        &self.readings
    }

    /// As [`clock::start`](super::start).
    #[inline(always)]
    pub fn start(&self) -> Start {
        let (scale, whole) = self.published.try_read();
        if !whole || !scale.is_known() {
            return self.start_slow();
        }
        let ticks = self.readings.ticks();
        match ticks.checked_sub(scale.ticks) {
            Some(after) => {
                Start { ticks, unix_nanos: scale.unix_nanos.saturating_add(scale.nanos(after)) }
            }
            None => self.start_slow(),
        }
    }

    /// As [`clock::end`](super::end).
    #[inline(always)]
    pub fn end(&self, start: Start) -> u64 {
        let (scale, whole) = self.published.try_read();
        // One comparison detects both cases, a start without a reading and a reading of the monotonic
        // clock.
        if !whole || !scale.is_known() || start.ticks.cast_signed() <= 0 {
            return self.end_slow(start);
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
        // This reads the scale again, so that the fast path retains it in registers.
        match self.scale().filter(Scale::is_known) {
            Some(scale) => scale.end_of(start.ticks, start.unix_nanos, ticks, was_stepped),
            None => self.end_slow(start),
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
        // A step changes nothing within a millisecond of the start.
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

    /// The current time on the timeline of `start` and by the system clock, if the two differ by a step.
    ///
    /// The system may suspend the thread between two readings, which is no step. So the system clock
    /// has to differ from both readings around it.
    #[cold]
    fn step_since(&self, start: Start) -> Option<(u64, u64)> {
        for _ in 0..ATTEMPTS {
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
        let mut state = match self.recalibration.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return MAX_INTERVAL,
        };
        let state = &mut *state;
        if !state.is_steady(&self.readings) {
            return self.recalibrate_monotonic(state);
        }
        let Some(reading) = self.read_clocks() else {
            return MIN_INTERVAL;
        };
        if reading.ticks > MAX_TICKS {
            state.steady = false;
            return self.recalibrate_monotonic(state);
        }
        if self.monotonic.follow(reading.monotonic_nanos, reading.unix_nanos) {
            self.stepped_at.store(reading.ticks, Relaxed);
        }
        self.publish(state.calibration.add(reading));
        Duration::from_nanos(state.calibration.baseline_nanos()).clamp(MIN_INTERVAL, MAX_INTERVAL)
    }

    /// As [`clock::source`](super::source).
    pub fn source(&self) -> Source {
        match self.scale() {
            Some(scale) if scale.is_known() => Source::Tsc,
            _ => Source::System,
        }
    }

    /// Recalibrates without a usable counter.
    fn recalibrate_monotonic(&self, state: &mut Recalibration) -> Duration {
        if let Some(scale) = state.calibration.reset() {
            // Written first, for a reader that already sees the unknown scale.
            self.counter_to_monotonic.write(scale);
            self.publish(Scale::default());
        }
        let (monotonic_nanos, unix_nanos) = monotonic::read_both(&self.readings);
        self.monotonic.follow(monotonic_nanos, unix_nanos);
        MAX_INTERVAL
    }

    fn publish(&self, scale: Scale) {
        self.published.write(scale);
        self.spare.write(scale);
    }

    /// The latest scale, or the previous one while a writer replaces it.
    fn scale(&self) -> Option<Scale> {
        self.published.read().or_else(|| self.spare.read())
    }

    /// The slow path of `start`: the scale is unknown or being replaced, or the counter was set back.
    #[cold]
    fn start_slow(&self) -> Start {
        if let Some(scale) = self.scale().filter(Scale::is_known) {
            let ticks = self.readings.ticks();
            if scale.is_near(ticks) {
                return Start { ticks, unix_nanos: scale.unix_nanos_at(ticks) };
            }
        }
        self.monotonic.start(&self.readings)
    }

    /// The slow path of `end`: the scale is unknown or being replaced, or the start is not a reading of
    /// the counter.
    #[cold]
    fn end_slow(&self, start: Start) -> u64 {
        if let Some(end) = monotonic::end(start, &self.readings) {
            return end;
        }
        let now = || self.start().unix_nanos.max(start.unix_nanos);
        match self.scale() {
            _ if start.ticks == 0 => now(),
            Some(scale) if scale.is_known() => self.end_by(&scale, start),
            _ => match self.counter_to_monotonic.read().filter(Scale::is_known) {
                Some(to_monotonic) => {
                    let started = to_monotonic.unix_nanos_at(start.ticks);
                    let passed = self.readings.monotonic_nanos().saturating_sub(started);
                    start.unix_nanos.saturating_add(passed)
                }
                None => now(),
            },
        }
    }

    /// Reads all clocks at one instant: of several attempts the shortest counts. `None` if the system
    /// interrupted each.
    fn read_clocks(&self) -> Option<Reading> {
        let mut shortest = (MAX_TICKS_BETWEEN, None);
        for attempt in 1..=MAX_ATTEMPTS {
            let before = self.readings.ticks();
            let unix_nanos = self.readings.unix_nanos();
            let monotonic_nanos = self.readings.monotonic_nanos();
            let took = self.readings.ticks().saturating_sub(before);
            if took < shortest.0 {
                let ticks = before.saturating_add(took / 2);
                shortest = (took, Some(Reading { ticks, monotonic_nanos, unix_nanos }));
            }
            if attempt >= ATTEMPTS && shortest.1.is_some() {
                break;
            }
        }
        shortest.1
    }
}

impl Recalibration {
    /// Checks, at some of the recalibrations, whether the counter is still steady.
    fn is_steady(&mut self, readings: &impl Readings) -> bool {
        // A counter that was unsteady once stays disabled.
        if self.steady && self.count.is_multiple_of(RECALIBRATIONS_PER_CHECK) {
            self.steady = readings.ticks_are_steady();
        }
        self.count = self.count.wrapping_add(1);
        self.steady
    }
}

impl<R: Readings> fmt::Debug for SpanClock<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanClock").field("source", &self.source()).finish_non_exhaustive()
    }
}

/// A difference between the system clock and a timeline that only a step explains.
const STEP_NANOS: u64 = 1_000_000;

/// The largest age of a reading of the system clock that a caller passes as "now": its thread may have
/// waited for a processor since.
const RECENT_NANOS: u64 = 1_000_000_000;

const ATTEMPTS: usize = 5;
const MAX_ATTEMPTS: usize = 20;

/// About one or two microseconds; a reading takes a tenth of that.
const MAX_TICKS_BETWEEN: u64 = 5_000;

/// The clock disables a counter beyond this value, which could reach the bit that marks readings of the
/// monotonic clock. A counter that starts at 0 takes more than a century to reach it.
const MAX_TICKS: u64 = 1 << 62;

const MIN_INTERVAL: Duration = Duration::from_nanos(MIN_BASELINE_NANOS);
const MAX_INTERVAL: Duration = Duration::from_millis(100);

const RECALIBRATIONS_PER_CHECK: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// One tick per nanosecond, and a system clock that steps with each.
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
    fn the_clock_continues_while_a_writer_is_suspended_half_way() {
        type Field = fn(&SpanClock<Jumpy>) -> &SeqLock;
        let fields: [Field; 2] = [|clock| &clock.published, |clock| &clock.spare];
        for suspended in fields {
            let clock = SpanClock::new(Jumpy::default());
            for now in 1..=3 {
                clock.readings.0.set(now * MIN_BASELINE_NANOS);
                clock.recalibrate();
            }
            let before = clock.start();
            suspended(&clock).left_half_written();
            assert_eq!(clock.start(), before);
            assert_eq!(clock.source(), Source::Tsc);
            clock.readings.0.set(before.ticks + 7);
            assert_eq!(clock.end(before), before.unix_nanos + 7);
        }
    }
}
