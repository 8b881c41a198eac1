//! Remote sampling with the rules of AWS X-Ray (*centralized sampling*).
//!
//! Without I/O: [`XrayPoller`] determines what to `POST` when, and parses the responses; the sampler
//! [`XrayRemote`] applies them.

mod limits;
mod poller;
mod remote;
mod rules;
mod settings;
mod targets;
mod wildcard;

pub use poller::{XrayPoller, XrayRequest};
pub use remote::XrayRemote;
pub use rules::XrayError;
pub use settings::XraySettings;
