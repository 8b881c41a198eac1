//! The messages of errors and reports. `main` prints an error as `Error: {error:?}`, so `Debug` has to
//! read as well as `Display`.

use std::fmt::{Debug, Display};
use std::io;
use std::time::{Duration, Instant};

use spanwise_worker::{RejectReason, ShutdownMode, WorkerPool, WorkerPoolError, catch_panic};

/// Both traits print the same line of text.
fn check(message: impl Debug + Display, line: &str) {
    assert_eq!(message.to_string(), line);
    assert_eq!(format!("{message:?}"), line);
    assert_eq!(format!("{message:#?}"), line);
}

#[test]
fn a_pool_prints_its_errors_and_reports_as_one_line() {
    for (builder, line) in [
        (WorkerPool::builder("p").with_threads(0), "threads is 0; set 1 to 4096"),
        (WorkerPool::builder("p").with_queue(0), "queue is 0; set 1 to 16777216"),
        (WorkerPool::builder("p").with_stack_size(1), "stack size is 1; set 65536 to 1073741824"),
    ] {
        assert!(builder.build().is_err_and(|error| {
            check(error, line);
            true
        }));
    }
    let error = io::Error::new(io::ErrorKind::WouldBlock, "no more threads");
    check(WorkerPoolError::Spawn(error), "a thread could not be started: no more threads");

    let Ok(pool) = WorkerPool::builder("p").with_threads(1).build() else {
        unreachable!("a pool of one thread")
    };
    let report = pool.shutdown_until(ShutdownMode::Drain, Instant::now() + Duration::from_secs(20));
    check(
        report,
        "0 tasks submitted: 0 completed, 0 panicked, 0 abandoned, 0 running, 0 queued; 0 rejected",
    );
    let rejected = pool.try_submit(|| {});
    assert!(rejected.is_err_and(|rejected| {
        check(rejected.reason, "the pool was shut down");
        check(rejected, "the task was rejected: the pool was shut down");
        true
    }));
    check(RejectReason::Full, "the queue is full");
}

#[test]
#[allow(clippy::panic, reason = "a panic is what is tested")]
fn a_caught_panic_prints_one_short_line_without_control_characters() {
    let long = "x".repeat(10_000);
    let caught = catch_panic(|| panic!("no\n\x1b[31m{long}"));
    assert!(caught.is_err_and(|panic: spanwise_worker::CaughtPanic| {
        let line = panic.to_string();
        assert!(line.starts_with("panicked: no \\u{1b}[31mxxx") && line.len() < 300, "{line}");
        check(panic, &line);
        true
    }));
}

#[test]
#[cfg(feature = "rate-limit")]
fn a_rate_limiter_prints_its_errors_as_one_line() {
    use spanwise_worker::{InsufficientCapacity, RateLimiter};

    let rate = RateLimiter::new(0, 1).map(drop);
    assert!(rate.is_err_and(|error| {
        check(error, "rate is 0 per second; set 1 to 1000000000");
        true
    }));
    let burst = RateLimiter::new(1, 0).map(drop);
    assert!(burst.is_err_and(|error| {
        let line = error.to_string();
        assert!(line.starts_with("burst is 0; set 1 to "), "{line}");
        check(error, &line);
        true
    }));
    check(
        InsufficientCapacity { asked: 7, burst: 3 },
        "7 permits asked for at once; the burst is 3, take them in parts",
    );
}
