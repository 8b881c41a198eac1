#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
#![forbid(unsafe_code)]

mod sampler;
mod sampler_context;

pub use sampler::OtelSampler;
