//! Polling intervals with jitter, so that the processes of a fleet do not send requests in step.

use spanwise_worker::__private::{INCREMENT, mix};
use std::time::Duration;

/// A generator of jittered waiting times, seeded by the caller.
#[derive(Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 32 random bits (SplitMix64).
    fn next_u32(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(INCREMENT);
        (mix(self.0) >> 32) as u32
    }

    /// `nanos`, plus or minus a tenth.
    pub(crate) fn around(&mut self, nanos: u64) -> u64 {
        let share = (u128::from(self.next_u32()) * u128::from(nanos / 5)) >> 32;
        (nanos - nanos / 10).saturating_add(share as u64)
    }

    /// The exponential backoff after `failures` failures in a row and one more: at most `max`
    /// nanoseconds, plus or minus a tenth.
    pub(crate) fn backoff(&mut self, failures: u32, max: u64) -> u64 {
        self.around(FIRST_RETRY.saturating_mul(1 << failures.min(10)).min(max))
    }
}

/// The backoff after the first failure, in nanoseconds.
const FIRST_RETRY: u64 = Duration::from_secs(2).as_nanos() as u64;
