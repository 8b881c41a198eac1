//! Traces that are due and are decided together, within the budget of their rule.

use super::decided_trace::DecisionCause;
use crate::policy::Outcome;
use crate::rules::Candidate;

/// The traces of one tick. They are no longer in the order in which decisions are due.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    pub(crate) waiting: Vec<Waiting>,
    /// Decided; their spans have not left.
    pub(crate) decided: Vec<(Place, Outcome)>,
}

/// A trace of the table: its slot may have another one after a panic of the output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) slot: u32,
    pub(crate) trace_id: [u8; 16],
    pub(crate) cause: DecisionCause,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    pub(crate) place: Place,
    pub(crate) candidate: Candidate,
}

impl Candidates {
    /// The bytes of memory for each trace.
    pub(crate) const BYTES: usize =
        size_of::<Waiting>() + size_of::<(Place, Outcome)>() + size_of::<Candidate>();

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.decided.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.decided.is_empty()
    }
}
