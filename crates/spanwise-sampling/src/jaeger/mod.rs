//! Remote sampling with the strategies of a Jaeger collector, or of another server with its protocol.
//!
//! Without I/O: [`JaegerPoller`] determines when to fetch which URL, [`JaegerStrategy::parse`] parses
//! the response, and the sampler [`JaegerRemote`] applies it.

mod poller;
mod remote;
mod settings;
mod strategy;

pub use poller::JaegerPoller;
pub use remote::JaegerRemote;
pub use settings::JaegerSettings;
pub use strategy::{JaegerStrategy, JaegerStrategyError};
