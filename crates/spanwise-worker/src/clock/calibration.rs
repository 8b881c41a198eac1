use super::scale::Scale;
use super::window::{Reading, Window, rate_between};

/// The calibration of the counter: computes from readings how ticks map to time. Reads no clock
/// itself.
///
/// The rate comes from a window of readings that grows to some seconds and then slides, the time from
/// the latest reading. The scale corrects a small error (noise, drift) by running a little faster or
/// slower for a while, so that times do not run backwards between two recalibrations. It corrects a
/// large error (the system clock was stepped, or its slewing has changed) at once.
#[derive(Debug)]
pub(super) struct Calibration {
    scale: Scale,
    /// The measured rate, without the correction in `scale.rate`; 0 while unknown.
    rate: u64,
    window: Window,
    /// A rate that differs much from `rate` and counts once a second measurement confirms it.
    candidate: Option<u64>,
}

impl Calibration {
    pub const fn new() -> Self {
        Calibration {
            scale: Scale { ticks: 0, unix_nanos: 0, rate: 0 },
            rate: 0,
            window: Window::EMPTY,
            candidate: None,
        }
    }

    /// Adds a reading and returns the scale to use from now on.
    pub fn add(&mut self, reading: Reading) -> Scale {
        let Some(latest) = self.window.latest() else {
            return self.restart(reading);
        };
        if reading.ticks <= latest.ticks || reading.monotonic_nanos < latest.monotonic_nanos {
            // The counter was set back, because the machine slept or moved to other hardware.
            return self.restart(reading);
        }
        if reading.monotonic_nanos - latest.monotonic_nanos < MIN_BASELINE_NANOS {
            return self.scale;
        }
        let Some(recent) = rate_between(&latest, &reading) else {
            return self.restart(reading);
        };
        if self.rate != 0 && !close(recent, self.rate) {
            if self.candidate.is_none_or(|candidate| !close(recent, candidate)) {
                self.candidate = Some(recent);
                return self.restart(reading);
            }
            self.rate = recent;
            self.window = Window::EMPTY;
            self.window.push(latest);
        }
        self.candidate = None;
        self.window.push(reading);
        self.rate = self.window.rate().unwrap_or(recent);

        let error =
            i128::from(reading.unix_nanos) - i128::from(self.scale.unix_nanos_at(reading.ticks));
        if self.scale.is_known() && error.abs() <= i128::from(JUMP_NANOS) {
            // The correction spreads over several intervals, so that a late recalibration does not
            // overshoot by much.
            let interval = reading.monotonic_nanos - latest.monotonic_nanos;
            let slew = i128::from(interval.saturating_mul(SLEW_INTERVALS).max(MIN_SLEW_NANOS));
            let corrected = i128::from(self.rate) * (slew + error) / slew;
            self.scale = Scale {
                ticks: reading.ticks,
                unix_nanos: self.scale.unix_nanos_at(reading.ticks),
                rate: u64::try_from(corrected).unwrap_or(self.rate),
            };
        } else {
            // Older readings may describe a rate that has changed since.
            self.window = Window::EMPTY;
            self.window.push(latest);
            self.window.push(reading);
            self.rate = recent;
            self.jump(reading);
        }
        self.scale
    }

    /// Resets the calibration; returns the map from ticks to the monotonic clock, if it was known.
    pub fn reset(&mut self) -> Option<Scale> {
        let latest = self.window.latest();
        let Calibration { rate, .. } = std::mem::replace(self, Self::new());
        latest.filter(|_| rate != 0).map(|Reading { ticks, monotonic_nanos, .. }| Scale {
            ticks,
            unix_nanos: monotonic_nanos,
            rate,
        })
    }

    /// The length of the window in nanoseconds.
    pub fn baseline_nanos(&self) -> u64 {
        self.window.nanos()
    }

    /// Begins a new window at `reading`; the rate remains.
    fn restart(&mut self, reading: Reading) -> Scale {
        self.window = Window::EMPTY;
        self.window.push(reading);
        self.jump(reading);
        self.scale
    }

    fn jump(&mut self, reading: Reading) {
        let Reading { ticks, unix_nanos, .. } = reading;
        self.scale = Scale { ticks, unix_nanos, rate: self.rate };
    }
}

/// Whether two rates differ by at most a thousandth, more than slewing changes a clock.
fn close(one: u64, other: u64) -> bool {
    one.abs_diff(other) <= other / 1_000
}

/// A reading is uncertain by some 50 ns, so a rate over a shorter time than this is too uncertain.
pub(super) const MIN_BASELINE_NANOS: u64 = 10_000_000;

/// The scale corrects errors up to this without a jump ...
const JUMP_NANOS: u64 = 500;

/// ... within this time or, if that is longer, within this number of intervals between readings.
const MIN_SLEW_NANOS: u64 = 1_000_000_000;
const SLEW_INTERVALS: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A simulated machine whose clocks the test knows exactly.
    struct World {
        ghz: f64,
        /// How far the system's clocks are slewed, in parts per million.
        slew: f64,
        ticks: f64,
        monotonic: f64,
        /// System clock minus monotonic clock: changes when a test steps the system clock.
        offset: i64,
        random: u64,
        /// The largest error of a reading, in nanoseconds.
        noise: u64,
        calibration: Calibration,
        scale: Scale,
    }

    impl World {
        fn new(ghz: f64, slew: f64, noise: u64, seed: u64) -> Self {
            World {
                ghz,
                slew,
                ticks: 1e12,
                monotonic: 5e9,
                offset: 1_700_000_000_000_000_000,
                random: seed | 1,
                noise,
                calibration: Calibration::new(),
                scale: Scale::default(),
            }
        }

        fn pass(&mut self, nanos: u64) {
            self.monotonic += nanos as f64;
            self.ticks += nanos as f64 / (1.0 + self.slew / 1e6) * self.ghz;
        }

        fn ticks(&self) -> u64 {
            self.ticks as u64
        }

        fn unix(&self) -> u64 {
            (self.monotonic as i64 + self.offset) as u64
        }

        fn random(&mut self, below: u64) -> u64 {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            self.random % below.max(1)
        }

        fn recalibrate(&mut self) {
            let noise = self.random(2 * self.noise + 1) as f64 - self.noise as f64;
            self.scale = self.calibration.add(Reading {
                ticks: (self.ticks + noise * self.ghz) as u64,
                monotonic_nanos: self.monotonic as u64,
                unix_nanos: self.unix(),
            });
        }

        /// Advances by one interval, as long as `recalibrate` would return, with several looks at the
        /// clock, then recalibrates; returns the largest error seen.
        fn interval(&mut self) -> u64 {
            let due = self.calibration.baseline_nanos().clamp(MIN_BASELINE_NANOS, 100_000_000);
            let mut worst = 0;
            for _ in 0..4 {
                self.pass(due / 4);
                worst = worst.max(self.error());
            }
            self.recalibrate();
            worst.max(self.error())
        }

        fn run(&mut self, intervals: usize) -> u64 {
            (0..intervals).map(|_| self.interval()).max().unwrap_or(0)
        }

        fn error(&self) -> u64 {
            self.scale.unix_nanos_at(self.ticks()).abs_diff(self.unix())
        }

        fn calibrated(mut self) -> Self {
            self.recalibrate();
            assert!(!self.scale.is_known(), "one reading gives no rate");
            self.pass(MIN_BASELINE_NANOS);
            self.recalibrate();
            assert!(self.scale.is_known());
            self
        }
    }

    fn world() -> impl Strategy<Value = World> {
        (0.5..5.0f64, -400.0..400.0f64, 0u64..40, any::<u64>())
            .prop_map(|(ghz, slew, noise, seed)| World::new(ghz, slew, noise, seed).calibrated())
    }

    impl std::fmt::Debug for World {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{} GHz, slew {} ppm, noise {} ns", self.ghz, self.slew, self.noise)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_clock_is_within_a_microsecond_while_the_system_clock_runs_evenly(mut world in world()) {
            let worst = world.run(300);
            prop_assert!(worst <= 1_000, "{worst} ns off");
        }

        #[test]
        fn times_never_run_backwards_while_the_system_clock_runs_evenly(mut world in world()) {
            // The first intervals are short, and noise weighs more.
            world.run(20);
            let mut last = 0;
            for _ in 0..200 {
                world.pass(100_000_000);
                let before = world.scale.unix_nanos_at(world.ticks());
                prop_assert!(before >= last);
                world.recalibrate();
                last = world.scale.unix_nanos_at(world.ticks());
                // The reading's noise is a distance in ticks, and two rates may differ over it.
                prop_assert!(last + 1 >= before, "{} ns backwards", before - last);
            }
        }

        #[test]
        fn the_clock_follows_a_change_of_slewing(mut world in world(), slew in -400.0..400.0f64) {
            world.run(50);
            let change = (world.slew - slew).abs();
            world.slew = slew;
            // A tenth of a second at the old rate, and another at a mixture of both.
            let worst = world.run(10);
            prop_assert!(worst as f64 <= 1_200.0 + change * 100.0 * 1.1, "{worst} ns off");
            let worst = world.run(50);
            prop_assert!(worst <= 1_200, "{worst} ns off in the end");
        }

        #[test]
        fn the_clock_follows_a_step_with_the_next_reading(
            mut world in world(),
            step in prop_oneof![-10_000_000_000_000i64..10_000_000_000_000, -100_000i64..100_000],
        ) {
            world.run(50);
            world.pass(100_000_000);
            world.offset += step;
            world.recalibrate();
            let worst = world.run(50);
            prop_assert!(worst <= 1_000, "{worst} ns off");
        }

        #[test]
        fn a_step_does_not_change_the_duration_of_a_span(
            mut world in world(),
            step in -10_000_000_000_000i64..10_000_000_000_000,
            before in 0usize..30,
            after in 0usize..30,
        ) {
            world.run(10);
            let (start_ticks, monotonic) = (world.ticks(), world.monotonic as u64);
            let start = world.scale.unix_nanos_at(start_ticks);
            world.run(before);
            world.offset += step;
            world.run(after);
            let end = world.scale.end_of(start_ticks, start, world.ticks(), || false);
            let passed = world.monotonic as u64 - monotonic;
            prop_assert!(end >= start);
            prop_assert!((end - start).abs_diff(passed) <= passed / 999 + 1_000);
        }

        #[test]
        fn a_long_span_ends_by_the_system_clock(mut world in world(), slew in -400.0..400.0f64) {
            world.run(50);
            let start_ticks = world.ticks();
            let start = world.scale.unix_nanos_at(start_ticks);
            world.run(30);
            world.slew = slew;
            world.run(60);
            let end = world.scale.end_of(start_ticks, start, world.ticks(), || false);
            prop_assert!(end.abs_diff(world.unix()) <= 1_200);
        }

        #[test]
        fn a_clock_recalibrated_once_a_minute_is_exact_for_a_month(ghz in 0.5..5.0f64, seed in any::<u64>()) {
            let mut world = World::new(ghz, 20.0, 40, seed).calibrated();
            let start_ticks = world.ticks();
            let start = world.scale.unix_nanos_at(start_ticks);
            for _ in 0..30 * 24 * 60 {
                world.pass(60_000_000_000);
                world.recalibrate();
                prop_assert!(world.error() <= 1_000);
            }
            let end = world.scale.end_of(start_ticks, start, world.ticks(), || false);
            prop_assert!(end.abs_diff(world.unix()) <= 1_000);
        }

        #[test]
        fn the_clock_adopts_the_rate_of_another_counter(mut world in world(), ghz in 0.5..5.0f64) {
            world.run(50);
            // The machine moved to other hardware, whose counter has another value and another rate.
            world.ghz = ghz;
            world.ticks = 3e11;
            world.run(4);
            let worst = world.run(50);
            prop_assert!(worst <= 1_000, "{worst} ns off");
        }

        #[test]
        fn one_wrong_reading_does_not_change_the_rate(mut world in world(), wrong in 1_000_000i64..50_000_000) {
            world.run(50);
            world.pass(100_000_000);
            let rate = world.scale.rate;
            let ticks = world.ticks;
            world.ticks += wrong as f64;
            world.recalibrate();
            world.ticks = ticks;
            prop_assert!(close(world.scale.rate, rate));
            world.run(4);
            let worst = world.run(50);
            prop_assert!(worst <= 1_000, "{worst} ns off");
        }

        #[test]
        fn the_calibration_accepts_any_readings(readings in prop::collection::vec(any::<(u64, u64, u64)>(), 0..50)) {
            let mut calibration = Calibration::new();
            for (ticks, monotonic_nanos, unix_nanos) in readings {
                let scale = calibration.add(Reading { ticks, monotonic_nanos, unix_nanos });
                prop_assert!(scale.end_of(ticks, unix_nanos, ticks, || false) >= unix_nanos);
                scale.unix_nanos_at(0);
                scale.unix_nanos_at(u64::MAX);
            }
        }
    }
}
