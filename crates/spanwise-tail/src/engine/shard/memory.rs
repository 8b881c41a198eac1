//! The memory of a shard: what has space, and how space is made.

use super::{GroupFields, Refused, Shard, chain};
use crate::engine::decided_trace::DecisionCause;
use crate::engine::group_table::GroupTable;
use crate::engine::output::TailOutput;
use crate::engine::span_index::Address;
use crate::engine::span_store::Moved;
#[cfg(feature = "planted-bugs")]
use crate::planted::{TailBug, planted};

impl Shard {
    /// Whether the group of a span and, with its length, the span can be stored.
    pub(super) fn has_memory(&self, len: Option<usize>, fields: GroupFields<'_>) -> bool {
        let group = match self.open_group {
            Some(_) => 0,
            None => GroupTable::cost(fields.resource, fields.scope),
        };
        let free = self.settings.span_bytes.saturating_sub(self.span_memory());
        #[cfg(feature = "planted-bugs")]
        let free = if planted(TailBug::BudgetIgnored) { usize::MAX } else { free };
        let span = match len {
            Some(len) => self.store.cost(len).map(|cost| cost + size_of::<Address>()),
            None => Some(0),
        };
        span.is_some_and(|span| span.saturating_add(group) <= free)
    }

    /// Whether a span of `len` bytes can be stored when no other is.
    pub(super) fn ever_has_memory(&self, len: usize, fields: GroupFields<'_>) -> bool {
        let group = GroupTable::cost(fields.resource, fields.scope);
        let span = self.store.largest_cost(len).map(|cost| cost + size_of::<Address>());
        span.is_some_and(|span| span.saturating_add(group) <= self.settings.span_bytes)
    }

    /// Decides the trace that is due first, or refuses.
    pub(super) fn make_space(&mut self, output: &mut dyn TailOutput) -> Result<(), Refused> {
        if self.settings.blocks {
            return Err(Refused);
        }
        if let Some(slot) = self.table.earliest() {
            self.decide(slot, DecisionCause::Evicted, output);
        }
        Ok(())
    }

    /// Moves the spans of a segment that is mostly free; returns false if there is none.
    pub(super) fn compact(&mut self) -> bool {
        if !self.leaving.is_empty() || !self.long_traces.is_empty() {
            return false;
        }
        let spare = self.settings.span_bytes.saturating_sub(self.span_memory());
        let table = &mut self.table;
        self.store.compact(spare, |store, moved| {
            let Moved { trace, from, to, successor } = moved;
            let Some(last) = table.get(trace).map(|entry| entry.last()) else { return };
            if last == from {
                table.set_last(trace, to);
                return;
            }
            let leads_here = |address: &Address| store.header(*address).previous == from;
            let successor = successor.or_else(|| chain(store, last).find(leads_here));
            if let Some(successor) = successor {
                store.change(successor, |header| header.previous = to);
            }
        })
    }

    pub(super) fn span_memory(&self) -> usize {
        // A decision needs the addresses of all spans of its trace.
        let addresses =
            (self.table.spans() + self.long_traces.spans) as usize * size_of::<Address>();
        self.store.bytes() + self.groups.bytes() + addresses
    }

    /// Bytes of memory, of which the tables' are allocated from the start.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.settings.fixed_bytes + self.span_memory() + self.excess_bytes()
    }
}
