//! Time and chance, as the process has them.

use spanwise_sampling::Host;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;
use std::time::Instant;

/// The monotonic clock, and std's hasher keys for chance.
#[derive(Debug)]
pub(crate) struct ProcessHost;

impl Host for ProcessHost {
    fn now(&self) -> u64 {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        // 584 years of nanoseconds.
        FIRST.get_or_init(Instant::now).elapsed().as_nanos() as u64
    }

    fn random(&self) -> u64 {
        // Its keys move on each time.
        RandomState::new().build_hasher().finish()
    }
}
