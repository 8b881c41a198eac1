//! The periodic tick of samplers.

/// A periodic update of the time and of the process's span count, about ten times per second.
///
/// Every sampler works without ticks. With them, samplers that adapt detect that no roots arrive,
/// and count how many spans their traces have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tick {
    /// The time of [`SamplerContext::now`](crate::SamplerContext::now), in nanoseconds.
    pub now: u64,
    /// The number of spans recorded since the process started, if the caller counts them.
    pub recorded: Option<u64>,
}

impl Tick {
    /// A tick at `now`.
    pub fn at(now: u64) -> Self {
        Self { now, recorded: None }
    }

    /// Adds the number of spans recorded since the process started.
    #[must_use]
    pub fn with_recorded(self, spans: u64) -> Self {
        Self { recorded: Some(spans), ..self }
    }
}
