//! The traces that wait for their decision, by id and in the order in which they are due.

use super::runs::NONE;
use super::trace_index::TraceIndex;
use crate::local_trace::TraceFacts;
use spanwise_batch::{Budget, Charge};
use spanwise_wire::TraceId;
use std::time::Instant;

/// A table of traces, charged to the budget as it grows. Each trace is in one of two lists.
pub(super) struct Traces {
    // Before `charge`: memory is freed first.
    slots: Vec<Trace>,
    index: TraceIndex,
    charge: Option<Charge>,
    /// The first free slot; its `next` is the second.
    free: u32,
    lists: [List; 2],
}

/// A trace that waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trace {
    pub(super) facts: TraceFacts,
    pub(super) hash: u64,
    /// The arrival of the first span; in the list [`Due::AfterRoot`] of the local root.
    pub(super) since: Instant,
    pub(super) first_run: u32,
    pub(super) last_run: u32,
    due: Due,
    previous: u32,
    next: u32,
}

/// The wait that decides when a trace is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// That from the first span.
    AfterFirst,
    /// That from the local root.
    AfterRoot,
}

/// The first and the last trace.
#[derive(Debug, Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

impl Traces {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            index: TraceIndex::default(),
            charge: None,
            free: NONE,
            lists: [List { first: NONE, last: NONE }; 2],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The slot of a trace with this hash.
    pub(super) fn find(&self, trace_id: TraceId, hash: u64) -> Option<u32> {
        self.index.find(hash, |slot| {
            self.slots.get(slot as usize).is_some_and(|it| it.facts.trace_id == trace_id)
        })
    }

    /// Reads where [`Self::find`] begins, which waits for memory here, beside other reads, and not there.
    pub(super) fn warm(&self, hash: u64) -> u32 {
        self.index.warm(hash)
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Trace> {
        self.slots.get(slot as usize)
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Trace> {
        self.slots.get_mut(slot as usize)
    }

    /// Whether a trace has no spans yet.
    pub(super) fn is_empty(&self, slot: u32) -> bool {
        self.get(slot).is_none_or(|trace| trace.first_run == NONE)
    }

    /// Adds a trace without spans. `None` without capacity.
    pub(super) fn insert(&mut self, trace_id: TraceId, hash: u64, now: Instant) -> Option<u32> {
        let facts = TraceFacts { trace_id, ..TraceFacts::NO_SPANS };
        let trace = Trace {
            facts,
            hash,
            since: now,
            first_run: NONE,
            last_run: NONE,
            due: Due::AfterFirst,
            previous: NONE,
            next: NONE,
        };
        let slot = if let Some(free) = self.slots.get_mut(self.free as usize) {
            let slot = std::mem::replace(&mut self.free, free.next);
            *free = trace;
            slot
        } else if self.slots.len() < self.slots.capacity() {
            self.slots.push(trace);
            (self.slots.len() - 1) as u32
        } else {
            return None;
        };
        self.index.insert(hash, slot);
        self.append(slot, Due::AfterFirst);
        Some(slot)
    }

    /// Doubles the capacity, up to `max` bytes, if `budget` has memory for it.
    pub(super) fn grow(&mut self, budget: &Budget, max: usize) -> bool {
        let capacity = (2 * self.slots.capacity()).max(MIN_CAPACITY);
        let bytes = capacity * BYTES_PER_TRACE;
        if capacity >= NONE as usize || bytes > max {
            return false;
        }
        // For the copy, both are charged.
        let Some(charge) = budget.try_charge_reserved(bytes) else {
            return false;
        };
        self.slots.reserve_exact(capacity - self.slots.len());
        self.index.rebuild(capacity);
        self.charge = Some(charge);
        true
    }

    /// The local root of a trace has arrived: from now on it waits for that.
    pub(super) fn root_arrived(&mut self, slot: u32, now: Instant) {
        let Some(trace) = self.slots.get_mut(slot as usize) else { return };
        trace.since = now;
        self.unlink(slot);
        self.append(slot, Due::AfterRoot);
    }

    /// The trace of a list that has waited longest.
    pub(super) fn first(&self, due: Due) -> Option<(u32, &Trace)> {
        let slot = self.lists[due as usize].first;
        self.slots.get(slot as usize).map(|trace| (slot, trace))
    }

    /// The trace that is decided when space is needed: one whose local root has ended, if there is one.
    pub(super) fn earliest(&self) -> Option<u32> {
        let first = self.first(Due::AfterRoot).or_else(|| self.first(Due::AfterFirst));
        first.map(|(slot, _)| slot)
    }

    /// Removes a trace.
    pub(super) fn remove(&mut self, slot: u32) {
        self.unlink(slot);
        let Some(trace) = self.slots.get_mut(slot as usize) else { return };
        self.index.remove(trace.hash, slot);
        trace.next = std::mem::replace(&mut self.free, slot);
    }

    /// Frees the memory, if no trace waits.
    pub(super) fn trim(&mut self) {
        if self.len() == 0 && self.charge.is_some() {
            *self = Self::new();
        }
    }

    /// Bytes charged.
    pub(super) fn charged(&self) -> usize {
        self.charge.as_ref().map_or(0, Charge::bytes)
    }

    fn append(&mut self, slot: u32, due: Due) {
        let list = &mut self.lists[due as usize];
        let last = std::mem::replace(&mut list.last, slot);
        match self.slots.get_mut(last as usize) {
            Some(last) => last.next = slot,
            None => list.first = slot,
        }
        if let Some(trace) = self.slots.get_mut(slot as usize) {
            (trace.due, trace.previous, trace.next) = (due, last, NONE);
        }
    }

    fn unlink(&mut self, slot: u32) {
        let Some(&Trace { due, previous, next, .. }) = self.slots.get(slot as usize) else {
            return;
        };
        match self.slots.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => self.lists[due as usize].first = next,
        }
        match self.slots.get_mut(next as usize) {
            Some(next) => next.previous = previous,
            None => self.lists[due as usize].last = previous,
        }
    }
}

const MIN_CAPACITY: usize = 32;
/// A slot, and its part of the index.
const BYTES_PER_TRACE: usize = size_of::<Trace>() + TraceIndex::BYTES_PER_TRACE;
