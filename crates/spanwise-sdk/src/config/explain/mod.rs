//! Explanations: every effective setting with its value and its origin, from the code that builds a provider.

mod effective;
mod explaining;
mod explanation;
mod features;
mod given;
mod json;
mod origin;
mod recorder;

pub use effective::EffectiveSetting;
pub use explaining::explain;
pub use explanation::Explanation;
pub use origin::Origin;
#[cfg(feature = "config-file")]
pub(super) use recorder::FileOrigins;
pub(super) use recorder::Recorder;
