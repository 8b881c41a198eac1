//! The spans of one destination, and the sums that its ledger has to agree with.

use crate::violation::{Checked, require};
use spanwise_ledger::{DropReason, Snapshot};
use std::collections::BTreeMap;
use std::time::Instant;

/// The spans of a destination.
#[derive(Debug, Default)]
pub struct Account {
    created: u64,
    sampled_out: u64,
    exported: u64,
    tail_not_sampled: u64,
    dropped: BTreeMap<DropReason, u64>,
    /// Of each span of the world.
    entries: Vec<Entry>,
    /// Spans that were lost while they waited for an endpoint. No request states which of the waiting ones.
    unseen_losses: u64,
}

/// A span at a destination.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its stage.
    pub stage: Stage,
    /// The receiver may have it from a request that it refused.
    pub is_ambiguous: bool,
    /// Copies that the receiver has.
    pub stored: u32,
}

/// The stage of a span between its start and its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The destination does not count it: it was not drained yet.
    Absent,
    /// It has started.
    Started,
    /// It ended at this instant and is in the queue, in the backlog, or waits for its endpoint.
    Waiting(Instant),
    /// It is in a request that was sent.
    Sent,
    /// It has an outcome.
    Settled,
}

impl Account {
    /// Adds a span of the world; `Absent` for a destination that does not count it yet.
    pub fn add(&mut self, stage: Stage) {
        self.created += u64::from(stage != Stage::Absent);
        self.entries.push(Entry { stage, is_ambiguous: false, stored: 0 });
    }

    /// The exporter has drained the span, which waits since that instant: this destination counts it.
    pub fn enter(&mut self, id: u64, since: Instant) {
        if let Some(entry) = self.entry_mut(id)
            && entry.stage == Stage::Absent
        {
            entry.stage = Stage::Waiting(since);
            self.created += 1;
        }
    }

    /// The span with this id.
    pub fn entry_mut(&mut self, id: u64) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(id.checked_sub(1)?).ok()?)
    }

    /// The stage of the span with this id.
    pub fn stage(&self, id: u64) -> Stage {
        let index = id.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.entries.get(index)).map_or(Stage::Absent, |it| it.stage)
    }

    /// The spans with these ids move to `stage`.
    pub fn move_to(&mut self, ids: &[u64], stage: Stage) {
        for &id in ids {
            if let Some(entry) = self.entry_mut(id) {
                entry.stage = stage;
            }
        }
    }

    /// The spans with these ids are lost: for `ambiguous` those that the receiver may have.
    pub fn lose(&mut self, ids: &[u64], reason: DropReason, ambiguous: DropReason) {
        for &id in ids {
            let Some(entry) = self.entry_mut(id) else { continue };
            entry.stage = Stage::Settled;
            let reason = if entry.is_ambiguous { ambiguous } else { reason };
            self.drop_for(reason, 1);
        }
    }

    /// All of these waiting spans are lost, but for those that were lost unseen before.
    pub fn lose_waiting(&mut self, ids: &[u64], reason: DropReason, ambiguous: DropReason) {
        let is_ambiguous = |&id: &u64| self.entry_mut(id).is_some_and(|entry| entry.is_ambiguous);
        let uncertain = ids.iter().copied().filter(is_ambiguous).count() as u64;
        let rest = ids.len() as u64 - uncertain;
        let lost = rest.saturating_sub(std::mem::take(&mut self.unseen_losses));
        self.drop_for(ambiguous, uncertain);
        self.drop_for(reason, lost);
        self.move_to(ids, Stage::Settled);
    }

    /// Waiting spans were lost for `reason`, and no request states which.
    pub fn lose_unseen(&mut self, reason: DropReason, spans: u64) {
        self.drop_for(reason, spans);
        self.unseen_losses += spans;
    }

    /// Tail sampling did not sample waiting spans, and no request states which.
    pub fn leave_out_unseen(&mut self, spans: u64) {
        self.tail_not_sampled += spans;
        self.unseen_losses += spans;
    }

    /// Spans that tail sampling did not sample.
    pub fn tail_not_sampled(&self) -> u64 {
        self.tail_not_sampled
    }

    /// Spans that were lost unseen, and are in the list as waiting ones.
    pub fn unseen_losses(&self) -> u64 {
        self.unseen_losses
    }

    /// Counts a span that is not recorded, because the sampler or a parent that is not sampled decided so.
    pub fn sample_out(&mut self) {
        self.sampled_out += 1;
    }

    /// Counts spans that the receiver accepted. Their stage is the caller's.
    pub fn export(&mut self, spans: u64) {
        self.exported += spans;
    }

    /// Counts spans that were lost for `reason`. Their stage is the caller's.
    pub fn drop_for(&mut self, reason: DropReason, spans: u64) {
        if spans > 0 {
            *self.dropped.entry(reason).or_default() += spans;
        }
    }

    /// Spans without an outcome.
    pub fn unsettled(&self) -> u64 {
        let settled = self.exported + self.tail_not_sampled;
        self.created - settled - self.dropped.values().sum::<u64>()
    }

    /// Spans that were lost for `reason`.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped.get(&reason).copied().unwrap_or(0)
    }

    /// Spans that the receiver has, each counted once.
    pub fn stored(&self) -> u64 {
        self.entries.iter().filter(|span| span.stored > 0).count() as u64
    }

    /// Compares the account with the ledger, reason by reason.
    ///
    /// # Errors
    /// The first number that differs.
    pub fn check(&self, ledger: &Snapshot) -> Checked {
        let rule = "the ledger agrees with the list of spans";
        let same = |name: &str, ledger: u64, list: u64| {
            require(ledger == list, rule, || {
                format!("{name}: the ledger has {ledger}, the list has {list}")
            })
        };
        same("created", ledger.created, self.created + self.sampled_out)?;
        same("sampled_out", ledger.sampled_out, self.sampled_out)?;
        same("exported", ledger.exported, self.exported)?;
        same("tail_not_sampled", ledger.tail_not_sampled, self.tail_not_sampled)?;
        same("tail_dropped", ledger.tail_dropped, 0)?;
        if ledger.dropped_total() > 0 || !self.dropped.is_empty() {
            for reason in DropReason::ALL {
                same(reason.name(), ledger.dropped(reason), self.dropped(reason))?;
            }
        }
        same("in_flight", ledger.in_flight, self.unsettled())
    }
}
