//! The one clock: span times at the cost of a counter read.
//!
//! Times are nanoseconds since 1970, as OTLP wants them. Where the processor has a steady counter
//! (the invariant TSC of x86-64) a time is that counter, scaled. Elsewhere, and until the first two
//! [`recalibrate`]s, it is the system's monotonic clock plus what the system clock was ahead of it when
//! the two were last compared. No duration is ever a difference of two readings of the system
//! clock.
//!
//! # When the system clock is stepped
//! - An open span keeps the timeline that it began on: its end is its start plus what has
//!   passed, by the counter or the monotonic clock it began with. A step neither stretches nor
//!   folds it. One that was begun before the counter could be used ends by the monotonic clock,
//!   whatever has happened since.
//! - Spans that begin after the next [`recalibrate`] follow the step at once; until then, for at most
//!   100 ms, they go on as before. Without anyone who calls [`recalibrate`], no step is followed.
//! - While the system clock runs evenly and [`recalibrate`] is called every 100 ms, times are within a
//!   microsecond of it.
//!
//! # When the machine sleeps
//! The next [`recalibrate`] sees it as a step: later spans have the right time. What of the sleep counts
//! into an open span is what the clock it began with counts: nothing by the monotonic clocks of
//! Linux and macOS, all of it by that of Windows. A counter counts on or begins again at 0, as the
//! processor likes; a span whose counter was set back ends at the time now, so the sleep is in it.
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
mod span_clock;
mod tsc;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use mode::ClockMode;
pub use readings::Readings;
use readings::System;
pub use span_clock::SpanClock;

/// When a span began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// What else was read then, to measure the span by: the counter; with the highest bit set,
    /// nanoseconds of the monotonic clock; 0 if nothing was.
    pub ticks: u64,
    /// The time then, in nanoseconds since 1970.
    pub unix_nanos: u64,
}

/// Where times come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The processor's time stamp counter, anchored to the system clock.
    Tsc,
    /// The system's monotonic clock, anchored to the system clock.
    System,
}

/// A span begins.
///
/// # Cost
/// One counter read, four loads and a multiplication; without a counter, one reading of the
/// monotonic clock, and at the very first of the system clock too. No lock, no system call (where
/// the system reads its clocks without), no locked instruction but at the very first.
#[inline(always)]
pub fn start() -> Start {
    CLOCK.start()
}

/// A span ends: nanoseconds since 1970, never before its start. On the timeline that the span began
/// on, so it serves as well for what happens inside a span.
///
/// A `start` with 0 `ticks` is a time from elsewhere: the end is the time now, or that.
///
/// # Cost
/// As [`start`].
#[inline(always)]
pub fn end(start: Start) -> u64 {
    CLOCK.end(start)
}

/// A span begins whose start the caller passed, in nanoseconds since 1970: a [`Start`] for
/// [`end`] and [`align`], at the time now.
///
/// Where the system clock was stepped since the last [`recalibrate`], the timeline is that of the system
/// clock: that is where the caller's time comes from.
///
/// # Cost
/// As [`start`], and a reading of the system clock where `unix_nanos` is more than a millisecond
/// away.
pub fn start_at(unix_nanos: u64) -> Start {
    CLOCK.start_at(unix_nanos)
}

/// A time that the caller passed, `unix_nanos`, on the timeline of the span that began at `start`.
///
/// The API's own spans read the system clock for every end and event, and pass that. So a time
/// from the last second of a system clock that has been stepped, by more than a millisecond, since
/// the span began is what the clock would say now without the step. All others are returned as
/// they are.
///
/// # Cost
/// A comparison within a millisecond of the start, else as [`end`]; where the two differ by more
/// than a millisecond, a reading of the system clock, too.
#[inline(always)]
pub fn align(start: Start, unix_nanos: u64) -> u64 {
    CLOCK.align(start, unix_nanos)
}

/// The time now, in nanoseconds since 1970.
///
/// # Cost
/// As [`start`].
#[inline]
pub fn unix_nanos() -> u64 {
    start().unix_nanos
}

/// Compares counter and monotonic clock with the system clock and corrects what [`start`] gives.
///
/// Returns when it wants to be called again: after 10 ms at first, then every 100 ms. May be
/// called from any thread and by several; while one is at it, others return at once. Not for
/// application threads: it reads clocks some ten times and now and then a file.
pub fn recalibrate() -> Duration {
    CLOCK.recalibrate()
}

/// Where times come from now.
pub fn source() -> Source {
    CLOCK.source()
}

/// Nanoseconds since 1970; 0 for times before, `u64::MAX` for times after the year 2554.
pub fn to_unix_nanos(time: SystemTime) -> u64 {
    let saturating = |since: Duration| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    time.duration_since(UNIX_EPOCH).map_or(0, saturating)
}

static CLOCK: SpanClock<System> = SpanClock::new(System);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_times_saturate() {
        for (time, nanos) in [
            (Some(UNIX_EPOCH), 0),
            (UNIX_EPOCH.checked_sub(Duration::from_secs(1)), 0),
            (UNIX_EPOCH.checked_add(Duration::from_nanos(1)), 1),
            (UNIX_EPOCH.checked_add(Duration::from_nanos(u64::MAX)), u64::MAX),
            (UNIX_EPOCH.checked_add(Duration::from_secs(1 << 40)), u64::MAX),
        ] {
            // A system whose clock cannot tell such times has nothing to convert.
            if let Some(time) = time {
                assert_eq!(to_unix_nanos(time), nanos);
            }
        }
    }
}
