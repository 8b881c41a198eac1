//! The spans of a trace side by side in a planned request.

use super::run::Run;
use crate::chunk::Chunk;
use crate::model::TraceId;
use std::hash::{BuildHasher as _, RandomState};

/// The runs of a request, sorted by scope, with the spans of each trace side by side; traces are in the order in which they
/// appear first, and the spans of a trace in their order. `None`: they are in this order already.
///
/// A chunk without metas has no trace ids: its runs stay as they are. `None` also for more than 16,384 spans, which bounds the memory.
pub(super) fn by_trace(chunks: &[&Chunk], runs: &[Run], spans: usize) -> Option<Vec<Run>> {
    if spans > MAX_SPANS {
        return None;
    }
    let mut traces = Traces::new(spans);
    for run in runs {
        let chunk = chunks.get(run.chunk as usize)?;
        let metas = chunk.metas();
        let first = metas.partition_point(|meta| meta.offset < run.start);
        let metas = metas.get(first..)?.iter().take_while(|meta| meta.offset < run.end);
        let mut end = run.start;
        for meta in metas {
            end = meta.offset + meta.len;
            let span = Run { start: meta.offset, end, ..*run };
            traces.push(meta.trace_id, span);
        }
        if end < run.end {
            traces.push_alone(Run { start: end, ..*run });
        }
    }
    traces.are_worth_a_move().then(|| traces.into_runs())
}

/// Lists of runs by scope and trace.
struct Traces {
    /// Each with the index of the next one of its trace.
    runs: Vec<(Run, u32)>,
    /// In the order in which they appear.
    lists: Vec<List>,
    /// Indices of `lists` by hash: open addressing with at most half of the slots in use.
    table: Vec<u32>,
    /// A list has spans of others in between.
    are_mixed: bool,
    /// Random: a caller of the program cannot choose trace ids whose slots are equal.
    multipliers: [u64; 2],
}

/// The runs of a trace.
struct List {
    trace: TraceId,
    scope: u32,
    first: u32,
    last: u32,
}

impl Traces {
    fn new(spans: usize) -> Self {
        let random = RandomState::new();
        let multipliers = [0_u8, 1].map(|number| random.hash_one(number) | 1);
        let table = vec![NONE; (2 * spans.max(1)).next_power_of_two()];
        Self { runs: Vec::new(), lists: Vec::new(), table, are_mixed: false, multipliers }
    }

    #[inline]
    fn push(&mut self, trace: TraceId, span: Run) {
        // Most spans follow one of their trace where a thread does one request at a time.
        let last = self.lists.len().wrapping_sub(1);
        let is_of_last = self
            .lists
            .get(last)
            .is_some_and(|list| (list.trace, list.scope) == (trace, span.scope));
        let list = if is_of_last { last } else { self.list_of(trace, span.scope) };
        self.append(list, span);
    }

    /// Adds a run of spans without trace ids.
    fn push_alone(&mut self, run: Run) {
        let list = self.add(TraceId::INVALID, run.scope);
        self.append(list, run);
    }

    fn append(&mut self, list: usize, run: Run) {
        let newest = self.runs.len() as u32;
        let Some(list) = self.lists.get_mut(list) else { return };
        if let Some((last, next)) = self.runs.get_mut(list.last as usize) {
            let is_behind = list.last.wrapping_add(1) == newest;
            if is_behind && (last.chunk, last.end) == (run.chunk, run.start) {
                last.end = run.end;
                return;
            }
            self.are_mixed |= !is_behind;
            *next = newest;
        } else {
            list.first = newest;
        }
        list.last = newest;
        self.runs.push((run, NONE));
    }

    /// The index of the list of a trace, which is added if there is none.
    fn list_of(&mut self, trace: TraceId, scope: u32) -> usize {
        let mask = self.table.len() - 1;
        let [low, high] = self.multipliers;
        let id = trace.0 as u64 ^ u64::from(scope) << 32;
        let hash = id.wrapping_mul(low) ^ ((trace.0 >> 64) as u64).wrapping_mul(high);
        // Without the second multiplication, ids that follow each other have few slots by an unlucky multiplier.
        let hash = (hash ^ hash >> 32).wrapping_mul(low);
        let mut slot = (hash >> 32) as usize & mask;
        for _ in 0..MAX_PROBES {
            let index = self.table.get(slot).copied().unwrap_or(NONE);
            match self.lists.get(index as usize) {
                Some(list) if (list.trace, list.scope) == (trace, scope) => return index as usize,
                Some(_) => slot = (slot + 1) & mask,
                None => {
                    let added = self.add(trace, scope);
                    self.table.get_mut(slot).into_iter().for_each(|slot| *slot = added as u32);
                    return added;
                }
            }
        }
        // Rare: the next span of this trace is in another list.
        self.add(trace, scope)
    }

    fn add(&mut self, trace: TraceId, scope: u32) -> usize {
        self.lists.push(List { trace, scope, first: NONE, last: NONE });
        self.lists.len() - 1
    }

    /// Whether lists have spans of others in between, and at least two runs each on average. With fewer, most traces have one
    /// span in the request, and copying spans one by one costs more than the shorter request saves.
    fn are_worth_a_move(&self) -> bool {
        self.are_mixed && self.runs.len() >= 2 * self.lists.len()
    }

    /// The runs of one list after the other. Lists are in the order of scopes, as the runs were.
    fn into_runs(self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::with_capacity(self.runs.len());
        for list in &self.lists {
            let mut next = list.first;
            while let Some((run, after)) = self.runs.get(next as usize) {
                match runs.last_mut() {
                    Some(last)
                        if (last.scope, last.chunk, last.end)
                            == (run.scope, run.chunk, run.start) =>
                    {
                        last.end = run.end;
                    }
                    _ => runs.push(*run),
                }
                next = *after;
            }
        }
        runs
    }
}

/// Twice the spans of the largest request by default; their lists take less than 1 MiB.
const MAX_SPANS: usize = 16_384;
const NONE: u32 = u32::MAX;
/// Slots that a search visits at most.
const MAX_PROBES: usize = 32;
