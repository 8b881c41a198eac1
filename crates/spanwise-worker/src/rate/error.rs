use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::limits::{NANOS, RATE};

/// An invalid setting of a [`RateLimiter`](crate::RateLimiter).
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RateError {
    /// The rate is 0, or more than one per nanosecond.
    Rate {
        /// The rate that the caller passed.
        per_second: u32,
    },
    /// The period is 0, or more than 146 years.
    Period {
        /// The period that the caller passed.
        period: Duration,
    },
    /// The burst is 0, which admits nothing, or takes more than 146 years to replenish.
    Burst {
        /// The burst that the caller passed.
        burst: u32,
        /// The largest burst accepted with this period.
        max: u32,
    },
}

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RateError::Rate { per_second } => {
                let (min, max) = (RATE.start(), RATE.end());
                write!(f, "rate is {per_second} per second; set {min} to {max}")
            }
            RateError::Period { period } => {
                let (min, max) = (NANOS.start(), NANOS.end());
                let (min, max) = (Duration::from_nanos(*min), Duration::from_nanos(*max));
                write!(f, "period is {period:?}; set {min:?} to {max:?}")
            }
            RateError::Burst { burst, max } => {
                write!(f, "burst is {burst}; set 1 to {max} with this period")
            }
        }
    }
}

/// As [`Display`](fmt::Display): `main` and `unwrap` print errors with `Debug`.
impl fmt::Debug for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for RateError {}

/// A request for more permits at once than the burst, which the limiter can never grant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InsufficientCapacity {
    /// The permits that the caller requested.
    pub asked: u32,
    /// The burst: the most permits available at once.
    pub burst: u32,
}

impl fmt::Display for InsufficientCapacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InsufficientCapacity { asked, burst } = self;
        write!(f, "{asked} permits asked for at once; the burst is {burst}, take them in parts")
    }
}

/// As [`Display`](fmt::Display): `main` and `unwrap` print errors with `Debug`.
impl fmt::Debug for InsufficientCapacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for InsufficientCapacity {}
