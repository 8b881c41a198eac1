use std::time::SystemTime;

use super::{ClockMode, to_unix_nanos, tsc};
use crate::sys;

/// The hardware clocks that a [`SpanClock`](super::SpanClock) reads, or those of a test.
pub trait Readings {
    /// The processor's counter; 0 where there is none.
    fn ticks(&self) -> u64;

    /// Nanoseconds of a clock that never steps and never goes back, from whenever. Below 2⁶³.
    fn monotonic_nanos(&self) -> u64;

    /// The system clock: nanoseconds since 1970. May be set at any time.
    fn unix_nanos(&self) -> u64;

    /// Whether the counter may be used: it runs at one rate on all cores. Asked at some of the
    /// anchors, until it is no.
    fn ticks_are_steady(&self) -> bool;
}

/// The clocks of this machine.
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
