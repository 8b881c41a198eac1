//! The counts that a process states about itself while it runs.

use std::time::Duration;

/// The spans of a process, by where they are: the terms of the ledger's law.
///
/// `created + recovered = sampled_out + exported + dropped + spooled + in memory`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanCounts {
    /// Spans that this process created.
    pub created: u64,
    /// Spans of earlier processes: found on disk at the start, or reported lost in a crash.
    pub recovered: u64,
    /// Spans that a sampler dropped.
    pub sampled_out: u64,
    /// Spans that a receiver acknowledged.
    pub exported: u64,
    /// Spans dropped for all reasons.
    pub dropped: u64,
    /// Spans stored in the spool now.
    pub spooled: u64,
}

impl SpanCounts {
    /// The spans that are in memory and nowhere else: a crash loses them.
    #[must_use]
    pub fn in_memory(&self) -> u64 {
        let sources = self.created.saturating_add(self.recovered);
        [self.sampled_out, self.exported, self.dropped, self.spooled]
            .into_iter()
            .fold(sources, u64::saturating_sub)
    }
}

/// How closely the slots follow the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// The process writes a slot with each change of its counts, before it begins the next change: a process whose spans
    /// come from its own loop, as a replay has. The loss that the next start reports is exact.
    OnChange,
    /// The process writes a slot once in each interval: its threads create and export spans meanwhile, without waiting for
    /// the disk. The loss that the next start reports is uncertain by the changes within the interval.
    Interval(Duration),
}
