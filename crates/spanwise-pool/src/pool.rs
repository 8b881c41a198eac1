mod acquire;
mod counters;
mod order;
mod park;
mod read;
mod search;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::cursor;
use crate::discarding::Discarding;
use crate::limits;
use crate::slot::{Held, Slot, State};
use crate::sync::{AtomicU32, AtomicUsize};
use crate::{PoolStats, Reset, Trimmed};
use counters::Rare;
use order::{PROBES, below};

/// An object pool, bounded in number and bytes; each object has one user at a time.
///
/// The pool is an array of slots with one object each. An acquired object stays in its slot and is
/// used in place, so `capacity` counts idle and acquired objects. When all are acquired, the pool makes
/// a detached object, which has no slot, and frees it on release unless a slot has become empty.
pub struct Pool<T> {
    slots: Box<[Slot<T>]>,
    byte_limit: usize,
    /// Incremented by [`trim`](Pool::trim): an object that was last used in an earlier epoch is unused.
    epoch: AtomicU32,
    /// Bytes charged for the objects in slots; maintained only if there is a limit.
    charged: AtomicUsize,
    rare: Rare,
}

impl<T: Reset> Pool<T> {
    /// An empty pool of at most `capacity` objects; with 0, it retains none. `capacity` is reduced to 2²⁰
    /// and to 64 MiB of slots: see [`capacity`](Self::capacity).
    ///
    /// # Cost
    /// `capacity` slots of 64 bytes (more if `T` is larger than 24), allocated now and never again.
    pub fn new(capacity: usize) -> Self {
        let capacity = limits::slots(capacity, size_of::<Slot<T>>());
        Pool {
            slots: (0..capacity).map(|_| Slot::empty()).collect(),
            byte_limit: usize::MAX,
            epoch: AtomicU32::new(0),
            charged: AtomicUsize::new(0),
            rare: Rare::default(),
        }
    }

    /// A pool of at most `capacity` objects, filled with objects of `make`.
    pub fn prefilled(capacity: usize, mut make: impl FnMut() -> T) -> Self {
        let pool = Pool::new(capacity);
        for slot in &pool.slots {
            if let Some(vacant) = slot.claim_empty() {
                pool.park(pool.leaving(vacant.fill(make())));
            }
        }
        pool
    }

    /// Retains objects of at most `bytes` bytes together, as [`Reset::retained_bytes`] counts them.
    /// A released object that does not fit is freed. Default: no limit.
    ///
    /// # Cost
    /// An atomic read-modify-write for each object whose bytes have changed since its last release.
    pub fn with_byte_limit(mut self, bytes: usize) -> Self {
        self.byte_limit = bytes;
        // Objects that the pool holds already are charged, or freed.
        self.charged.store(0, Relaxed);
        for slot in &self.slots {
            if let Some(held) = slot.claim_idle() {
                held.set_bytes(0);
                self.park(self.leaving(held));
            }
        }
        self
    }

    /// Takes an object out of the pool; `None` if none is retained. [`put`](Pool::put) returns it, which
    /// is optional.
    ///
    /// # Cost
    /// One atomic read-modify-write, and a move of the object; before it returns `None`, it looks at
    /// each slot.
    #[inline]
    pub fn try_take(&self) -> Option<T> {
        self.claim_anywhere().map(|held| {
            self.uncharge(&held);
            held.move_out_counted()
        })
    }

    /// Takes an object out of the pool, or makes one.
    ///
    /// # Cost
    /// As [`try_take`](Pool::try_take), but it looks at no more slots than [`acquire`](Pool::acquire).
    pub fn take_or(&self, make: impl FnOnce() -> T) -> T {
        match self.claim_at_cursor().or_else(|| self.claim_near()) {
            Some(held) => {
                self.uncharge(&held);
                held.move_out_counted()
            }
            None => {
                let made = make();
                self.rare.detached.fetch_add(1, Relaxed);
                made
            }
        }
    }

    /// Returns an object that was taken. The pool resets it, and retains it if
    /// [`reset`](Reset::reset) returns `true`.
    ///
    /// # Errors
    /// The pool is full, by number or by bytes: the error is the object, after its reset. In a pool of
    /// more than 64 slots, the search for an empty one ends after 64.
    ///
    /// # Cost
    /// As [`try_take`](Pool::try_take).
    pub fn put(&self, object: T) -> Result<(), T> {
        // Counted as returned also if `reset` panics, which drops the object.
        let detached = DetachedRelease(self);
        let put = self.place(object, true);
        if matches!(put, Ok(Placed::InSlot)) {
            std::mem::forget(detached);
        }
        put.map(drop)
    }

    /// Adds an object that was not taken from the pool. The pool resets it, and retains it if
    /// [`reset`](Reset::reset) returns `true`.
    ///
    /// # Errors
    /// As [`put`](Pool::put).
    pub fn add(&self, object: T) -> Result<(), T> {
        self.place(object, false).map(drop)
    }

    /// Frees the objects that were not used since the last call.
    ///
    /// Call it periodically: with one call every 30 seconds, a pool that a burst has filled shrinks to
    /// the objects in use within a minute after the burst.
    pub fn trim(&self) -> Trimmed {
        let epoch = self.epoch.fetch_add(1, Relaxed);
        self.evict(|slot| slot.used() != epoch)
    }

    /// As [`trim`](Self::trim), and calls `shrink` on the idle objects that remain, so that an object
    /// can free the memory it has grown by.
    pub fn trim_with(&self, shrink: impl Fn(&mut T)) -> Trimmed {
        let mut trimmed = self.trim();
        for slot in self.slots.iter().filter(|slot| slot.state() == State::Idle) {
            let Some(held) = slot.claim_idle() else { continue };
            let (used, before) = (slot.used(), slot.bytes());
            let mut leaving = self.leaving(held);
            if let Some(held) = &mut leaving.held {
                shrink(held.object_mut());
            }
            // This is no use of the object: the epoch stays the same.
            self.park_as(leaving, used);
            let less = before.saturating_sub(slot.bytes());
            trimmed.bytes = trimmed.bytes.saturating_add(less);
        }
        trimmed
    }

    /// Frees all retained objects.
    pub fn clear(&self) {
        let _all_of_them = self.evict(|_| true);
    }

    /// The maximum number of objects, idle and acquired.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// The maximum number of bytes that retained objects hold together.
    pub fn byte_limit(&self) -> usize {
        self.byte_limit
    }

    /// Statistics since the pool was created.
    ///
    /// # Cost
    /// A look at each slot.
    pub fn stats(&self) -> PoolStats {
        self.read()
    }

    /// Resets an object and moves it into an empty slot. `was_out`: the object counts as acquired until
    /// then.
    fn place(&self, mut object: T, was_out: bool) -> Result<Placed, T> {
        // Counts the object as discarded also if the calls below panic.
        let discarding = Discarding(&self.rare.discarded);
        if !object.reset() {
            return Ok(Placed::NotRetained);
        }
        let bytes = object.retained_bytes();
        std::mem::forget(discarding);
        if !self.charge(bytes) {
            return Err(object);
        }
        for index in below(cursor::get(), self.slots.len()).take(2 * PROBES) {
            let Some(slot) = self.slots.get(index) else { break };
            if slot.state() == State::Empty
                && let Some(vacant) = slot.claim_empty()
            {
                let held = if was_out { vacant.fill_counted(object) } else { vacant.fill(object) };
                held.set_bytes(bytes);
                held.park(self.epoch.load(Relaxed));
                cursor::set(index);
                return Ok(Placed::InSlot);
            }
        }
        self.discharge(bytes);
        Err(object)
    }

    #[inline(always)]
    fn hand_out<'a>(&'a self, held: Held<'a, T>) -> Held<'a, T> {
        held.count_hit();
        let mut leaving = self.leaving(held);
        if let Some(held) = &mut leaving.held {
            held.object_mut().prepare();
        }
        leaving.stay()
    }

    /// Releases the object of a guard, which is in its slot.
    #[inline(always)]
    pub(crate) fn release<'a>(&'a self, held: Held<'a, T>) {
        cursor::lower_to(self.index_of(held.slot()));
        let mut leaving = self.leaving(held);
        if let Some(held) = &mut leaving.held
            && held.object_mut().reset()
        {
            self.park(leaving);
        }
    }

    /// Releases a detached object.
    #[cold]
    pub(crate) fn release_detached(&self, object: T) {
        if let Err(object) = self.put(object) {
            self.discard(object);
        }
    }

    /// As [`add`](Self::add), and drops the object if the pool is full.
    pub(crate) fn add_or_discard(&self, object: T) {
        if let Err(object) = self.add(object) {
            self.discard(object);
        }
    }

    /// Drops a released object.
    pub(crate) fn discard(&self, object: T) {
        // Before its drop, which may panic.
        self.discarded();
        drop(object);
    }

    /// Moves a guard's object out of the pool.
    pub(crate) fn remove(&self, held: Held<'_, T>) -> T {
        self.uncharge(&held);
        held.move_out()
    }

    pub(crate) fn detached_released(&self) {
        self.rare.detached.fetch_sub(1, Relaxed);
    }

    fn evict(&self, which: impl Fn(&Slot<T>) -> bool) -> Trimmed {
        let mut trimmed = Trimmed::default();
        for slot in &self.slots {
            if slot.state() != State::Idle || !which(slot) {
                continue;
            }
            if let Some(held) = slot.claim_idle() {
                trimmed.objects += 1;
                trimmed.bytes = trimmed.bytes.saturating_add(slot.bytes());
                drop(self.remove(held));
            }
        }
        trimmed
    }

    #[inline(always)]
    fn index_of(&self, slot: &Slot<T>) -> usize {
        // All slots are in one array; an address outside of it would only give a worse cursor.
        let start = self.slots.as_ptr().addr();
        std::ptr::from_ref(slot).addr().wrapping_sub(start) / size_of::<Slot<T>>()
    }
}

/// `pool` with a byte limit; a new pool without the counts so far if guards still reference `pool`.
pub(crate) fn limited<T: Reset>(pool: Arc<Pool<T>>, bytes: usize) -> Arc<Pool<T>> {
    let pool = Arc::try_unwrap(pool).unwrap_or_else(|held| Pool::new(held.capacity()));
    Arc::new(pool.with_byte_limit(bytes))
}

/// Counts a taken object as returned when dropped.
struct DetachedRelease<'a, T: Reset>(&'a Pool<T>);

impl<T: Reset> Drop for DetachedRelease<'_, T> {
    fn drop(&mut self) {
        self.0.detached_released();
    }
}

/// The outcome of moving an object into the pool.
enum Placed {
    InSlot,
    NotRetained,
}
