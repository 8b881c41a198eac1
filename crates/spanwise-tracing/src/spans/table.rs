//! [`SpanTable`]: finds the open span of a `tracing` id.

use super::open_span::{OpenGuard, Slot};
use spanwise_batch::Charge;
use spanwise_worker::fork;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

/// The open spans by id.
///
/// A fixed table of slots, which stay for the next span, and behind it maps for the spans that find no slot. The
/// extensions of a registry would take an allocation and a lock for each span.
pub(crate) struct SpanTable {
    slots: Box<[OnceLock<Arc<Slot>>]>,
    overflow: Box<[Mutex<SlotMap>]>,
    /// Spans in the maps.
    overflowed: AtomicUsize,
    max_overflowed: usize,
    /// [`fork::generation`] of the process the table was made in.
    process: u32,
}

type SlotMap = HashMap<u64, Arc<Slot>>;

/// Holds the slot of a span that a map has, while the caller uses it; `None` for the slots of the table.
pub(super) type InMap = Option<Arc<Slot>>;

impl SpanTable {
    /// A table for at most `max_open` spans.
    pub(super) fn new(max_open: usize) -> Self {
        let max_open = max_open.max(1);
        let slots = max_open.min(MAX_SLOTS).next_power_of_two().min(MAX_SLOTS);
        let slots = if slots > max_open { slots / 2 } else { slots };
        Self {
            slots: (0..slots).map(|_| OnceLock::new()).collect(),
            overflow: (0..MAPS).map(|_| Mutex::default()).collect(),
            overflowed: AtomicUsize::new(0),
            max_overflowed: max_open - slots,
            process: fork::generation(),
        }
    }

    /// Finds the slot of an open span.
    #[inline(always)]
    pub(super) fn find<'a>(&'a self, id: u64, in_map: &'a mut InMap) -> Option<&'a Arc<Slot>> {
        let first = first_place(id);
        let slot = self.slots.get(self.place(first, 0)).and_then(OnceLock::get);
        if let Some(slot) = slot
            && slot.id() == id
        {
            return Some(slot);
        }
        self.find_behind(id, first, in_map)
    }

    /// As [`find`](Self::find), for a span that is not in its first place.
    #[inline(never)]
    fn find_behind<'a>(
        &'a self,
        id: u64,
        first: usize,
        in_map: &'a mut InMap,
    ) -> Option<&'a Arc<Slot>> {
        for probe in 1..PROBES {
            let slot = self.slots.get(self.place(first, probe)).and_then(OnceLock::get);
            if let Some(slot) = slot
                && slot.id() == id
            {
                return Some(slot);
            }
        }
        *in_map = self.find_in_map(id, first);
        in_map.as_ref()
    }

    /// Finds a free slot for the span `id`, and locks it. `None` if no slot is free, or `charge` permits no further one. A slot that is
    /// `in_map` is one for [`insert_in_map`](Self::insert_in_map), once the caller has filled it.
    #[inline(always)]
    pub(super) fn insert<'a>(
        &'a self,
        id: u64,
        charge: impl Fn(usize) -> Option<Charge>,
        in_map: &'a mut InMap,
    ) -> Option<(&'a Arc<Slot>, OpenGuard<'a>)> {
        let first = first_place(id);
        if let Some(slot) = self.slots.get(self.place(first, 0)).and_then(OnceLock::get)
            && let Some(open) = slot.take_for(id)
        {
            return Some((slot, open));
        }
        self.insert_behind(id, first, &charge, in_map)
    }

    /// As [`insert`](Self::insert), for a span whose first place is taken or new.
    #[inline(never)]
    fn insert_behind<'a>(
        &'a self,
        id: u64,
        first: usize,
        charge: &dyn Fn(usize) -> Option<Charge>,
        in_map: &'a mut InMap,
    ) -> Option<(&'a Arc<Slot>, OpenGuard<'a>)> {
        for probe in 0..PROBES {
            let Some(cell) = self.slots.get(self.place(first, probe)) else { break };
            let Some(slot) = cell.get().or_else(|| initialize(cell, charge)) else { break };
            if let Some(open) = slot.take_for(id) {
                return Some((slot, open));
            }
        }
        let slot = in_map.insert(self.new_for_map(charge)?);
        slot.set_id(id);
        Some((slot, slot.lock()))
    }

    /// All slots, of open spans or free.
    pub(super) fn slots(&self) -> impl Iterator<Item = Arc<Slot>> {
        let in_maps = (0..MAPS).filter_map(|place| self.map(place)).flat_map(|map| {
            let slots: Vec<_> = map.values().cloned().collect();
            slots
        });
        self.slots.iter().filter_map(OnceLock::get).cloned().chain(in_maps)
    }

    #[inline(always)]
    fn place(&self, first: usize, probe: usize) -> usize {
        first.wrapping_add(probe) & (self.slots.len() - 1)
    }

    #[cold]
    #[inline(never)]
    fn find_in_map(&self, id: u64, first: usize) -> Option<Arc<Slot>> {
        if self.overflowed.load(Relaxed) == 0 {
            return None;
        }
        self.map(first)?.get(&id).cloned()
    }

    /// A slot of the maps, if they permit a further one.
    #[cold]
    #[inline(never)]
    fn new_for_map(&self, charge: &dyn Fn(usize) -> Option<Charge>) -> Option<Arc<Slot>> {
        let permit = |open: usize| (open < self.max_overflowed).then_some(open + 1);
        self.overflowed.fetch_update(Relaxed, Relaxed, permit).ok()?;
        let Some(charge) = charge(size_of::<Slot>() + MAP_ENTRY_BYTES) else {
            self.overflowed.fetch_sub(1, Relaxed);
            return None;
        };
        Some(Arc::new(Slot::in_map(charge)))
    }

    /// Adds a slot that [`insert`](Self::insert) has returned to the maps.
    #[cold]
    #[inline(never)]
    pub(super) fn insert_in_map(&self, id: u64, slot: Arc<Slot>) {
        let first = first_place(id);
        let is_new = self.map(first).is_some_and(|mut map| map.insert(id, slot).is_none());
        if !is_new {
            self.overflowed.fetch_sub(1, Relaxed);
        }
    }

    pub(super) fn remove_from_map(&self, id: u64) {
        let removed = self.map(first_place(id)).and_then(|mut map| map.remove(&id));
        if removed.is_some() {
            self.overflowed.fetch_sub(1, Relaxed);
        }
    }

    fn map(&self, first: usize) -> Option<MutexGuard<'_, SlotMap>> {
        let map = self.overflow.get(first & (MAPS - 1))?;
        match map.try_lock() {
            Ok(map) => Some(map),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            // A forked child may have no thread that would release the lock.
            Err(TryLockError::WouldBlock) if fork::generation() != self.process => None,
            Err(TryLockError::WouldBlock) => {
                Some(map.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }
}

/// Makes the slot of a cell.
#[cold]
fn initialize<'a>(
    cell: &'a OnceLock<Arc<Slot>>,
    charge: &dyn Fn(usize) -> Option<Charge>,
) -> Option<&'a Arc<Slot>> {
    let charge = charge(size_of::<Slot>())?;
    // Not `get_or_init`: a fork meanwhile would leave the cell locked in the child.
    let _ = cell.set(Arc::new(Slot::new(charge)));
    cell.get()
}

/// The first place of an id.
///
/// An id of a registry has the place of the span, above it the number of the thread, and above that how often the place was used. The
/// latter is left out: a thread that opens and closes one span at a time then uses one slot, which stays in its cache, and not each slot in
/// turn. Ids of another subscriber may come in any order; a span without a free place goes to the maps.
#[inline(always)]
fn first_place(id: u64) -> usize {
    let place = id & ((1 << PLACE_BITS) - 1);
    let thread = (id >> PLACE_BITS) & ((1 << THREAD_BITS) - 1);
    place.wrapping_add(thread.wrapping_mul(THREAD_DISTANCE)) as usize
}

/// The bits of the place and of the thread in an id of `tracing-subscriber`'s registry.
const PLACE_BITS: u32 = 38;
const THREAD_BITS: u32 = 13;
/// The distance between the places of two threads. By the golden ratio of the slots, so that the places of any number of threads are far
/// from each other.
const THREAD_DISTANCE: u64 = 2531;
/// The slots of a table at most.
const MAX_SLOTS: usize = 4096;
/// The slots that an id can have.
const PROBES: usize = 4;
/// The maps for spans without a slot.
const MAPS: usize = 16;
/// An entry of a map, at its usual load.
const MAP_ENTRY_BYTES: usize = 32;
