//! [`SdkSamplerContext`]: the time and the random numbers for samplers.

use super::ids;
use spanwise_sampling::SamplerContext;
use spanwise_worker::{clock, fork};

/// The span clock, and the random generator of span ids.
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
