//! Accepted ranges of numbers and lengths of texts.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The rates of a limiter, in permits per second.
pub(crate) const RATE: RangeInclusive<f64> = 1e-6..=1e9;
pub(crate) const RATE_TEXT: &str = "1e-6 to 1e9 per second";
/// The periods over which a rate is measured.
pub(crate) const PERIOD: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(3_600);
/// The polling intervals of a remote sampler.
#[cfg(any(feature = "jaeger", feature = "xray"))]
pub(crate) const POLLING: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(30 * 86_400);
/// The maximum length of a rejected setting in an error, in bytes: any number fits.
pub(crate) const SHOWN_BYTES: usize = 400;
/// The last instant of a limiter's time, in nanoseconds: 292 years. With a century's wait added it
/// still fits 64 bits.
pub(crate) const LAST_INSTANT: u64 = u64::MAX / 2;
