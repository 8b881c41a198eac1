//! Drained chunks whose traces wait for the decision of tail sampling.
//!
//! A chunk stays as it was drained, and the index has one entry for each run of neighbouring spans of one trace. Spans
//! that are not sampled are so never read nor copied. When all its traces are decided, a chunk is reused, or leaves with
//! the sampled ones; a few sampled spans leave in a smaller chunk, and the last undecided spans of a chunk move on.

mod chunks;
mod decisions;
mod held_chunk;
mod runs;
mod settle;
mod store;
mod trace_id_hasher;
mod trace_index;
mod traces;
mod waits;

use crate::drained::DrainedChunk;
use crate::local_trace::{LocalTrace, TraceFacts};
use crate::queue::SpanQueue;
use crate::resource::SharedResource;
use crate::scopes::{ScopeHeaders, ScopeTable};
use crate::tail_sampling::{TailDecision, TailSampling};
use decisions::Decisions;
use held_chunk::HeldChunk;
use runs::{NONE, Run};
use spanwise_batch::{Budget, ChargedChunk};
use spanwise_ledger::{DropReason, Ledger};
use spanwise_worker::{CaughtPanic, catch_panic};
use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Store;
use trace_id_hasher::TraceIdHasher;
use traces::{Due, Traces};

/// The stage between a drain and the held chunks.
pub(super) struct Tail {
    settings: TailSampling,
    budget: Budget,
    /// Bytes of it that are not for requests alone.
    usable: usize,
    ledger: Ledger,
    /// Bytes of spans in a chunk of the usual size.
    chunk_bytes: usize,
    store: Store,
    traces: Traces,
    decisions: Decisions,
    hasher: TraceIdHasher,
    /// Chunks with spans to book, to export or to free.
    touched: Vec<u32>,
    /// The chunk that takes the last undecided spans of others.
    filling: Option<u32>,
    /// Chunks of spans to export, and free ones.
    sampled: Vec<DrainedChunk>,
    free: Vec<ChargedChunk>,
    resource: SharedResource,
    scopes: ScopeTable,
    /// Both, from the first decision until the chunks are settled.
    names: Option<(Arc<[u8]>, ScopeHeaders)>,
    /// The last drain that found every slot free.
    drained_all: Option<Instant>,
    /// The earliest time of the next one that traces wait for.
    next_drain: Instant,
    /// How long a local root waits at most for such a drain.
    patience: Duration,
    /// Panics of the sampler since the last report, and the first of them.
    panics: u64,
    first_panic: Option<CaughtPanic>,
    decided_early: u64,
}

/// The maximum that may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct TailLimits {
    /// Bytes charged for chunks.
    pub(super) charged: usize,
    pub(super) spans: u64,
}

impl Tail {
    pub(super) fn new(
        settings: TailSampling,
        queue: &SpanQueue,
        reserve: usize,
        (resource, scopes): (SharedResource, ScopeTable),
        now: Instant,
    ) -> Self {
        let budget = queue.budget().clone();
        Self {
            settings,
            decisions: Decisions::new(&budget),
            hasher: TraceIdHasher::new(),
            usable: budget.limit().saturating_sub(reserve),
            budget,
            ledger: queue.ledger().clone(),
            chunk_bytes: queue.chunk_bytes(),
            store: Store::default(),
            traces: Traces::new(),
            touched: Vec::new(),
            filling: None,
            sampled: Vec::new(),
            free: Vec::new(),
            resource,
            scopes,
            names: None,
            drained_all: None,
            next_drain: now,
            patience: Duration::ZERO,
            panics: 0,
            first_panic: None,
            decided_early: 0,
        }
    }

    /// A local root waits at most for two of these delays for a drain of every slot.
    pub(super) fn set_delay(&mut self, scheduled_delay: Duration) {
        self.patience = scheduled_delay.saturating_mul(2);
    }

    /// Spans without an outcome.
    pub(super) fn spans(&self) -> u64 {
        self.store.chunks.spans() + self.sampled.iter().map(DrainedChunk::spans).sum::<u64>()
    }

    /// Spans of traces that wait.
    pub(super) fn undecided(&self) -> u64 {
        self.store.chunks.undecided()
    }

    /// Bytes charged for the chunks that wait.
    pub(super) fn charged(&self) -> usize {
        self.store.chunks.charged()
    }

    /// The share of memory for the chunks that wait, beside that of the index. The rest of what spans may use is for
    /// those that are not drained yet, and for those to send.
    pub(super) fn share(&self) -> usize {
        let index = self.store.runs.charged() + self.traces.charged();
        (self.usable / 2).saturating_sub(index)
    }

    /// Frees the memory of the index, if no trace waits.
    pub(super) fn trim(&mut self) {
        self.traces.trim();
        self.store.runs.trim();
    }

    /// The number of panics of the sampler since the last call, and the first of them.
    pub(super) fn take_panics(&mut self) -> (u64, Option<CaughtPanic>) {
        (std::mem::take(&mut self.panics), self.first_panic.take())
    }

    /// Traces that were decided before they were due, since the last call.
    pub(super) fn take_decided_early(&mut self) -> u64 {
        std::mem::take(&mut self.decided_early)
    }

    /// Chunks of sampled spans.
    pub(super) fn take_sampled(&mut self) -> Vec<DrainedChunk> {
        std::mem::take(&mut self.sampled)
    }

    /// Chunks without spans.
    pub(super) fn take_free(&mut self) -> Vec<ChargedChunk> {
        std::mem::take(&mut self.free)
    }

    /// Takes a chunk that was drained at `now`.
    pub(super) fn accept(&mut self, chunk: DrainedChunk, now: Instant) {
        let spans = chunk.chunk().metas().len();
        if spans < chunk.chunk().len() {
            // No drained chunk lacks its metas; one that does cannot be indexed.
            return self.sampled.push(chunk);
        }
        if spans == 0 {
            return self.free.push(chunk.into_parts().0);
        }
        let id = self.store.chunks.insert(HeldChunk::new(chunk));
        self.touch(id);
        let mut start = 0;
        let mut runs = [(TraceFacts::NO_SPANS, 0); RUNS_AT_ONCE];
        loop {
            let mut count = 0;
            for (place, run) in runs.iter_mut().zip(self.store.runs_from(id, start)) {
                let hash = self.hasher.hash(run.trace_id);
                // The places of all of them are read first: one after the other, each would wait for memory.
                black_box((self.traces.warm(hash), self.decisions.warm(hash)));
                *place = (run, hash);
                count += 1;
            }
            for (run, hash) in &runs[..count] {
                let end = start + run.spans;
                self.accept_run(id, start..end, (run, *hash), now);
                start = end;
            }
            if count < RUNS_AT_ONCE {
                return;
            }
        }
    }

    fn accept_run(
        &mut self,
        id: u32,
        spans: Range<u32>,
        (run, hash): (&TraceFacts, u64),
        now: Instant,
    ) {
        let known = match self.traces.find(run.trace_id, hash) {
            Some(slot) => Some(slot),
            None => {
                if let Some(decision) = self.decisions.get(hash) {
                    return self.store.chunks.decide(id, spans, decision);
                }
                self.new_trace((run, hash), now)
            }
        };
        // Of a trace that was decided in between, too.
        let new = Run { chunk: id, start: spans.start, end: spans.end, next: NONE };
        let Some((slot, run_id)) = known.and_then(|slot| self.new_run(new, (slot, run, hash), now))
        else {
            // Without memory for the index, spans of a trace that has no decision are exported.
            let decision = self.decisions.get(hash).unwrap_or(TailDecision::Sampled);
            return self.store.chunks.decide(id, spans, decision);
        };
        let Some(trace) = self.traces.get_mut(slot) else { return };
        let had_root = trace.facts.has_local_root;
        trace.facts.add(run);
        let last = std::mem::replace(&mut trace.last_run, run_id);
        if last == NONE {
            trace.first_run = run_id;
        } else if let Some(last) = self.store.runs.get_mut(last) {
            last.next = run_id;
        }
        let (facts, since) = (trace.facts, trace.since);
        if facts.bytes > self.settings.max_trace_bytes {
            return self.finish(slot, TailDecision::Dropped);
        }
        if facts.spans >= self.settings.max_spans_per_trace {
            self.decided_early += 1;
            return self.decide(slot, now);
        }
        if run.has_local_root && !had_root {
            let TailSampling { decision_wait, wait_after_root, .. } = self.settings;
            let after_first = since.checked_add(decision_wait);
            if after_first
                .is_none_or(|due| now.checked_add(wait_after_root).is_some_and(|it| it < due))
            {
                self.traces.root_arrived(slot, now);
            }
        }
    }

    /// A slot for a new trace.
    fn new_trace(&mut self, (run, hash): (&TraceFacts, u64), now: Instant) -> Option<u32> {
        loop {
            let is_full = self.traces.len() >= self.settings.num_traces;
            if !is_full {
                if let Some(slot) = self.traces.insert(run.trace_id, hash, now) {
                    return Some(slot);
                }
                if self.traces.grow(&self.budget, self.usable / 4) {
                    continue;
                }
            }
            if !self.decide_earliest(now) {
                return None;
            }
        }
    }

    /// Stores a run of the trace in `slot`. Returns the slots of both.
    fn new_run(
        &mut self,
        new: Run,
        (mut slot, run, hash): (u32, &TraceFacts, u64),
        now: Instant,
    ) -> Option<(u32, u32)> {
        loop {
            if let Some(id) = self.store.runs.insert(new) {
                return Some((slot, id));
            }
            if self.store.runs.grow(&self.budget, self.usable / 8) {
                continue;
            }
            if self.traces.earliest() == Some(slot) && self.traces.is_empty(slot) {
                // The trace itself is the only one, and has no spans to decide by.
                self.traces.remove(slot);
                return None;
            }
            self.decide_earliest(now);
            slot = self.traces.find(run.trace_id, hash)?;
        }
    }

    /// Decides the traces that are due at `now`, and the earliest ones while more waits than `limits`. Returns whether a
    /// trace was due.
    pub(super) fn release(&mut self, now: Instant, limits: TailLimits) -> bool {
        let mut was_due = false;
        while let Some((slot, trace)) = self.traces.first(Due::AfterRoot) {
            if self.root_due(trace.since).is_some_and(|due| due > now) {
                break;
            }
            self.decide(slot, now);
            was_due = true;
        }
        while let Some((slot, trace)) = self.traces.first(Due::AfterFirst) {
            if trace.since.checked_add(self.settings.decision_wait).is_some_and(|due| due > now) {
                break;
            }
            self.decide(slot, now);
            was_due = true;
        }
        self.settle();
        if was_due {
            self.gather();
        }
        let mut is_gathered = false;
        while self.charged() > limits.charged || self.undecided() > limits.spans {
            let before = self.charged();
            let decided = (0..DECIDED_AT_ONCE).take_while(|_| self.decide_earliest(now)).count();
            self.settle();
            if decided == 0 && std::mem::replace(&mut is_gathered, true) {
                break;
            }
            if self.charged() >= before {
                self.gather();
            }
        }
        was_due
    }

    /// Decides all traces, or drops them.
    pub(super) fn decide_all(&mut self, now: Instant, is_shutdown: bool) {
        while let Some(slot) = self.traces.earliest() {
            match is_shutdown && self.settings.drops_pending {
                true => self.finish(slot, TailDecision::Dropped),
                false => self.decide(slot, now),
            }
        }
        self.settle();
    }

    /// Books all spans as lost for `reason`.
    pub(super) fn drop_all(&mut self, reason: DropReason) {
        while let Some(slot) = self.traces.earliest() {
            self.traces.remove(slot);
        }
        self.touched.clear();
        self.filling = None;
        std::mem::take(&mut self.store).chunks.drop_for(reason);
        self.sampled.drain(..).for_each(|chunk| chunk.drop_for(reason));
    }

    fn decide_earliest(&mut self, now: Instant) -> bool {
        let Some(slot) = self.traces.earliest() else { return false };
        self.decided_early += 1;
        self.decide(slot, now);
        true
    }

    /// Asks the sampler about a trace, and carries out its decision.
    fn decide(&mut self, slot: u32, now: Instant) {
        let Some(trace) = self.traces.get(slot) else { return };
        let names = || (self.resource.get(), self.scopes.headers());
        let (resource, scopes) = self.names.get_or_insert_with(names);
        let view = LocalTrace {
            facts: trace.facts,
            is_complete: trace.facts.has_local_root,
            first_run: trace.first_run,
            runs: &self.store,
            resource,
            scopes,
        };
        let sampler = &mut self.settings.sampler;
        let decision = catch_panic(|| sampler.decide(&view, now)).unwrap_or_else(|panic| {
            self.panics += 1;
            self.first_panic.get_or_insert(panic);
            TailDecision::Sampled
        });
        self.finish(slot, decision);
    }

    fn finish(&mut self, slot: u32, decision: TailDecision) {
        let Some(trace) = self.traces.get(slot) else { return };
        let (hash, mut next) = (trace.hash, trace.first_run);
        self.traces.remove(slot);
        self.decisions.put(hash, decision);
        while let Some(run) = self.store.runs.remove(next) {
            self.store.chunks.decide(run.chunk, run.start..run.end, decision);
            self.touch(run.chunk);
            next = run.next;
        }
    }

    /// Puts a chunk on the list of those to settle.
    fn touch(&mut self, id: u32) {
        if let Some(held) = self.store.chunks.get_mut(id)
            && !std::mem::replace(&mut held.is_touched, true)
        {
            self.touched.push(id);
        }
    }
}

/// Runs whose traces are looked up together.
const RUNS_AT_ONCE: usize = 16;
/// Traces that are decided between two looks at the memory.
const DECIDED_AT_ONCE: usize = 64;
