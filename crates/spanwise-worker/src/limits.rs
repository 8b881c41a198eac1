//! The accepted range of every number that this crate takes.

#[cfg(any(feature = "pool", feature = "thread"))]
use std::fmt;
#[cfg(any(feature = "pool", feature = "rate-limit", feature = "thread"))]
use std::ops::RangeInclusive;
use std::time::Duration;

/// Threads of a `WorkerPool`.
#[cfg(feature = "pool")]
pub(crate) const THREADS: RangeInclusive<usize> = 1..=4_096;
/// Tasks at a time of a `TokioPool`.
#[cfg(all(feature = "pool", feature = "task"))]
pub(crate) const TASKS: RangeInclusive<usize> = 1..=1 << 24;
/// Tasks that wait in a pool, each in 16 bytes.
#[cfg(feature = "pool")]
pub(crate) const QUEUE: RangeInclusive<usize> = 1..=1 << 24;
/// Bytes of a thread's stack. A smaller stack overflows, and ends the process, before a task runs.
#[cfg(any(feature = "pool", feature = "thread"))]
pub(crate) const STACK: RangeInclusive<usize> = 64 * 1024..=1 << 30;
/// Bytes of a thread's name; systems show fewer.
#[cfg(any(feature = "pool", feature = "thread"))]
const NAME: usize = 64;
/// Permits per second of a `RateLimiter`.
#[cfg(feature = "rate-limit")]
pub(crate) const RATE: RangeInclusive<u32> = 1..=1_000_000_000;
/// Nanoseconds in which a `RateLimiter` replenishes a burst, and nanoseconds that it counts: 146 years.
/// The sum of three such numbers still fits into governor's 64 bits.
#[cfg(feature = "rate-limit")]
pub(crate) const NANOS: RangeInclusive<u64> = 1..=u64::MAX / 4;
/// The deadline that represents "never", as in tokio: 30 years.
pub(crate) const FAR_FUTURE: Duration = Duration::from_secs(86400 * 365 * 30);

/// A number outside of its accepted range.
#[cfg(any(feature = "pool", feature = "thread"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfRange {
    pub(crate) field: &'static str,
    pub(crate) value: usize,
    pub(crate) min: usize,
    pub(crate) max: usize,
}

/// Checks that `value` is in `range`.
///
/// # Errors
/// `value` is not in `range`.
#[cfg(any(feature = "pool", feature = "thread"))]
pub(crate) fn check(
    field: &'static str,
    value: usize,
    range: RangeInclusive<usize>,
) -> Result<(), OutOfRange> {
    match range.contains(&value) {
        true => Ok(()),
        false => Err(OutOfRange { field, value, min: *range.start(), max: *range.end() }),
    }
}

#[cfg(any(feature = "pool", feature = "thread"))]
impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OutOfRange { field, value, min, max } = self;
        write!(f, "{field} is {value}; set {min} to {max}")
    }
}

#[cfg(any(feature = "pool", feature = "thread"))]
impl std::error::Error for OutOfRange {}

/// A valid thread name: without NULs and other control characters, and at most 64 bytes.
#[cfg(any(feature = "pool", feature = "thread"))]
pub(crate) fn thread_name(name: &str) -> String {
    let mut valid = String::new();
    for char in name.chars().filter(|char| !char.is_control()) {
        if valid.len() + char.len_utf8() > NAME {
            break;
        }
        valid.push(char);
    }
    valid
}
