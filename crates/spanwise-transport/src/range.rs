//! Range checks of settings, made once by a builder.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::BuildError;

/// Checks a timeout or wait: 1 ms or longer, without an upper limit.
pub(crate) fn time(field: &'static str, time: Duration) -> Result<(), BuildError> {
    if time >= MIN_TIME {
        return Ok(());
    }
    Err(refused(field, time, "1ms or longer".to_owned()))
}

/// Checks a time of 1 ms to `max`.
pub(crate) fn time_to(
    field: &'static str,
    time: Duration,
    max: Duration,
) -> Result<(), BuildError> {
    number(field, time, MIN_TIME..=max)
}

/// Checks that `range` contains `number`; no range contains NaN.
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
    // `Debug` prints an `f64` with its exponent instead of three hundred digits.
    BuildError::OutOfRange { field, value: format!("{value:?}"), range }
}

/// The resolution of tokio's timer.
const MIN_TIME: Duration = Duration::from_millis(1);
