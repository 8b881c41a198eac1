//! [`Places`]: open spans whose ids name their place in memory.

use super::free_places::FreePlaces;
use super::open_span::{OpenGuard, Slot};
use spanwise_batch::Charge;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tracing_core::Metadata;

/// The open spans of a subscriber that assigns the ids itself: an id is the number of a place and the place's generation,
/// which counts the spans that it has held. An id of a closed span finds a later generation.
pub(crate) struct Places {
    /// Made one by one, each with [`CHUNK`] places.
    chunks: Box<[OnceLock<Box<[Place]>>]>,
    max_open: usize,
    free: Arc<FreePlaces>,
    /// The generation of a place's first span. It differs by subscriber: an id of another one finds no span, in all
    /// probability.
    first_generation: u32,
    /// The ids of spans without a place.
    untracked: AtomicU32,
}

/// The place of one open span at a time.
#[repr(align(64))]
struct Place {
    /// The generation in the upper half, the references to its span in the lower; without any, the place is free.
    state: AtomicU64,
    /// The open span that this one refers to as its parent; 0 for none.
    parent: AtomicU64,
    /// Of the callsite: a reference without end.
    metadata: AtomicPtr<Metadata<'static>>,
    slot: Arc<Slot>,
}

impl Places {
    /// For at most `max_open` spans of the subscriber `owner`.
    pub(super) fn new(owner: u64, max_open: usize) -> Self {
        let max_open = max_open.clamp(1, MAX_PLACES);
        Self {
            chunks: (0..max_open.div_ceil(CHUNK)).map(|_| OnceLock::new()).collect(),
            max_open,
            free: Arc::new(FreePlaces::new(owner, max_open)),
            first_generation: (owner as u32).wrapping_mul(0x9E37_79B9),
            untracked: AtomicU32::new(0),
        }
    }

    /// The id of a new span with one reference, and its slot. If no place is free, or `charge` permits no further one, it is an id that
    /// finds no span.
    #[inline(always)]
    pub(crate) fn reserve(
        &self,
        metadata: &'static Metadata<'static>,
        parent: Option<u64>,
        charge: impl Fn(usize) -> Option<Charge>,
    ) -> (u64, Option<&Arc<Slot>>) {
        let number = self.free.take(|made| self.grow(made, &charge));
        let Some((number, place)) = number.and_then(|number| Some((number, self.place(number)?)))
        else {
            return (self.untracked_id(), None);
        };
        let parent = parent.filter(|&parent| self.retain(parent));
        place.parent.store(parent.unwrap_or_default(), Ordering::Relaxed);
        place.metadata.store(ptr::from_ref(metadata).cast_mut(), Ordering::Relaxed);
        let generation = place.state.load(Ordering::Relaxed) & GENERATION;
        // ORDER: Relaxed. A thread that uses the id has received it from this one, and with it these stores.
        place.state.store(generation | 1, Ordering::Relaxed);
        (generation | u64::from(number + 1), Some(&place.slot))
    }

    /// Adds a reference to an open span. Returns false if it is closed.
    #[inline]
    pub(crate) fn retain(&self, id: u64) -> bool {
        let add = |references: u32| Some(references.saturating_add(1));
        self.place(number_of(id)).and_then(|place| place.change_references(id, add)).is_some()
    }

    /// Gives up a reference to an open span, and returns the locked slot of the span if it was the last one: its id is not open any
    /// more, and no other span has the place until [`free`](Self::free). `None` if the span has other references, or is closed.
    #[inline(always)]
    pub(crate) fn release(&self, id: u64) -> Option<(&Slot, OpenGuard<'_>)> {
        let place = self.place(number_of(id))?;
        if place.state.load(Ordering::Acquire) == id & GENERATION | 1 {
            return place.release_last(id);
        }
        self.release_shared(place, id)
    }

    #[inline(never)]
    fn release_shared<'a>(&self, place: &'a Place, id: u64) -> Option<(&'a Slot, OpenGuard<'a>)> {
        let before = place.change_references(id, |references| match references {
            1 => None,
            // References without number: the span stays open.
            u32::MAX => Some(u32::MAX),
            _ => Some(references - 1),
        });
        // Other threads have given up theirs meanwhile, or the span is closed.
        if before.is_none() { place.release_last(id) } else { None }
    }

    /// Frees the place of a span after its last reference, and returns the span's reference to its parent.
    #[inline(always)]
    pub(crate) fn free(&self, id: u64) -> Option<u64> {
        let number = number_of(id);
        let parent = self.place(number)?.parent.load(Ordering::Relaxed);
        self.free.give(number);
        (parent != 0).then_some(parent)
    }

    /// The callsite of an open span.
    pub(crate) fn metadata(&self, id: u64) -> Option<&'static Metadata<'static>> {
        let place = self.place(number_of(id))?;
        let state = place.state.load(Ordering::Acquire);
        let is_open = state & GENERATION == id & GENERATION && state as u32 != 0;
        let metadata = place.metadata.load(Ordering::Relaxed);
        // SAFETY: null or from a `&'static Metadata<'static>`, which `reserve` stores.
        unsafe { metadata.as_ref() }.filter(|_| is_open)
    }

    /// The slot that `id` names, whichever span it holds.
    #[inline(always)]
    pub(super) fn slot(&self, id: u64) -> Option<&Arc<Slot>> {
        Some(&self.place(number_of(id))?.slot)
    }

    /// The slots of all places, taken or free.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Arc<Slot>> {
        let chunks = self.chunks.iter().filter_map(OnceLock::get);
        chunks.flat_map(|chunk| chunk.iter().map(|place| &place.slot))
    }

    #[inline(always)]
    fn place(&self, number: u32) -> Option<&Place> {
        let number = number as usize;
        self.chunks.get(number / CHUNK)?.get()?.get(number % CHUNK)
    }

    /// Makes a chunk of places behind the first `made` ones, and returns their number.
    fn grow(&self, made: usize, charge: impl Fn(usize) -> Option<Charge>) -> usize {
        let count = CHUNK.min(self.max_open - made);
        let charged = |_| charge(size_of::<Place>() + size_of::<Slot>());
        let Some(charges) = (0..count).map(charged).collect::<Option<Vec<Charge>>>() else {
            return 0;
        };
        let place = |charge| Place {
            state: AtomicU64::new(u64::from(self.first_generation) << u32::BITS),
            parent: AtomicU64::new(0),
            metadata: AtomicPtr::default(),
            slot: Arc::new(Slot::new(charge)),
        };
        let chunk = charges.into_iter().map(place).collect();
        let set = self.chunks.get(made / CHUNK).map(|cell| cell.set(chunk));
        if matches!(set, Some(Ok(()))) { count } else { 0 }
    }

    #[cold]
    #[inline(never)]
    fn untracked_id(&self) -> u64 {
        let number = self.untracked.fetch_add(1, Ordering::Relaxed);
        u64::from(number) << u32::BITS | u64::from(u32::MAX)
    }
}

impl Place {
    /// Gives up the last reference to an open span.
    #[inline(always)]
    fn release_last(&self, id: u64) -> Option<(&Slot, OpenGuard<'_>)> {
        // Under the lock that the end of the span takes anyway: of the threads that give up one reference, by mistake, one closes the span.
        let open = self.slot.lock();
        let state = self.state.load(Ordering::Acquire);
        // Without references, the place is free: an id of another subscriber may name the generation that it has next.
        if state & GENERATION != id & GENERATION || state as u32 == 0 {
            return None;
        }
        // A store instead of a locked instruction. A thread that adds a reference now has only the id, and refers to a closed span, as it
        // would a moment later.
        // ORDER: the Acquire above pairs with the Release of the threads that have given up theirs; Release, as theirs.
        self.state.store((id & GENERATION).wrapping_add(ONE_GENERATION), Ordering::Release);
        Some((&self.slot, open))
    }

    /// Changes the number of references to an open span, which stays open, and returns the number before. `None` if the span is closed,
    /// or `change` changes nothing.
    #[inline(always)]
    fn change_references(&self, id: u64, change: impl Fn(u32) -> Option<u32>) -> Option<u32> {
        let changed = |state: u64| {
            let references = state as u32;
            if state & GENERATION != id & GENERATION || references == 0 {
                return None;
            }
            Some((state & GENERATION) | u64::from(change(references)?))
        };
        // ORDER: AcqRel, as the count of an `Arc`: the end of a span comes after all uses by other threads.
        let before = self.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, changed);
        before.ok().map(|state| state as u32)
    }
}

/// The number of the place that an id names.
#[inline(always)]
fn number_of(id: u64) -> u32 {
    (id as u32).wrapping_sub(1)
}

/// The generation, in the state of a place and in an id.
const GENERATION: u64 = !(u32::MAX as u64);
const ONE_GENERATION: u64 = 1 << u32::BITS;
/// The places that are made at a time.
const CHUNK: usize = 64;
/// The most places of a subscriber.
const MAX_PLACES: usize = 1 << 24;
