//! Accepted ranges of numbers and lengths of texts.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Takes per second of a limiter.
pub(crate) const RATE: RangeInclusive<f64> = 1e-6..=1e9;
pub(crate) const RATE_TEXT: &str = "1e-6 to 1e9 per second";
/// How often a rate is measured.
pub(crate) const PERIOD: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(3_600);
/// How often a collector is asked.
pub(crate) const POLLING: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(30 * 86_400);
pub(crate) const POLLING_MILLIS: &str = "milliseconds, 1 or more, to 2592000000 (30 days)";
pub(crate) const POLLING_SECONDS: &str = "seconds, 1 or more, to 2592000 (30 days)";
/// Bytes of an endpoint.
pub(crate) const URL_BYTES: usize = 2_048;
/// Bytes of a service's name that a collector is asked for.
pub(crate) const SERVICE_BYTES: usize = 1_024;
/// Bytes of a description that are shown.
pub(crate) const DESCRIPTION_BYTES: usize = 256;
/// Bytes of a setting that are shown when it is refused: any number, written out.
pub(crate) const SHOWN_BYTES: usize = 400;
/// Jaeger's own bound of operations per service.
pub(crate) const OPERATIONS: usize = 2_000;
/// X-Ray's rules.
pub(crate) const RULES: usize = 1_000;
/// Bytes of a pattern, a name or a key in one; X-Ray's own bounds are below. A pattern costs each
/// root up to its length times that of what it is compared with.
pub(crate) const PATTERN_BYTES: usize = 512;
pub(crate) const PATTERN_TEXT: &str = "a string of at most 512 bytes";
/// Attributes that a rule compares; X-Ray's own bound is below.
pub(crate) const RULE_ATTRIBUTES: usize = 64;
/// The time a limiter counts in, nanoseconds: 292 years. With a century's wait on top it still
/// fits into 64 bits.
pub(crate) const LAST_INSTANT: u64 = u64::MAX / 2;
