//! [`SamplerContext`](SamplerContext): the time and the randomness that samplers ask for.

use super::ids;
use spanwise_sampling::SamplerContext;
use spanwise_worker::{clock, fork};

/// The clock that spans are timed by, and the generator of their ids.
#[derive(Debug)]
pub(crate) struct SdkSamplerContext;

impl SamplerContext for SdkSamplerContext {
    fn now(&self) -> u64 {
        clock::unix_nanos()
    }

    fn random(&self) -> u64 {
        ids::span_id(fork::generation())
    }
}
