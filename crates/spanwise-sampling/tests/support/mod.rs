//! A sampler context in virtual time, and parameters.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot start must fail")]

use spanwise_sampling::{Parent, Sampler, SamplerContext, SamplingParameters};
use spanwise_testkit::SplitMix64;
use spanwise_testkit::load::{Arrivals, Series};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A context whose time the test sets, with a seeded random generator.
pub struct Virtual {
    now: AtomicU64,
    random: Mutex<SplitMix64>,
}

impl Virtual {
    pub fn new() -> Self {
        Self { now: AtomicU64::new(START), random: Mutex::new(SplitMix64::new(1)) }
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
        self.random.lock().unwrap().next_u64()
    }
}

/// Drives `sampler` with roots named by `name`, at the times of `arrivals`.
pub fn drive<'n>(
    sampler: &Sampler,
    context: &Virtual,
    arrivals: Arrivals,
    mut name: impl FnMut() -> &'n str,
) -> Series {
    Series::record(arrivals, |arrival| {
        context.set_seconds(arrival.time);
        sampler.should_sample(&SamplingParameters::root(arrival.trace_id, name(), context)).sampled
    })
}

/// Asserts that `rate` is `low` to `high` times the [`TARGET`].
#[track_caller]
pub fn near(period: &str, rate: f64, low: f64, high: f64) {
    let share = rate / TARGET;
    assert!(
        (low..=high).contains(&share),
        "{period}: {share:.3} of the target, not {low} to {high}"
    );
}

/// The parameters of a child.
pub fn child<'a>(
    context: &'a Virtual,
    trace_id: u128,
    parent: Parent<'a>,
) -> SamplingParameters<'a> {
    SamplingParameters {
        parent: Some(parent),
        ..SamplingParameters::root(trace_id, "child", context)
    }
}

/// The start, a day in nanoseconds, so that clocks can be set back.
const START: u64 = 86_400_000_000_000;
/// The target of adaptive samplers, in traces per second.
pub const TARGET: f64 = 1000.0;
