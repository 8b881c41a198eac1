//! Numbers and the ranges that they are checked against, once, where something is built.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::BuildError;

/// A time in which something can happen. There is no longest: what is beyond the clock is never.
pub(crate) fn time(field: &'static str, time: Duration) -> Result<(), BuildError> {
    if time >= MIN_TIME {
        return Ok(());
    }
    Err(refused(field, time, "1ms or longer".to_owned()))
}

/// A number within `range`; NaN is within none.
pub(crate) fn number<N>(
    field: &'static str,
    number: N,
    range: RangeInclusive<N>,
) -> Result<(), BuildError>
where
    N: PartialOrd + fmt::Debug,
{
    if range.contains(&number) {
        return Ok(());
    }
    Err(refused(field, number, format!("{:?} to {:?}", range.start(), range.end())))
}

fn refused(field: &'static str, value: impl fmt::Debug, range: String) -> BuildError {
    // `Debug`: an `f64` shows its exponent, and not three hundred digits.
    BuildError::OutOfRange { field, value: format!("{value:?}"), range }
}

/// The runtime's timer knows nothing shorter.
const MIN_TIME: Duration = Duration::from_millis(1);
