//! The model: the state that the sampler should have, from the world's own list of spans and the decisions that it saw.

use super::decider_model::DeciderModel;
use super::made_span::{Facts, MadeSpan};
use super::policy_model::Predicted;
use super::recorder::LeftSpan;
use super::scenario::Scenario;
use spanwise_tail::{Decision, TailCounts};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// The expected state.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) scenario: Scenario,
    pub(crate) decider: DeciderModel,
    pub(crate) shards: Vec<ShardModel>,
    pub(crate) counts: TailCounts,
    /// The latest time that the sampler was passed.
    pub(crate) now: Duration,
    /// Sampled spans that have not left.
    pub(crate) leaving: HashMap<LeftSpan, u32>,
    pub(crate) leaving_spans: u64,
}

#[derive(Debug, Default)]
pub(crate) struct ShardModel {
    pub(crate) pending: BTreeMap<[u8; 16], PendingTrace>,
    pub(crate) sampled: CacheModel,
    pub(crate) not_sampled: CacheModel,
    /// `span-ingest`: the spans of this resource by trace; without spans after a panic.
    pub(crate) touched: BTreeMap<[u8; 16], Option<Vec<Facts>>>,
    /// The begin of the present stress.
    pub(crate) stressed_since: Option<Duration>,
}

/// An undecided trace.
#[derive(Debug)]
pub(crate) struct PendingTrace {
    pub(crate) spans: Vec<(LeftSpan, Facts)>,
    pub(crate) due: Duration,
    pub(crate) has_root: bool,
    /// Bytes of spans alone.
    pub(crate) bytes: u64,
    /// `span-ingest`: whether a policy sampled it before a `drop` policy may drop it; `None` if that is not known.
    pub(crate) is_sampled: Option<bool>,
}

/// The right halves of ids, the one used last at the end.
#[derive(Debug, Default)]
pub(crate) struct CacheModel(Vec<[u8; 8]>);

impl CacheModel {
    /// Whether the trace is remembered; it counts as used.
    fn use_trace(&mut self, trace: [u8; 16]) -> bool {
        let key = right_half(trace);
        let at = self.0.iter().rposition(|known| *known == key);
        if let Some(at) = at {
            self.0.remove(at);
            self.0.push(key);
        }
        at.is_some()
    }

    fn put(&mut self, trace: [u8; 16], size: usize) {
        if !self.use_trace(trace) {
            self.0.push(right_half(trace));
            if self.0.len() > size {
                self.0.remove(0);
            }
        }
    }
}

fn right_half(trace: [u8; 16]) -> [u8; 8] {
    (u128::from_be_bytes(trace) as u64).to_be_bytes()
}

/// The way of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Pending,
    Sampled,
    NotSampled,
    New,
}

impl Model {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            decider: scenario.decider.clone(),
            shards: (0..scenario.shards).map(|_| ShardModel::default()).collect(),
            counts: TailCounts::default(),
            now: Duration::ZERO,
            leaving: HashMap::new(),
            leaving_spans: 0,
            scenario: scenario.clone(),
        }
    }

    /// The shard of a trace, which the documentation of the Collector's `num_shards` describes.
    pub(crate) fn shard(&mut self, trace: [u8; 16]) -> &mut ShardModel {
        let id = u128::from_le_bytes(trace);
        let mut hash = id as u64 ^ (id >> 64) as u64;
        for multiplier in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
            let shift = if multiplier == 0xbf58_476d_1ce4_e5b9 { 30 } else { 27 };
            hash = (hash ^ hash >> shift).wrapping_mul(multiplier);
        }
        hash ^= hash >> 31;
        let index = (hash % self.shards.len() as u64) as usize;
        &mut self.shards[index]
    }

    pub(crate) fn way(&mut self, trace: [u8; 16]) -> Way {
        let shard = self.shard(trace);
        if shard.pending.contains_key(&trace) {
            Way::Pending
        } else if shard.sampled.use_trace(trace) {
            Way::Sampled
        } else if shard.not_sampled.use_trace(trace) {
            Way::NotSampled
        } else {
            Way::New
        }
    }

    /// Stores a span of an undecided trace.
    pub(crate) fn store(&mut self, span: &MadeSpan, left: LeftSpan) {
        let (now, wait, after_root) = (self.now, self.scenario.wait, self.scenario.after_root);
        let by_ingest = self.scenario.by_ingest;
        let shard = self.shard(span.trace);
        let trace = shard.pending.entry(span.trace).or_insert_with(|| PendingTrace {
            spans: Vec::new(),
            due: now + wait,
            has_root: false,
            bytes: 0,
            is_sampled: Some(false),
        });
        let is_new = trace.spans.is_empty();
        trace.spans.push((left, span.facts));
        trace.bytes += span.bytes.len() as u64;
        if span.facts.is_root && !trace.has_root {
            trace.has_root = true;
            if !after_root.is_zero() {
                trace.due = trace.due.min(now + after_root);
            }
        }
        if by_ingest {
            let touched = shard.touched.entry(span.trace).or_insert_with(|| Some(Vec::new()));
            touched.iter_mut().for_each(|spans| spans.push(span.facts));
        }
        self.counts.received_spans += 1;
        self.counts.pending_spans += 1;
        if is_new {
            self.counts.new_traces += 1;
            self.counts.pending_traces += 1;
        }
    }

    /// A span has to leave.
    pub(crate) fn expect(&mut self, left: LeftSpan) {
        *self.leaving.entry(left).or_default() += 1;
        self.leaving_spans += 1;
    }

    /// Remembers a decision.
    pub(crate) fn remember(&mut self, trace: [u8; 16], decision: Decision) {
        let (sampled, not_sampled) = self.scenario.cache_sizes();
        let shard = self.shard(trace);
        match decision {
            Decision::Sampled => shard.sampled.put(trace, sampled),
            Decision::NotSampled | Decision::Dropped => shard.not_sampled.put(trace, not_sampled),
        }
    }

    /// The prediction for an undecided trace.
    pub(crate) fn predict(&self, id: [u8; 16], trace: &PendingTrace) -> Predicted {
        if self.scenario.by_ingest {
            let decision = trace.is_sampled.map(|is_sampled| match is_sampled {
                true => Decision::Sampled,
                false => Decision::NotSampled,
            });
            return Predicted { decision, policy: None, may_drop_later: false };
        }
        let facts: Vec<Facts> = trace.spans.iter().map(|(_, facts)| *facts).collect();
        self.decider.predict(id, &facts, facts.len())
    }

    /// Removes a trace with its decision, which is remembered.
    pub(crate) fn decide(&mut self, trace: [u8; 16], decision: Decision) -> Option<PendingTrace> {
        let shard = self.shard(trace);
        let decided = shard.pending.remove(&trace)?;
        shard.touched.remove(&trace);
        self.remember(trace, decision);
        self.counts.pending_spans -= decided.spans.len() as u64;
        self.counts.pending_traces -= 1;
        Some(decided)
    }
}
