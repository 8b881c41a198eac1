//! The description of a sampler, which may be the user's code.

use super::redaction::shown;
use spanwise_sampling::Sampler;
use spanwise_worker::catch_panic;

/// The description of `sampler` (specification, *GetDescription*) without secrets, also if the user's sampler panics.
pub(crate) fn description(sampler: &Sampler) -> String {
    let text = catch_panic(|| sampler.to_string());
    shown(&text.unwrap_or_else(|_| "a sampler whose description panics".to_owned()))
}
