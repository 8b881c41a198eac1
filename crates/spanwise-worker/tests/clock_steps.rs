//! Clocks of a machine that a test moves. The oracle is the machine, which counts the time that has
//! passed and the readings of its system clock.

use std::cell::Cell;

use spanwise_worker::clock::{ClockMode, Readings, Source, SpanClock};

/// Specification of OTLP, `Span.end_time_unix_nano`: the end is expected to be at or after the
/// start; `end − start` is the duration of the operation. So a step of the system clock (POSIX,
/// `clock_settime`: affects CLOCK_REALTIME, has no effect on CLOCK_MONOTONIC) must not show in it.
#[test]
fn a_step_changes_no_duration_and_each_start_after_the_next_recalibration() {
    let mut spans = 0;
    for counter in [true, false] {
        for step in [HOUR, -HOUR] {
            for stepped in MOMENTS {
                for started in MOMENTS {
                    for ended in MOMENTS.into_iter().filter(|&ended| ended >= started) {
                        check(counter, step, stepped, started, ended);
                        spans += 1;
                    }
                }
            }
        }
    }
    assert!(spans > 8_000);
}

/// One clock: recalibrations at 2, 12, 22, … ms, one step and one span.
fn check(counter: bool, step: i64, stepped: u64, started: u64, ended: u64) {
    let clock = SpanClock::new(Machine::new(counter));
    let case = format!("counter {counter}, {step} s at {stepped}, {started} to {ended} quarter ms");
    // The difference that the latest comparison with the system clock measured, by the first
    // reading or a recalibration.
    let mut followed = None;
    let mut start = None;
    for now in 0..=MOMENTS[15] {
        let machine = clock.readings();
        if now == stepped {
            machine.step(step);
        }
        if now == started {
            let ahead = *followed.get_or_insert(machine.ahead.get());
            let begin = clock.start();
            let expected = machine.now.get().wrapping_add_signed(ahead);
            assert!(begin.unix_nanos.abs_diff(expected) <= 2, "start: {case}");
            start = Some(begin);
        }
        if now == ended {
            let Some(start) = start else { unreachable!("a span starts before it ends") };
            let end = clock.end(start);
            assert!(end >= start.unix_nanos, "backwards: {case}");
            let passed = (ended - started) * QUARTER;
            assert!((end - start.unix_nanos).abs_diff(passed) <= 2, "duration: {case}");
            return;
        }
        if now % 40 == 8 {
            clock.recalibrate();
            followed = Some(clock.readings().ahead.get());
        }
        clock.readings().pass(QUARTER);
    }
}

/// The clock does not mistake a step for drift, also a small step in a long span.
#[test]
fn a_small_step_changes_no_duration() {
    for counter in [true, false] {
        for (step_nanos, seconds) in [
            (900_000, 1),
            (-900_000, 1),
            (9_000_000, 10),
            (-50_000_000, 60),
            (-3_000_000_000, 3_600),
            (3_000_000_000, 3_600),
        ] {
            let clock = SpanClock::new(Machine::new(counter));
            for _ in 0..100 {
                clock.recalibrate();
                clock.readings().pass(100 * MILLI);
            }
            let start = clock.start();
            let (recalibrations, stepped) = (seconds * 10, seconds * 4);
            for recalibration in 0..recalibrations {
                if recalibration == stepped {
                    clock.readings().step_nanos(step_nanos);
                }
                clock.readings().pass(100 * MILLI);
                clock.recalibrate();
            }
            let lasted = clock.end(start) - start.unix_nanos;
            let off = lasted.abs_diff(recalibrations * 100 * MILLI);
            // The allowed error of the counter's rate over that duration.
            assert!(off <= 10 + lasted / 1_000_000, "{counter} {step_nanos} {seconds} s: {off} ns");
        }
    }
}

#[test]
fn the_clock_uses_a_steady_counter_from_the_second_recalibration_on() {
    for (counter, source) in [(true, Source::Tsc), (false, Source::System)] {
        let clock = SpanClock::new(Machine::new(counter));
        for _ in 0..2 {
            assert_eq!(clock.source(), Source::System);
            clock.recalibrate();
            clock.readings().pass(10 * MILLI);
        }
        assert_eq!(clock.source(), source);
        let monotonic = clock.start().ticks >> 63 == 1;
        assert_eq!(monotonic, source == Source::System);
    }
}

#[test]
fn an_open_span_ends_by_the_monotonic_clock_when_the_counter_is_disabled() {
    let clock = SpanClock::new(Machine::new(true));
    let mut open = Vec::new();
    for _ in 0..63 {
        open.push((clock.readings().now.get(), clock.start()));
        clock.recalibrate();
        clock.readings().pass(100 * MILLI);
    }
    assert_eq!(clock.source(), Source::Tsc);
    clock.readings().counter.set(false);
    clock.readings().step(HOUR);
    while clock.source() == Source::Tsc {
        open.push((clock.readings().now.get(), clock.start()));
        clock.readings().pass(100 * MILLI);
        clock.recalibrate();
    }
    // The clock must not read the counter any more.
    clock.readings().set_ticks(17);
    clock.readings().pass(MILLI);
    for (opened, start) in open {
        let passed = clock.readings().now.get() - opened;
        assert!((clock.end(start) - start.unix_nanos).abs_diff(passed) <= 100);
    }
}

/// Specification, trace API, *End*: without an end timestamp the span ends at the current time. A
/// caller that read the system clock for that passes its time, which must not change the duration.
#[test]
fn align_removes_a_step_from_a_time_that_the_caller_read() {
    const OTHER: u64 = 1_000_000_000_000;
    for counter in [true, false] {
        for step in [HOUR, -HOUR, 0] {
            let clock = SpanClock::new(Machine::new(counter));
            let machine = clock.readings();
            for _ in 0..3 {
                clock.recalibrate();
                machine.pass(10 * MILLI);
            }
            let start = clock.start();
            let given = machine.unix_nanos();
            let timeline = clock.start_at(given);
            machine.pass(50 * MILLI);
            machine.step(step);
            let now = machine.unix_nanos();
            let case = format!("counter {counter}, step {step} s");
            for (start, begin) in [(start, start.unix_nanos), (timeline, given)] {
                let passed = |time| clock.align(start, time).wrapping_sub(begin);
                assert!(passed(now).abs_diff(50 * MILLI) <= 2, "now: {case}");
                let read_earlier = passed(now - 5 * MILLI);
                assert!(read_earlier.abs_diff(45 * MILLI) <= 2, "5 ms ago: {case}");
                for other in [0, OTHER, now - 1_001 * MILLI, now + 1_001 * MILLI, u64::MAX] {
                    assert_eq!(clock.align(start, other), other, "{case}");
                }
            }
            // Before the next recalibration, a start that the caller passes is ahead of the clock.
            let given = machine.unix_nanos();
            let timeline = clock.start_at(given);
            clock.recalibrate();
            machine.pass(10 * MILLI);
            for end in [clock.end(timeline), clock.align(timeline, machine.unix_nanos())] {
                assert!((end - given).abs_diff(10 * MILLI) <= 2, "start after the step: {case}");
            }
        }
    }
}

/// Linux, clock_gettime(2): CLOCK_MONOTONIC does not count time that the system is suspended.
#[test]
fn a_span_includes_a_sleep_if_the_clock_of_its_start_counts_it() {
    const SLEPT: u64 = 3_600_000_000_000;
    for (counter, back_to, counted) in [
        (false, None, 0),
        (true, None, SLEPT),
        // A processor that restarts the counter at 0: the span ends at the current time.
        (true, Some(0), SLEPT),
    ] {
        let clock = SpanClock::new(Machine::new(counter));
        for _ in 0..5 {
            clock.readings().pass(10 * MILLI);
            clock.recalibrate();
        }
        let start = clock.start();
        clock.readings().sleep(SLEPT, back_to);
        clock.readings().pass(10 * MILLI);
        clock.recalibrate();
        let passed = clock.end(start) - start.unix_nanos;
        assert!(passed.abs_diff(counted + 10 * MILLI) <= 10_000, "{counter} {back_to:?}: {passed}");
        for _ in 0..3 {
            let start = clock.start();
            let off = start.unix_nanos.abs_diff(clock.readings().unix_nanos());
            assert!(off <= 1_000, "{counter} {back_to:?}: {off} ns off");
            clock.readings().pass(10 * MILLI);
            assert!((clock.end(start) - start.unix_nanos).abs_diff(10 * MILLI) <= 1_000);
            clock.recalibrate();
        }
    }
}

#[test]
fn the_clock_does_not_use_a_restarted_counter_before_the_next_recalibration() {
    let clock = SpanClock::new(Machine::new(true));
    for _ in 0..5 {
        clock.readings().pass(10 * MILLI);
        clock.recalibrate();
    }
    clock.readings().sleep(HOUR as u64 * 1_000_000_000, Some(0));
    let start = clock.start();
    clock.readings().pass(10 * MILLI);
    clock.recalibrate();
    assert_eq!(clock.end(start) - start.unix_nanos, 10 * MILLI);
}

#[test]
fn the_clock_accepts_any_reading() {
    for (now, ahead, ticks) in [
        (0, 0, 0),
        // A machine without a battery starts in 1970, and its two clocks are equal.
        (5_000_000_000, 0, 1),
        // Set to before 1970.
        (5_000_000_000, -5_000_000_000, 1),
        (1, i64::MAX - 1, u64::MAX - 1_000),
        (u64::MAX >> 1, 0, 1 << 62),
    ] {
        for counter in [true, false] {
            let clock = SpanClock::new(Machine::new(counter));
            let machine = clock.readings();
            machine.now.set(now);
            machine.ahead.set(ahead);
            machine.set_ticks(ticks);
            for _ in 0..4 {
                let start = clock.start();
                assert!(start.unix_nanos.abs_diff(machine.unix_nanos()) <= 1_000);
                assert_eq!(clock.end(start), start.unix_nanos, "{now} {ahead} {ticks}");
                clock.recalibrate();
            }
        }
    }
}

/// Specification of the environment variables, *Enum value*: not case-sensitive; an unknown
/// value is reported and ignored.
#[test]
fn a_mode_is_parsed_by_name_in_any_case() {
    for (name, mode) in [
        ("auto", Some(ClockMode::Auto)),
        ("monotonic", Some(ClockMode::Monotonic)),
        (" MonoTonic ", Some(ClockMode::Monotonic)),
        ("tsc", None),
        ("", None),
    ] {
        assert_eq!(ClockMode::parse(name), mode, "{name:?}");
    }
    assert_eq!(ClockMode::default(), ClockMode::Auto);
}

/// A machine of 3 GHz whose clocks a test sets.
struct Machine {
    /// The monotonic clock, in nanoseconds.
    now: Cell<u64>,
    /// The system clock minus that.
    ahead: Cell<i64>,
    ticks: Cell<u64>,
    counter: Cell<bool>,
}

impl Machine {
    fn new(counter: bool) -> Self {
        Machine {
            now: Cell::new(77_000_000_000),
            ahead: Cell::new(1_700_000_000_000_000_000),
            ticks: Cell::new(1 << 40),
            counter: Cell::new(counter),
        }
    }

    fn pass(&self, nanos: u64) {
        self.now.set(self.now.get() + nanos);
        self.ticks.set(self.ticks.get() + 3 * nanos);
    }

    /// Steps the system clock.
    fn step(&self, seconds: i64) {
        self.step_nanos(seconds * 1_000_000_000);
    }

    fn step_nanos(&self, nanos: i64) {
        self.ahead.set(self.ahead.get() + nanos);
    }

    fn sleep(&self, nanos: u64, back_to: Option<u64>) {
        self.ahead.set(self.ahead.get() + nanos as i64);
        self.ticks.set(back_to.unwrap_or(self.ticks.get() + 3 * nanos));
    }

    fn set_ticks(&self, ticks: u64) {
        self.ticks.set(ticks);
    }
}

impl Readings for Machine {
    fn ticks(&self) -> u64 {
        self.ticks.get()
    }

    fn monotonic_nanos(&self) -> u64 {
        self.now.get()
    }

    fn unix_nanos(&self) -> u64 {
        self.now.get().saturating_add_signed(self.ahead.get())
    }

    fn ticks_are_steady(&self) -> bool {
        self.counter.get()
    }
}

const MILLI: u64 = 1_000_000;
const HOUR: i64 = 3_600;
/// A quarter of a millisecond.
const QUARTER: u64 = MILLI / 4;
/// The moments of a step, a start and an end, in quarters of a millisecond: before the first
/// recalibration, between all later ones, and together with them.
const MOMENTS: [u64; 16] = [0, 1, 7, 8, 9, 30, 47, 48, 49, 70, 88, 89, 120, 128, 129, 160];
