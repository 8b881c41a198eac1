//! The Collector's processor `probabilistic_sampler`: a percentage of traces, span by span and without a state.
//!
//! `config` the settings, `mode` the decisions about one span, `counts` their account, `sampler` requests in and out.

mod config;
mod counts;
mod mode;
mod sampler;

pub use config::{ProbabilisticSamplerConfig, ProbabilisticSamplerError, SamplerMode};
pub use counts::{ProbabilisticSamplerCounts, SampledCounts};
pub use sampler::ProbabilisticSampler;
