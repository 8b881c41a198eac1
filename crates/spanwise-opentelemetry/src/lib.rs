#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod host;
mod sampler;

pub use sampler::OtelSampler;
