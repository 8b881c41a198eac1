//! [`ProcessSamplerContext`]: the time and the random numbers for samplers.

use spanwise_sampling::SamplerContext;
use spanwise_worker::__private::{INCREMENT, mix};
use spanwise_worker::{fork, random_seed};
use std::cell::Cell;
use std::sync::OnceLock;
use std::time::Instant;

/// The monotonic clock, and a random generator per thread.
#[derive(Debug)]
pub(crate) struct ProcessSamplerContext;

impl SamplerContext for ProcessSamplerContext {
    fn now(&self) -> u64 {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        // 64 bits of nanoseconds are 584 years.
        FIRST.get_or_init(Instant::now).elapsed().as_nanos() as u64
    }

    fn random(&self) -> u64 {
        // A thread whose generator is destroyed reads each number from the system.
        GENERATOR.try_with(Generator::next).unwrap_or_else(|_| random_seed())
    }
}

/// A SplitMix64 random generator.
struct Generator {
    state: Cell<u64>,
    /// The process generation that the state was seeded in: a forked child seeds its own. `None`
    /// before the first number.
    seeded: Cell<Option<u32>>,
}

impl Generator {
    fn next(&self) -> u64 {
        if self.seeded.get() != Some(fork::generation()) {
            self.seed();
        }
        let state = self.state.get().wrapping_add(INCREMENT);
        self.state.set(state);
        mix(state)
    }

    #[cold]
    fn seed(&self) {
        fork::watch();
        self.seeded.set(Some(fork::generation()));
        self.state.set(random_seed());
    }
}

thread_local! {
    static GENERATOR: Generator =
        const { Generator { state: Cell::new(0), seeded: Cell::new(None) } };
}
