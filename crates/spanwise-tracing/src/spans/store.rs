//! [`Store`]: finds the open span of an id, of a registry or of the subscriber itself.

use super::open_span::{OpenGuard, Slot};
use super::places::Places;
use super::table::{InMap, SpanTable};
use spanwise_batch::Charge;
use std::sync::Arc;

/// The open spans.
pub(super) enum Store {
    /// Of a layer: a registry assigns the ids.
    Table(SpanTable),
    /// Of a subscriber, which assigns the ids itself.
    Places(Places),
}

/// The slot that a subscriber has reserved for a new span; `None` for the spans of a layer.
pub(super) type Reserved<'a> = Option<&'a Arc<Slot>>;

impl Store {
    /// Finds the slot of an open span. `in_map` holds it, if it is one of a map.
    #[inline(always)]
    pub(super) fn find<'a>(&'a self, id: u64, in_map: &'a mut InMap) -> Option<&'a Arc<Slot>> {
        match self {
            Self::Table(table) => table.find(id, in_map),
            Self::Places(places) => places.slot(id).filter(|slot| slot.id() == id),
        }
    }

    /// Finds a slot for the new span `id`, and locks it: the reserved one of a subscriber. `None` if no slot is free, or `charge`
    /// permits no further one. After the caller has filled it, [`complete`](Self::complete) makes it one that others find.
    #[inline(always)]
    pub(super) fn insert<'a>(
        &'a self,
        id: u64,
        reserved: Reserved<'a>,
        charge: impl Fn(usize) -> Option<Charge>,
        in_map: &'a mut InMap,
    ) -> Option<(&'a Arc<Slot>, OpenGuard<'a>)> {
        if let Self::Table(table) = self {
            return table.insert(id, charge, in_map);
        }
        let slot = reserved?;
        let open = slot.lock();
        slot.set_id(id);
        Some((slot, open))
    }

    /// Completes an [`insert`](Self::insert).
    #[inline(always)]
    pub(super) fn complete(&self, id: u64, in_map: InMap) {
        if let (Some(slot), Self::Table(table)) = (in_map, self) {
            table.insert_in_map(id, slot);
        }
    }

    /// Removes a span whose slot is in a map.
    #[cold]
    #[inline(never)]
    pub(super) fn remove_from_map(&self, id: u64) {
        if let Self::Table(table) = self {
            table.remove_from_map(id);
        }
    }

    /// All slots, of open spans or free.
    pub(super) fn slots(&self) -> Vec<Arc<Slot>> {
        match self {
            Self::Table(table) => table.slots().collect(),
            Self::Places(places) => places.slots().cloned().collect(),
        }
    }
}
