use std::time::SystemTime;

use super::mode::ClockMode;
use super::tsc;
use super::unix_time::to_unix_nanos;
use crate::sys;

/// The hardware clocks that a [`SpanClock`](super::SpanClock) reads. A test implements it with clocks
/// that it moves.
pub trait Readings {
    /// The processor's counter; 0 where there is none.
    fn ticks(&self) -> u64;

    /// Nanoseconds of a clock that never steps and never goes back, from any origin. Below 2⁶³.
    fn monotonic_nanos(&self) -> u64;

    /// The system clock in nanoseconds since 1970. Another process may set it at any time.
    fn unix_nanos(&self) -> u64;

    /// Whether the counter may be used, because it runs at one rate on all cores. The clock calls this
    /// at some of the recalibrations, until it returns false.
    fn ticks_are_steady(&self) -> bool;
}

/// The [`Readings`] of this machine.
#[derive(Debug)]
pub(super) struct System;

impl Readings for System {
    #[inline(always)]
    fn ticks(&self) -> u64 {
        tsc::ticks()
    }

    fn monotonic_nanos(&self) -> u64 {
        sys::monotonic_nanos()
    }

    fn unix_nanos(&self) -> u64 {
        to_unix_nanos(SystemTime::now())
    }

    fn ticks_are_steady(&self) -> bool {
        ClockMode::of_the_process() == ClockMode::Auto && tsc::is_steady()
    }
}
