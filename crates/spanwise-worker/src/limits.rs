//! Accepted ranges of every number this crate takes.

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
/// Tasks that wait in a pool: each takes 16 bytes once it does.
#[cfg(feature = "pool")]
pub(crate) const QUEUE: RangeInclusive<usize> = 1..=1 << 24;
/// Bytes of a thread's stack. Threads with less end the process before they run anything of use.
#[cfg(any(feature = "pool", feature = "thread"))]
pub(crate) const STACK: RangeInclusive<usize> = 64 * 1024..=1 << 30;
/// Bytes of a thread's name that are kept; systems show fewer.
#[cfg(any(feature = "pool", feature = "thread"))]
const NAME: usize = 64;
/// Permits per second of a `RateLimiter`.
#[cfg(feature = "rate-limit")]
pub(crate) const RATE: RangeInclusive<u32> = 1..=1_000_000_000;
/// Time a `RateLimiter` takes to earn a burst, and the time it counts, in nanoseconds: 146 years.
/// Sums of three of them still fit into the 64 bits that governor counts in.
#[cfg(feature = "rate-limit")]
pub(crate) const NANOS: RangeInclusive<u64> = 1..=u64::MAX / 4;
/// "Never", as tokio takes it: 30 years.
pub(crate) const FAR_FUTURE: Duration = Duration::from_secs(86400 * 365 * 30);

/// A number outside of its range.
#[cfg(any(feature = "pool", feature = "thread"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outside {
    pub(crate) field: &'static str,
    pub(crate) value: usize,
    pub(crate) min: usize,
    pub(crate) max: usize,
}

/// # Errors
/// `value` is not in `range`.
#[cfg(any(feature = "pool", feature = "thread"))]
pub(crate) fn check(
    field: &'static str,
    value: usize,
    range: RangeInclusive<usize>,
) -> Result<(), Outside> {
    match range.contains(&value) {
        true => Ok(()),
        false => Err(Outside { field, value, min: *range.start(), max: *range.end() }),
    }
}

#[cfg(any(feature = "pool", feature = "thread"))]
impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outside { field, value, min, max } = self;
        write!(f, "{field} is {value}; set {min} to {max}")
    }
}

#[cfg(any(feature = "pool", feature = "thread"))]
impl std::error::Error for Outside {}

/// A name that a thread can have: without NULs and what else does not belong into a line of text.
#[cfg(any(feature = "pool", feature = "thread"))]
pub(crate) fn thread_name(name: &str) -> String {
    let mut kept = String::new();
    for char in name.chars().filter(|char| !char.is_control()) {
        if kept.len() + char.len_utf8() > NAME {
            break;
        }
        kept.push(char);
    }
    kept
}
