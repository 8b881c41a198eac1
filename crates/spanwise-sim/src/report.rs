//! The result of one seed.

use crate::violation::Violation;
use crate::world::Counts;

/// The result of a seed.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The first broken rule.
    pub violation: Option<Violation>,
    /// Its numbers.
    pub counts: Counts,
    /// The events, if they were recorded.
    pub trace: Vec<String>,
}
