//! What a host tells its samplers now and then.

use crate::sampler::Sampler;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// A look at the clock and at what the process has done, some ten times a second.
///
/// No sampler needs it to work: it makes those that adapt notice silence, and lets them know how
/// many spans their traces have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tick {
    /// The time, as [`SamplerContext::now`](crate::SamplerContext::now) gives it.
    pub now: u64,
    /// Spans that were recorded since the process started, if the host counts them.
    pub recorded: Option<u64>,
}

impl Tick {
    /// A tick at `now`.
    pub fn at(now: u64) -> Self {
        Self { now, recorded: None }
    }

    /// With the number of spans that were recorded so far.
    #[must_use]
    pub fn with_recorded(self, spans: u64) -> Self {
        Self { recorded: Some(spans), ..self }
    }
}

/// Tells each of them. One that panics keeps nothing from the others; then the panic goes on.
pub(crate) fn tick_each<'a>(samplers: impl IntoIterator<Item = &'a Sampler>, tick: &Tick) {
    let mut first = None;
    for sampler in samplers {
        match (catch_unwind(AssertUnwindSafe(|| sampler.tick(tick))), &first) {
            (Ok(()), _) => {}
            (Err(panic), None) => first = Some(panic),
            // Its destructor could panic once more.
            (Err(panic), Some(_)) => std::mem::forget(panic),
        }
    }
    if let Some(panic) = first {
        resume_unwind(panic);
    }
}
