//! The world's own list of all spans: the oracle of the ledger.

use crate::violation::{Checked, require};
use spanwise_ledger::{DropReason, Snapshot};
use std::collections::BTreeMap;
use std::time::Instant;

/// All spans of a world, by id, and the sums that the ledger has to agree with.
#[derive(Debug, Default)]
pub struct SpanList {
    spans: Vec<Span>,
    sampled_out: u64,
    exported: u64,
    dropped: BTreeMap<DropReason, u64>,
    /// The spans that have ended, in that order.
    ended: Vec<u64>,
    /// The first of those without an outcome.
    unsettled: usize,
}

/// A span.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// The length of its name.
    pub len: usize,
    /// The index of its scope.
    pub scope: usize,
    /// Its stage.
    pub stage: Stage,
    /// The exporter has drained it from the queue.
    pub is_drained: bool,
    /// The receiver may have it from a request that it refused.
    pub is_ambiguous: bool,
    /// Copies that the receiver has.
    pub stored: u32,
}

/// The stage of a span between its start and its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It has started.
    Started,
    /// It ended at this instant and is in the queue or in the backlog.
    Waiting(Instant),
    /// It is in a request.
    Sent,
    /// It has an outcome.
    Settled,
}

impl SpanList {
    /// Adds a span that starts now, and returns its id.
    pub fn start(&mut self, len: usize, scope: usize) -> u64 {
        let (is_drained, is_ambiguous) = (false, false);
        let stage = Stage::Started;
        self.spans.push(Span { len, scope, stage, is_drained, is_ambiguous, stored: 0 });
        self.spans.len() as u64
    }

    /// The span with this id.
    pub fn get_mut(&mut self, id: u64) -> Option<&mut Span> {
        self.spans.get_mut(usize::try_from(id.checked_sub(1)?).ok()?)
    }

    /// The span has ended and waits for its request.
    pub fn end(&mut self, id: u64, now: Instant) {
        self.move_to(&[id], Stage::Waiting(now));
        self.ended.push(id);
    }

    /// The exporter has drained the span with this id.
    pub fn drain(&mut self, id: u64) {
        if let Some(span) = self.get_mut(id) {
            span.is_drained = true;
        }
    }

    /// The spans that wait for a request, and that the exporter has drained.
    pub fn drained(&mut self) -> Vec<u64> {
        let mut waiting = self.waiting();
        waiting.retain(|&id| self.get_mut(id).is_some_and(|span| span.is_drained));
        waiting
    }

    /// The spans with these ids move to `stage`.
    pub fn move_to(&mut self, ids: &[u64], stage: Stage) {
        for &id in ids {
            if let Some(span) = self.get_mut(id) {
                span.stage = stage;
            }
        }
    }

    /// The spans with these ids are lost: for `ambiguous` those that the receiver may have.
    pub fn lose(&mut self, ids: &[u64], reason: DropReason, ambiguous: DropReason) {
        for &id in ids {
            let Some(span) = self.get_mut(id) else { continue };
            span.stage = Stage::Settled;
            let reason = if span.is_ambiguous { ambiguous } else { reason };
            self.drop_for(reason, 1);
        }
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

    /// The spans that wait for a request.
    pub fn waiting(&self) -> Vec<u64> {
        let ids = self.ended.iter().skip(self.unsettled).copied();
        ids.filter(|&id| matches!(self.stage(id), Some(Stage::Waiting(_)))).collect()
    }

    /// Recorded and refused spans that have started.
    pub fn created(&self) -> u64 {
        self.spans.len() as u64
    }

    /// Spans without an outcome.
    pub fn unsettled(&self) -> u64 {
        self.created() - self.exported - self.dropped_total()
    }

    /// Spans that were lost for `reason`.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped.get(&reason).copied().unwrap_or(0)
    }

    /// Spans that were lost.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Spans that have ended, be it with an outcome or not.
    pub fn ended(&self) -> usize {
        self.ended.len()
    }

    /// Whether each of the first `count` spans that ended has an outcome.
    pub fn are_settled(&mut self, count: usize) -> bool {
        while let Some(&id) = self.ended.get(self.unsettled)
            && self.stage(id) == Some(Stage::Settled)
        {
            self.unsettled += 1;
        }
        self.unsettled >= count
    }

    /// The time at which the oldest waiting span ended.
    pub fn oldest_waiting(&self) -> Option<Instant> {
        let mut ended = self.ended.iter().skip(self.unsettled);
        ended.find_map(|&id| match self.stage(id) {
            Some(Stage::Waiting(since)) => Some(since),
            _ => None,
        })
    }

    fn stage(&self, id: u64) -> Option<Stage> {
        let index = usize::try_from(id.checked_sub(1)?).ok()?;
        self.spans.get(index).map(|span| span.stage)
    }

    /// Spans that the receiver has, each counted once.
    pub fn stored(&self) -> u64 {
        self.spans.iter().filter(|span| span.stored > 0).count() as u64
    }

    /// Compares the list with the ledger, reason by reason.
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
        same("created", ledger.created, self.created() + self.sampled_out)?;
        same("sampled_out", ledger.sampled_out, self.sampled_out)?;
        same("exported", ledger.exported, self.exported)?;
        if ledger.dropped_total() > 0 || self.dropped_total() > 0 {
            for reason in DropReason::ALL {
                let list = self.dropped.get(&reason).copied().unwrap_or(0);
                same(reason.name(), ledger.dropped(reason), list)?;
            }
        }
        same("in_flight", ledger.in_flight, self.unsettled())
    }
}
