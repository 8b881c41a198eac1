#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
#![forbid(unsafe_code)]

mod adaptive;
mod annotating;
mod intent;
mod jaeger;
mod limiter;
mod limits;
mod live;
mod offer;
#[cfg(feature = "opentelemetry")]
mod otel;
mod parent;
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

pub use adaptive::{Adaptive, AdaptiveBuilder, AdaptiveState, Key, Law, shares};
pub use annotating::{AlwaysRecord, Annotating, Annotations, AttributeValue};
pub use intent::{Change, Decision, Intent};
pub use jaeger::{JaegerRemote, JaegerSettings, Poll, Strategy, StrategyError};
pub use live::{Live, Quick};
pub use offer::{Attributes, Host, NoAttributes, Offer, Parent};
#[cfg(feature = "opentelemetry")]
pub use otel::{ApiAttributes, parent_of, trace_state_of};
pub use parent::{ParentBased, ParentThreshold};
pub use rate_limited::RateLimited;
pub use ratio::TraceIdRatioBased;
pub use remote::RemoteSettings;
pub use rules::{Condition, RuleBased};
pub use sampler::{Sample, Sampler};
pub use setting::SettingError;
pub use spanwise_wire::SpanKind;
pub use spanwise_wire::write::Value;
pub use threshold::{ProbabilityError, Randomness, Threshold, ThresholdText};
pub use tick::Tick;
pub use xray::{XrayError, XrayPoll, XrayRemote, XrayRequest, XraySettings};
