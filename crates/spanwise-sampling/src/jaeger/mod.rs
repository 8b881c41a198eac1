//! Sampling as a Jaeger collector (or one that speaks its protocol) wants it.
//!
//! No I/O here: [`JaegerPoller`] says when to fetch which URL, [`JaegerStrategy::parse`] reads the answer,
//! [`JaegerRemote`] is the sampler it is given to.

mod poll;
mod remote;
mod settings;
mod strategy;

pub use poll::JaegerPoller;
pub use remote::JaegerRemote;
pub use settings::JaegerSettings;
pub use strategy::{JaegerStrategy, JaegerStrategyError};
