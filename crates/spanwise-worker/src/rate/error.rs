use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::limits::{NANOS, RATE};

/// A rate limiter that cannot be.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RateError {
    /// 0, or more than one per nanosecond.
    Rate {
        /// What was asked for.
        per_second: u32,
    },
    /// 0, or more than 146 years.
    Period {
        /// What was asked for.
        period: Duration,
    },
    /// 0, which lets nothing through, or what takes more than 146 years to earn.
    Burst {
        /// What was asked for.
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

/// As [`Display`](fmt::Display): `main` and `unwrap` show errors by this.
impl fmt::Debug for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for RateError {}

/// More permits than the limiter ever has at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InsufficientCapacity {
    /// Permits asked for.
    pub asked: u32,
    /// The most there are at once.
    pub burst: u32,
}

impl fmt::Display for InsufficientCapacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InsufficientCapacity { asked, burst } = self;
        write!(f, "{asked} permits asked for at once; the burst is {burst}, take them in parts")
    }
}

/// As [`Display`](fmt::Display): `main` and `unwrap` show errors by this.
impl fmt::Debug for InsufficientCapacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for InsufficientCapacity {}
