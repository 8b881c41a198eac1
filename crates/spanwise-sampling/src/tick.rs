//! What a host tells its samplers now and then.

/// A look at the clock and at what the process has done, some ten times a second.
///
/// No sampler needs it to work: it makes those that adapt notice silence, and lets them know how
/// many spans their traces have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tick {
    /// The time, as [`Host::now`](crate::Host::now) gives it.
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
