//! [`SpanTable`]: finds the open span of a `tracing` id.

use super::open_span::{OpenSpan, Slot};
use spanwise_batch::Charge;
use spanwise_worker::fork;
use std::collections::HashMap;
use std::ops::Deref;
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

/// A slot that was found.
pub(crate) enum Found<'a> {
    InTable(&'a Arc<Slot>),
    InMap(Arc<Slot>),
}

impl Deref for Found<'_> {
    type Target = Arc<Slot>;

    #[inline(always)]
    fn deref(&self) -> &Arc<Slot> {
        match self {
            Self::InTable(slot) => slot,
            Self::InMap(slot) => slot,
        }
    }
}

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
    pub(super) fn find(&self, id: u64) -> Option<Found<'_>> {
        let first = first_place(id);
        for probe in 0..PROBES {
            let slot = self.slots.get(self.place(first, probe)).and_then(OnceLock::get);
            if let Some(slot) = slot
                && slot.id() == id
            {
                return Some(Found::InTable(slot));
            }
        }
        self.find_in_map(id, first)
    }

    /// Finds a free slot for the span `id`, and passes it to `insert` while its lock is held. `None` if no slot is free, or
    /// `charge` permits no further one.
    #[inline(always)]
    pub(super) fn insert<T>(
        &self,
        id: u64,
        charge: impl Fn(usize) -> Option<Charge>,
        insert: impl FnOnce(&Arc<Slot>, &mut OpenSpan) -> T,
    ) -> Result<T, NoSlot> {
        let first = first_place(id);
        for probe in 0..PROBES {
            let Some(cell) = self.slots.get(self.place(first, probe)) else { break };
            let Some(slot) = cell.get().or_else(|| initialize(cell, &charge)) else { break };
            if slot.id() == 0
                && let Some(mut open) = slot.try_lock()
                && slot.id() == 0
            {
                slot.set_id(id);
                return Ok(insert(slot, &mut open));
            }
        }
        self.insert_in_map(id, first, &charge, insert)
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
    fn find_in_map(&self, id: u64, first: usize) -> Option<Found<'_>> {
        if self.overflowed.load(Relaxed) == 0 {
            return None;
        }
        self.map(first)?.get(&id).cloned().map(Found::InMap)
    }

    #[cold]
    #[inline(never)]
    fn insert_in_map<T>(
        &self,
        id: u64,
        first: usize,
        charge: &dyn Fn(usize) -> Option<Charge>,
        insert: impl FnOnce(&Arc<Slot>, &mut OpenSpan) -> T,
    ) -> Result<T, NoSlot> {
        let permit = |open: usize| (open < self.max_overflowed).then_some(open + 1);
        if self.overflowed.fetch_update(Relaxed, Relaxed, permit).is_err() {
            return Err(NoSlot);
        }
        let Some(charge) = charge(size_of::<Slot>() + MAP_ENTRY_BYTES) else {
            self.overflowed.fetch_sub(1, Relaxed);
            return Err(NoSlot);
        };
        let slot = Arc::new(Slot::new(charge));
        slot.set_id(id);
        let inserted = insert(&slot, &mut slot.lock());
        let is_new = self.map(first).is_some_and(|mut map| map.insert(id, slot).is_none());
        if !is_new {
            self.overflowed.fetch_sub(1, Relaxed);
        }
        Ok(inserted)
    }

    #[cold]
    #[inline(never)]
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

/// No slot is free, or the byte budget is used up.
pub(crate) struct NoSlot;

/// Makes the slot of a cell.
#[cold]
fn initialize(
    cell: &OnceLock<Arc<Slot>>,
    charge: impl Fn(usize) -> Option<Charge>,
) -> Option<&Arc<Slot>> {
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
