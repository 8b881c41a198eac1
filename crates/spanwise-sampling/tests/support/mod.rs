//! A host in virtual time, and offers.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot start must fail")]

use spanwise_sampling::{Parent, Sampler, SamplerContext, SamplingParameters};
use spanwise_testkit::SplitMix64;
use spanwise_testkit::load::{Arrivals, Series};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Time is what it is set to; chance is seeded.
pub struct Virtual {
    now: AtomicU64,
    dice: Mutex<SplitMix64>,
}

impl Virtual {
    pub fn new() -> Self {
        Self { now: AtomicU64::new(START), dice: Mutex::new(SplitMix64::new(1)) }
    }

    pub fn set_seconds(&self, seconds: f64) {
        self.now.store(START.saturating_add_signed((seconds * 1e9) as i64), Relaxed);
    }

    pub fn set_nanos(&self, nanos: u64) {
        self.now.store(nanos, Relaxed);
    }
}

impl SamplerContext for Virtual {
    fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    fn random(&self) -> u64 {
        self.dice.lock().unwrap().next_u64()
    }
}

/// Drives `sampler` with roots named by `name`; the host's clock follows them.
pub fn drive<'n>(
    sampler: &Sampler,
    host: &Virtual,
    arrivals: Arrivals,
    mut name: impl FnMut() -> &'n str,
) -> Series {
    Series::record(arrivals, |arrival| {
        host.set_seconds(arrival.time);
        sampler.should_sample(&SamplingParameters::root(arrival.trace_id, name(), host)).sampled
    })
}

/// A child's params.
pub fn child<'a>(host: &'a Virtual, trace_id: u128, parent: Parent<'a>) -> SamplingParameters<'a> {
    SamplingParameters { parent: Some(parent), ..SamplingParameters::root(trace_id, "child", host) }
}

/// A day, so that clocks can be set back.
const START: u64 = 86_400_000_000_000;
