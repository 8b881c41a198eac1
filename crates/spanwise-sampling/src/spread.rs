//! When to ask again: spread, so that a fleet does not ask in step.

use std::time::Duration;

/// Waits with some chance in them, by a seed.
#[derive(Debug)]
pub(crate) struct Spread(u64);

impl Spread {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 32 bits: SplitMix64's step and the high half of its mix. Plenty for spreading requests.
    pub(crate) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        ((self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32) as u32
    }

    /// `nanos`, give or take a tenth.
    pub(crate) fn around(&mut self, nanos: u64) -> u64 {
        let share = (u128::from(self.next()) * u128::from(nanos / 5)) >> 32;
        (nanos - nanos / 10).saturating_add(share as u64)
    }

    /// The wait after one more than `failures` in a row: longer each time, `most` nanoseconds at
    /// the most, give or take a tenth.
    pub(crate) fn after(&mut self, failures: u32, most: u64) -> u64 {
        self.around(FIRST_RETRY.saturating_mul(1 << failures.min(10)).min(most))
    }
}

/// The wait after the first failure, in nanoseconds.
const FIRST_RETRY: u64 = Duration::from_secs(2).as_nanos() as u64;
