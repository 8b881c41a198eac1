//! The reasons why a recorder cannot be built.

use std::fmt;

/// A setting of a recorder that is out of its range.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RecorderError {
    /// The bounds of a histogram are not ascending, negative or not finite, or there are more than 64.
    Bounds {
        /// The number of bounds.
        count: usize,
        /// The first bound that is not accepted, if it is not their number.
        bound: Option<f64>,
    },
    /// The divisor is 0.
    Divisor,
    /// More than 64 shards.
    Shards {
        /// The number of shards.
        shards: usize,
    },
    /// The number of attribute sets of a family is 0 or more than 65,536.
    Series {
        /// The number of attribute sets.
        limit: usize,
    },
    /// The scale of an exponential histogram is more than 5.
    Scale {
        /// The scale.
        scale: u8,
    },
    /// The range of an exponential histogram is empty, negative or not finite.
    Range {
        /// The lower end.
        min: f64,
        /// The upper end.
        max: f64,
    },
}

impl fmt::Display for RecorderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bounds { bound: Some(bound), .. } => write!(
                f,
                "bounds: {bound} is not accepted; finite numbers from 0 on in ascending order are"
            ),
            Self::Bounds { count, bound: None } => {
                write!(f, "bounds: {count} are too many, at most 64 are accepted")
            }
            Self::Divisor => write!(f, "divisor: 0 is not accepted, at least 1 is"),
            Self::Shards { shards } => {
                write!(f, "shards: {shards} are too many, at most 64 are accepted")
            }
            Self::Series { limit } => {
                write!(f, "series: {limit} is not accepted, 1 to 65536 are")
            }
            Self::Scale { scale } => write!(f, "scale: {scale} is not accepted, 0 to 5 are"),
            Self::Range { min, max } => write!(
                f,
                "range: {min} to {max} is not accepted; finite numbers with 0 < min < max are"
            ),
        }
    }
}

impl std::error::Error for RecorderError {}
