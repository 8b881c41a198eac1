//! Numbers.

use std::fmt;

/// The value of a point: OTLP's `as_int` or `as_double`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Number {
    /// An integer.
    I64(i64),
    /// A double.
    F64(f64),
}

impl Number {
    /// The number as a double; integers beyond 2⁵³ are rounded.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::I64(value) => value as f64,
            Self::F64(value) => value,
        }
    }

    /// The number, if it is an integer that is not negative.
    pub fn as_u64(self) -> Option<u64> {
        match self {
            Self::I64(value) => value.try_into().ok(),
            Self::F64(_) => None,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I64(value) => value.fmt(f),
            Self::F64(value) => value.fmt(f),
        }
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::I64(value)
    }
}

/// OTLP has signed integers only: a number beyond [`i64::MAX`] becomes `i64::MAX`.
impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::I64(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::F64(value)
    }
}
