#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
#![forbid(unsafe_code)]

mod adaptive;
mod annotating;
mod annotations;
mod attributes;
#[cfg(any(feature = "jaeger", feature = "rate-limit"))]
mod bucket;
mod context;
#[cfg(feature = "dynamic")]
mod dynamic;
#[cfg(all(feature = "dynamic", feature = "opentelemetry"))]
mod fast_result;
mod intent;
#[cfg(feature = "jaeger")]
mod jaeger;
#[cfg(any(feature = "jaeger", feature = "xray"))]
mod jitter;
mod limiter;
mod limits;
#[cfg(feature = "opentelemetry")]
mod otel;
mod parameters;
mod parent;
mod parent_span;
mod pattern;
mod predicate;
#[cfg(feature = "rate-limit")]
mod rate_limited;
mod ratio;
#[cfg(any(feature = "jaeger", feature = "xray"))]
mod remote;
mod rules;
mod sampler;
mod sampling_rate;
mod setting;
#[cfg(all(feature = "dynamic", feature = "opentelemetry"))]
mod should_sample;
mod threshold;
mod tick;
pub mod trace_state;
#[cfg(any(feature = "jaeger", feature = "xray"))]
mod url;
#[cfg(feature = "xray")]
mod xray;

pub use adaptive::{
    Adaptive, AdaptiveAlgorithm, AdaptiveBuilder, AdaptiveKey, AdaptiveState, max_min_shares,
};
pub use annotating::{AlwaysRecord, AnnotatingSampler};
pub use annotations::Annotations;
pub use attributes::{Attributes, NoAttributes};
pub use context::SamplerContext;
#[cfg(feature = "dynamic")]
pub use dynamic::{DynamicSampler, FastDecision};
#[cfg(all(feature = "dynamic", feature = "opentelemetry"))]
pub use fast_result::FastResult;
pub use intent::{SamplingDecision, SamplingIntent, TraceStateUpdate};
#[cfg(feature = "jaeger")]
pub use jaeger::{JaegerPoller, JaegerRemote, JaegerSettings, JaegerStrategy, JaegerStrategyError};
#[cfg(feature = "opentelemetry")]
pub use otel::{ApiAttributes, parent_of, trace_state_of};
pub use parameters::SamplingParameters;
pub use parent::{ParentBased, ParentThreshold};
pub use parent_span::Parent;
pub use predicate::{ParentKind, SpanPredicate};
#[cfg(feature = "rate-limit")]
pub use rate_limited::RateLimited;
pub use ratio::TraceIdRatioBased;
#[cfg(any(feature = "jaeger", feature = "xray"))]
pub use remote::RemoteSettings;
pub use rules::RuleBased;
pub use sampler::{ComposableSampler, Sampler};
pub use sampling_rate::SamplingRate;
pub use setting::SettingError;
#[cfg(all(feature = "dynamic", feature = "opentelemetry"))]
pub use should_sample::{ApiSamplingParameters, SamplingResult};
pub use spanwise_wire::{OwnedValue, SpanKind, Value};
pub use threshold::{ProbabilityError, Randomness, Threshold, ThresholdText};
pub use tick::Tick;
#[cfg(feature = "xray")]
pub use xray::{XrayError, XrayPoller, XrayRemote, XrayRequest, XraySettings};

/// The parts that `spanwise-sdk` shares. They are no part of the API and change without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::adaptive::RateEstimate;
    pub use crate::pattern::Pattern;
}
