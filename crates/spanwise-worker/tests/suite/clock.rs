//! The clock of this process against the system's. One test, because a process has one clock and it
//! starts uncalibrated.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use spanwise_worker::clock::{self, Source};

#[test]
fn a_clock_agrees_with_the_system_before_and_after_its_calibration() {
    assert_eq!(clock::source(), Source::System);
    let before_calibration = clock::start();
    assert_eq!(
        before_calibration.ticks >> 63,
        1,
        "an application thread does not check for a counter"
    );
    assert!(clock::end(before_calibration) >= before_calibration.unix_nanos);

    clock::recalibrate();
    let uncalibrated = clock::start();
    let (system, monotonic) = (system(), Instant::now());
    assert!(system - uncalibrated.unix_nanos < 1_000_000_000);

    let running = AtomicBool::new(true);
    let error = thread::scope(|scope| {
        let spans = scope.spawn(|| spans_while(&running));
        let errors = scope.spawn(|| typical_error_while(&running));
        recalibrate_for(Duration::from_millis(1_000));
        running.store(false, Ordering::Relaxed);
        assert!(spans.join().unwrap() > 0);
        errors.join().unwrap()
    });
    assert!(error <= 1_000, "{error} ns from the system clock");

    // Spans that started at an earlier stage end after the time that passed.
    for start in [before_calibration, uncalibrated] {
        let passed = clock::end(start) - start.unix_nanos;
        let real = monotonic.elapsed().as_nanos() as u64;
        assert!(passed.abs_diff(real) < 50_000_000, "{passed} ns of {real} ns");
    }
}

/// Recalibrates as the worker does.
fn recalibrate_for(time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        thread::sleep(clock::recalibrate());
    }
}

fn spans_while(running: &AtomicBool) -> u64 {
    let mut spans = 0;
    while running.load(Ordering::Relaxed) {
        let started = Instant::now();
        let start = clock::start();
        let end = clock::end(start);
        let at_most = started.elapsed().as_nanos() as u64;
        assert!(end >= start.unix_nanos, "a span of negative length");
        assert!(end - start.unix_nanos <= at_most + at_most / 100 + 1_000);
        spans += 1;
    }
    spans
}

/// The largest difference to the system clock in 19 of 20 readings. (The others allow for a system clock
/// that is stepped or slewed just then.)
fn typical_error_while(running: &AtomicBool) -> u64 {
    let mut errors = Vec::new();
    while running.load(Ordering::Relaxed) {
        let before = system();
        let time = clock::unix_nanos();
        let after = system();
        errors.push(before.saturating_sub(time).max(time.saturating_sub(after)));
        thread::yield_now();
    }
    errors.sort_unstable();
    errors[errors.len() * 19 / 20]
}

fn system() -> u64 {
    clock::to_unix_nanos(SystemTime::now())
}
