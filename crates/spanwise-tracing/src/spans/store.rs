//! [`Store`]: finds the open span of an id, of a registry or of the subscriber itself.

use super::open_span::{OpenSpan, Slot};
use super::places::Places;
use super::table::{Found, NoSlot, SpanTable};
use spanwise_batch::Charge;
use std::sync::Arc;

/// The open spans.
pub(super) enum Store {
    /// Of a layer: a registry assigns the ids.
    Table(SpanTable),
    /// Of a subscriber, which assigns the ids itself.
    Places(Places),
}

impl Store {
    /// Finds the slot of an open span.
    #[inline(always)]
    pub(super) fn find(&self, id: u64) -> Option<Found<'_>> {
        match self {
            Self::Table(table) => table.find(id),
            Self::Places(places) => {
                places.slot(id).filter(|slot| slot.id() == id).map(Found::InTable)
            }
        }
    }

    /// Passes the slot of the new span `id` to `insert` while its lock is held. An error if no slot is free, or `charge`
    /// permits no further one.
    #[inline(always)]
    pub(super) fn insert<T>(
        &self,
        id: u64,
        charge: impl Fn(usize) -> Option<Charge>,
        insert: impl FnOnce(&Arc<Slot>, &mut OpenSpan) -> T,
    ) -> Result<T, NoSlot> {
        match self {
            Self::Table(table) => table.insert(id, charge, insert),
            Self::Places(places) => places.insert(id, insert),
        }
    }

    /// Removes the span from its slot, and returns its parts.
    #[inline(always)]
    pub(super) fn remove<T>(
        &self,
        id: u64,
        take: impl FnOnce(&Slot, &mut OpenSpan) -> T,
    ) -> Option<T> {
        let slot = self.find(id)?;
        let mut open = slot.lock();
        if slot.id() != id {
            return None;
        }
        let taken = take(&slot, &mut open);
        open.generation += 1;
        slot.set_id(0);
        drop(open);
        if let (Found::InMap(_), Self::Table(table)) = (&slot, self) {
            table.remove_from_map(id);
        }
        Some(taken)
    }

    /// All slots, of open spans or free.
    pub(super) fn slots(&self) -> Vec<Arc<Slot>> {
        match self {
            Self::Table(table) => table.slots().collect(),
            Self::Places(places) => places.slots().cloned().collect(),
        }
    }
}
