use std::error::Error;
use std::fmt;

/// A rate limiter that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RateError {
    /// 0, or more than one per nanosecond.
    Rate {
        /// What was asked for.
        per_second: u32,
    },
    /// A period of 0.
    Period,
    /// A burst of 0 lets nothing through.
    Burst,
}

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RateError::Rate { per_second } => {
                write!(f, "rate is {per_second} per second; set 1 to 1000000000")
            }
            RateError::Period => f.write_str("period is 0; set at least a nanosecond"),
            RateError::Burst => f.write_str("burst is 0; set at least 1"),
        }
    }
}

impl Error for RateError {}

/// More permits than the limiter ever has at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// Permits asked for.
    pub asked: u32,
    /// The most there are at once.
    pub burst: u32,
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooMany { asked, burst } = self;
        write!(f, "{asked} permits asked for at once; the burst is {burst}, take them in parts")
    }
}

impl Error for TooMany {}
