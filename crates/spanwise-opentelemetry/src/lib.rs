#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
#![forbid(unsafe_code)]

mod host;
mod sampler;

pub use sampler::OtelSampler;
