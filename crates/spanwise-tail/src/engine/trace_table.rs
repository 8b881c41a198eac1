//! The undecided traces, and the order in which their decisions are due.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::span_index::Address;
use super::timer_wheel::{Links, TimerWheel};
#[cfg(feature = "planted-bugs")]
use crate::planted::{TailBug, planted};
use crate::trace_view::{Flags, Summary};

/// The undecided traces by their id: 56 bytes each, and some 7 in the hash table.
pub(crate) struct TraceTable {
    entries: Vec<Entry>,
    vacant: Vec<u32>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    wheel: TimerWheel,
    spans: u64,
    max: usize,
}

/// An undecided trace. Numbers of 64 bits are in bytes: an alignment of 8 would take 8 bytes more.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    trace_id: [u8; 16],
    start: [u8; 8],
    end: [u8; 8],
    /// The span that arrived last; each one leads to the one before.
    last: Address,
    /// Number of spans in the upper 24 bits, flags in the lower 8.
    spans_and_flags: u32,
    bytes: u32,
    links: Links,
}

/// The root span has arrived.
const ROOT: u8 = 0b10_0000;
/// `span-ingest`: a policy sampled the trace, and a `drop` policy may still drop it.
const SAMPLED: u8 = 0b100_0000;

impl Entry {
    pub(crate) fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    pub(crate) fn last(&self) -> Address {
        self.last
    }

    pub(crate) fn spans(&self) -> u32 {
        self.spans_and_flags >> 8
    }

    pub(crate) fn bytes(&self) -> u32 {
        self.bytes
    }

    pub(crate) fn has_root(&self) -> bool {
        self.spans_and_flags as u8 & ROOT != 0
    }

    pub(crate) fn is_sampled(&self) -> bool {
        self.spans_and_flags as u8 & SAMPLED != 0
    }

    pub(crate) fn set_sampled(&mut self) {
        self.spans_and_flags |= u32::from(SAMPLED);
    }

    pub(crate) fn summary(&self) -> Summary {
        let times = (u64::from_le_bytes(self.start), u64::from_le_bytes(self.end));
        let flags = Flags(self.spans_and_flags as u8);
        Summary::new(self.spans().into(), self.bytes.into(), times, flags)
    }
}

/// A span as the table counts it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) address: Address,
    pub(crate) bytes: u32,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) flags: Flags,
    pub(crate) is_root: bool,
}

impl TraceTable {
    /// A table for `max` traces, whose memory is allocated at once.
    pub(crate) fn new(max: usize, wheel: TimerWheel) -> Self {
        Self {
            entries: Vec::with_capacity(max),
            vacant: Vec::with_capacity(max),
            index: HashTable::with_capacity(max),
            hasher: DefaultHashBuilder::default(),
            wheel,
            spans: 0,
            max,
        }
    }

    /// Moves all traces to another table, for `max` traces or as many as there are, with the deadlines that `deadline` returns for the
    /// present ones; `None` for a trace that is out of their order. Returns the new slots by the old ones.
    pub(crate) fn rebuild(
        &mut self,
        max: usize,
        wheel: TimerWheel,
        deadline: impl Fn(&Entry, Option<u64>) -> u64,
    ) -> Vec<u32> {
        let table = Self::new(max.max(self.len()), wheel);
        let mut old = std::mem::replace(self, table);
        let mut slots = vec![u32::MAX; old.entries.len()];
        let mut undue: Vec<u32> = old.index.iter().copied().collect();
        while let Some((slot, due)) = old.wheel.earliest() {
            old.wheel.remove(&mut old.entries, slot);
            self.adopt(&old.entries, &mut slots, slot, |entry| deadline(entry, Some(due)));
        }
        undue.sort_unstable();
        undue.retain(|slot| slots.get(*slot as usize) == Some(&u32::MAX));
        for slot in undue {
            self.adopt(&old.entries, &mut slots, slot, |entry| deadline(entry, None));
        }
        slots
    }

    fn adopt(
        &mut self,
        old: &[Entry],
        slots: &mut [u32],
        slot: u32,
        deadline: impl Fn(&Entry) -> u64,
    ) {
        let Some(entry) = old.get(slot as usize) else { return };
        let new = self.insert(entry.trace_id, deadline(entry));
        if let Some(place) = self.entries.get_mut(new as usize) {
            *place = Entry { links: place.links, ..*entry };
        }
        self.spans += u64::from(entry.spans());
        if let Some(place) = slots.get_mut(slot as usize) {
            *place = new;
        }
    }

    /// The number of traces for which memory is allocated.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// The most bytes of memory of a table for `max` traces.
    pub(crate) fn bytes(max: usize) -> usize {
        max.saturating_mul(size_of::<Entry>() + size_of::<u32>() + 12)
    }

    /// Number of traces.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Number of spans of all traces.
    pub(crate) fn spans(&self) -> u64 {
        self.spans
    }

    #[inline]
    pub(crate) fn find(&self, trace_id: [u8; 16]) -> Option<u32> {
        if self.index.is_empty() {
            return None;
        }
        let entries = &self.entries;
        let is_same = |slot: &u32| {
            entries.get(*slot as usize).is_some_and(|entry| entry.trace_id == trace_id)
        };
        self.index.find(self.hash_of(trace_id), is_same).copied()
    }

    fn hash_of(&self, trace_id: [u8; 16]) -> u64 {
        hash(&self.hasher, trace_id)
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Entry> {
        self.entries.get(slot as usize)
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.entries.get_mut(slot as usize)
    }

    /// Adds a trace without spans, due at the tick `deadline`.
    pub(crate) fn insert(&mut self, trace_id: [u8; 16], deadline: u64) -> u32 {
        let entry = Entry {
            trace_id,
            start: u64::MAX.to_le_bytes(),
            end: [0; 8],
            last: Address::NONE,
            spans_and_flags: 0,
            bytes: 0,
            links: Links::NONE,
        };
        let slot = match self.vacant.pop() {
            Some(slot) => {
                if let Some(place) = self.entries.get_mut(slot as usize) {
                    *place = entry;
                }
                slot
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.index.insert_unique(hash(hasher, trace_id), slot, |slot| {
            let entry = entries.get(*slot as usize);
            hash(hasher, entry.map(|entry| entry.trace_id).unwrap_or_default())
        });
        self.wheel.insert(&mut self.entries, slot, deadline);
        slot
    }

    /// Adds a span to the trace.
    pub(crate) fn add(&mut self, slot: u32, span: Counted) {
        let Some(entry) = self.entries.get_mut(slot as usize) else { return };
        entry.last = span.address;
        entry.bytes = entry.bytes.saturating_add(span.bytes);
        let root = if span.is_root { ROOT } else { 0 };
        entry.spans_and_flags += 1 << 8;
        entry.spans_and_flags |= u32::from(span.flags.0 | root);
        entry.start = u64::from_le_bytes(entry.start).min(span.start).to_le_bytes();
        entry.end = u64::from_le_bytes(entry.end).max(span.end).to_le_bytes();
        self.spans += 1;
    }

    /// Moves the decision to the tick `deadline` if that is earlier.
    pub(crate) fn hasten(&mut self, slot: u32, deadline: u64) {
        #[cfg(feature = "planted-bugs")]
        if planted(TailBug::RootIgnored) {
            return;
        }
        self.wheel.hasten(&mut self.entries, slot, deadline);
    }

    /// The tick at which the decision about a trace is due; `None` once it is out of that order.
    pub(crate) fn deadline(&self, slot: u32) -> Option<u64> {
        self.wheel.deadline(&self.entries.get(slot as usize)?.links)
    }

    /// Takes a trace out of the order in which decisions are due.
    pub(crate) fn set_undue(&mut self, slot: u32) {
        self.wheel.remove(&mut self.entries, slot);
    }

    /// Removes a trace; its spans stay in their store.
    pub(crate) fn remove(&mut self, slot: u32) {
        let Some(entry) = self.entries.get(slot as usize) else { return };
        let hash = self.hash_of(entry.trace_id);
        self.spans -= u64::from(entry.spans());
        if let Ok(found) = self.index.find_entry(hash, |found| *found == slot) {
            found.remove();
        }
        self.wheel.remove(&mut self.entries, slot);
        self.vacant.push(slot);
    }

    /// Another address of the trace's last span.
    pub(crate) fn set_last(&mut self, slot: u32, address: Address) {
        if let Some(entry) = self.entries.get_mut(slot as usize) {
            entry.last = address;
        }
    }

    /// The trace whose decision is due first, if it is due at the tick `now`.
    pub(crate) fn due(&mut self, now: u64) -> Option<u32> {
        #[cfg(feature = "planted-bugs")]
        let now = now + u64::from(planted(TailBug::EarlyDecision));
        self.wheel.due(now)
    }

    /// The trace whose decision is due first.
    pub(crate) fn earliest(&mut self) -> Option<u32> {
        self.wheel.earliest().map(|(slot, _)| slot)
    }

    /// The tick at which the first decision is due.
    pub(crate) fn next_deadline(&mut self) -> Option<u64> {
        let deadline = self.wheel.earliest().map(|(_, deadline)| deadline);
        #[cfg(feature = "planted-bugs")]
        let deadline = deadline.map(|tick| tick + u64::from(planted(TailBug::LateTick)));
        deadline
    }
}

/// Hashed as a number, which takes a tenth of the instructions that an array takes.
fn hash(hasher: &DefaultHashBuilder, trace_id: [u8; 16]) -> u64 {
    hasher.hash_one(u128::from_le_bytes(trace_id))
}

impl AsMut<Links> for Entry {
    fn as_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

const _: () = assert!(size_of::<Entry>() == 56);
