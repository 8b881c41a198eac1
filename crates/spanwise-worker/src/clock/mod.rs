//! The span clock: timestamps in nanoseconds since 1970 (`start_time_unix_nano` and
//! `end_time_unix_nano` of OTLP) at the cost of a counter read.
//!
//! Where the processor has a steady counter (the invariant TSC of x86-64), the clock scales that
//! counter to a time. Elsewhere, and until the first two calls of [`recalibrate`], it adds to the
//! system's monotonic clock the difference to the system clock that the latest comparison of the two
//! measured. No duration is ever a difference of two readings of the system clock.
//!
//! # When the system clock is stepped
//! - An open span keeps the timeline of its start: its end is its start plus the time that has
//!   passed by the clock it started with, the counter or the monotonic clock. A step neither
//!   stretches nor shortens it. A span that started before the counter was usable ends by the
//!   monotonic clock, also when the counter has become usable since.
//! - Spans that start after the next [`recalibrate`] follow the step at once; until then, for at most
//!   100 ms, they continue the old timeline. If no thread calls [`recalibrate`], the clock follows no
//!   step.
//! - While the system clock runs evenly and a thread calls [`recalibrate`] every 100 ms, times are
//!   within a microsecond of the system clock.
//!
//! # When the machine sleeps
//! The next [`recalibrate`] detects the sleep as a step: later spans have the right time. An open span
//! includes as much of the sleep as the clock it started with counts: none of it by the monotonic
//! clocks of Linux and macOS, all of it by that of Windows. A counter either continues or restarts at
//! 0, depending on the processor; a span whose counter was set back ends at the current time, so it
//! includes the sleep.
//!
//! # Settings
//! The environment variable `SPANWISE_CLOCK`, read once, at the first [`recalibrate`]: see
//! [`ClockMode`].

mod calibration;
mod mode;
mod monotonic;
mod readings;
mod scale;
mod seq_lock;
mod source;
mod span_clock;
mod start;
mod tsc;
mod unix_time;
mod window;

use std::time::Duration;

pub use mode::ClockMode;
pub use readings::Readings;
use readings::System;
pub use source::Source;
pub use span_clock::SpanClock;
pub use start::Start;
pub use unix_time::to_unix_nanos;

/// Reads the start time of a span.
///
/// # Cost
/// One counter read, four loads and a multiplication; without a counter, one reading of the
/// monotonic clock, and the first call of the process reads the system clock too. No lock, no system
/// call (where the system reads its clocks without one), and no locked instruction except in that
/// first call.
#[inline(always)]
pub fn start() -> Start {
    CLOCK.start()
}

/// Reads the end time of a span: nanoseconds since 1970, never before its start. The time is on the
/// timeline of the span's start, so this function also serves for events inside a span.
///
/// A `start` with 0 `ticks` is a time of another source: the end is the current time or, if that is
/// later, the start.
///
/// # Cost
/// As [`start`].
#[inline(always)]
pub fn end(start: Start) -> u64 {
    CLOCK.end(start)
}

/// Makes a [`Start`] for a span whose start time, `unix_nanos` since 1970, the caller passed. The
/// result is for [`end`] and [`align`], and is the current time.
///
/// If the system clock was stepped since the last [`recalibrate`], the timeline is that of the system
/// clock, because the caller read its time there.
///
/// # Cost
/// As [`start`], and a reading of the system clock if `unix_nanos` is more than a millisecond
/// away.
pub fn start_at(unix_nanos: u64) -> Start {
    CLOCK.start_at(unix_nanos)
}

/// Converts a timestamp that the caller passed, `unix_nanos`, to the timeline of the span that started
/// at `start`.
///
/// The API's own spans read the system clock for every end and event, and pass that time. So this
/// function corrects a time within the last second of a system clock that was stepped, by more than a
/// millisecond, since the span started: the result is that time without the step. It returns all other
/// times unchanged.
///
/// # Cost
/// A comparison within a millisecond of the start, else as [`end`]; if the two differ by more
/// than a millisecond, a reading of the system clock, too.
#[inline(always)]
pub fn align(start: Start, unix_nanos: u64) -> u64 {
    CLOCK.align(start, unix_nanos)
}

/// Reads the current time, in nanoseconds since 1970.
///
/// # Cost
/// As [`start`].
#[inline]
pub fn unix_nanos() -> u64 {
    start().unix_nanos
}

/// Reads the CPU time of the calling thread: the time for which it has run. `None` if the system does not measure it.
///
/// # Cost
/// One system call.
pub fn thread_cpu_time() -> Option<Duration> {
    crate::sys::thread_cpu_nanos().map(Duration::from_nanos)
}

/// Compares the counter and the monotonic clock with the system clock, and corrects the times that
/// [`start`] returns.
///
/// Returns the `Duration` until the next call is due: 10 ms at first, then 100 ms. Any thread, and
/// several threads, may call it; while one of them is inside, the others return at once. Not for
/// application threads: it reads clocks some ten times and, at some of the calls, a file.
pub fn recalibrate() -> Duration {
    CLOCK.recalibrate()
}

/// The hardware clock that times are read from now.
pub fn source() -> Source {
    CLOCK.source()
}

static CLOCK: SpanClock<System> = SpanClock::new(System);
