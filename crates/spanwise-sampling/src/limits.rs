//! Accepted ranges of numbers and lengths of texts.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Takes per second of a limiter.
pub(crate) const RATE: RangeInclusive<f64> = 1e-6..=1e9;
pub(crate) const RATE_TEXT: &str = "1e-6 to 1e9 per second";
/// How often a rate is measured.
pub(crate) const PERIOD: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(3_600);
/// Bytes of a description that are shown.
pub(crate) const DESCRIPTION_BYTES: usize = 256;
/// Bytes of a setting that are shown when it is refused: any number, written out.
pub(crate) const SHOWN_BYTES: usize = 400;
/// The time a limiter counts in, nanoseconds: 292 years. With a century's wait on top it still
/// fits into 64 bits.
pub(crate) const LAST_INSTANT: u64 = u64::MAX / 2;
/// How often a collector is asked.
#[cfg(any(feature = "jaeger", feature = "xray"))]
pub(crate) const POLLING: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(30 * 86_400);
