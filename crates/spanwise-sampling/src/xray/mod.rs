//! Sampling as AWS X-Ray wants it (*centralized sampling*).
//!
//! No I/O here: [`XrayPoller`] says what to `POST` when, and reads the answers; [`XrayRemote`] is
//! the sampler that it tells.

mod limits;
mod poll;
mod remote;
mod rules;
mod settings;
mod targets;
mod wildcard;

pub use poll::{XrayPoller, XrayRequest};
pub use remote::XrayRemote;
pub use rules::XrayError;
pub use settings::XraySettings;
