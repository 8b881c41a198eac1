//! Time and chance for samplers.

use crate::ids;
use spanwise_sampling::SamplerContext;
use spanwise_worker::{clock, fork};

/// The clock that spans are timed by, and the generator their ids come from.
#[derive(Debug)]
pub(crate) struct SdkHost;

impl SamplerContext for SdkHost {
    fn now(&self) -> u64 {
        clock::unix_nanos()
    }

    fn random(&self) -> u64 {
        ids::span_id(fork::generation())
    }
}
