#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
#![forbid(unsafe_code)]

mod adaptive;
mod annotating;
mod annotations;
mod attributes;
mod context;
mod dynamic;
mod intent;
mod jaeger;
mod limiter;
mod limits;
#[cfg(feature = "opentelemetry")]
mod otel;
mod parameters;
mod parent;
mod parent_span;
mod rate_limited;
mod ratio;
mod remote;
mod rules;
mod sampler;
mod setting;
mod spread;
mod threshold;
mod tick;
pub mod trace_state;
mod url;
mod xray;

pub use adaptive::{
    Adaptive, AdaptiveAlgorithm, AdaptiveBuilder, AdaptiveKey, AdaptiveState, max_min_shares,
};
pub use annotating::{AlwaysRecord, AnnotatingSampler};
pub use annotations::Annotations;
pub use attributes::{Attributes, NoAttributes};
pub use context::SamplerContext;
pub use dynamic::{DynamicSampler, FastDecision};
pub use intent::{SamplingDecision, SamplingIntent, TraceStateUpdate};
pub use jaeger::{JaegerPoller, JaegerRemote, JaegerSettings, JaegerStrategy, JaegerStrategyError};
#[cfg(feature = "opentelemetry")]
pub use otel::{ApiAttributes, parent_of, trace_state_of};
pub use parameters::SamplingParameters;
pub use parent::{ParentBased, ParentThreshold};
pub use parent_span::Parent;
pub use rate_limited::RateLimited;
pub use ratio::TraceIdRatioBased;
pub use remote::RemoteSettings;
pub use rules::{RuleBased, SpanPredicate};
pub use sampler::{ComposableSampler, Sampler};
pub use setting::SettingError;
pub use spanwise_wire::{OwnedValue, SpanKind, Value};
pub use threshold::{ProbabilityError, Randomness, Threshold, ThresholdText};
pub use tick::Tick;
pub use xray::{XrayError, XrayPoller, XrayRemote, XrayRequest, XraySettings};
