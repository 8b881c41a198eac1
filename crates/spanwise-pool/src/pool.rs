mod counters;
mod search;
mod settle;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::cursor;
use crate::discarding::Discarding;
use crate::limits;
use crate::pooled::{Pooled, PooledOwned};
use crate::slot::{Held, Slot, State};
use crate::sync::{AtomicU32, AtomicUsize};
use crate::{PoolStats, Reset, Trimmed};
use counters::Rare;
use search::{PROBES, below};
use settle::Leaving;

/// Objects kept for reuse: bounded in number and bytes, never two holders of one.
///
/// A row of slots with one object each. Lent objects stay in their slot and are used in place, so
/// `capacity` counts those at rest and those on loan; when all are on loan, an object is made that
/// is nobody's but the borrower's, and let go afterwards unless a slot has become empty.
pub struct Pool<T> {
    slots: Box<[Slot<T>]>,
    byte_limit: usize,
    /// Counted up by [`trim`](Pool::trim): what has not been used since is idle.
    epoch: AtomicU32,
    /// Bytes that objects in slots are charged with; kept up only where there is a limit.
    charged: AtomicUsize,
    rare: Rare,
}

impl<T: Reset> Pool<T> {
    /// An empty pool of at most `capacity` objects; with 0, it retains none. More than 2²⁰, or than
    /// 64 MiB of slots, is taken for as many: see [`capacity`](Self::capacity).
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

    /// A pool of at most `capacity` objects, filled with as many.
    pub fn prefilled(capacity: usize, mut make: impl FnMut() -> T) -> Self {
        let pool = Pool::new(capacity);
        for slot in &pool.slots {
            if let Some(vacant) = slot.claim_empty() {
                pool.settle(Leaving { pool: &pool, held: Some(vacant.fill(make())) });
            }
        }
        pool
    }

    /// Retains objects of at most `bytes` bytes together, by what [`Reset::retained_bytes`] says.
    /// One that comes home and does not fit is let go. Default: no limit.
    ///
    /// # Cost
    /// An atomic read-modify-write for each object whose bytes have changed since it last came
    /// home; nothing for the others.
    pub fn with_byte_limit(mut self, bytes: usize) -> Self {
        self.byte_limit = bytes;
        // Those that are in already are charged, or go.
        self.charged.store(0, Relaxed);
        for slot in &self.slots {
            if let Some(held) = slot.claim_idle() {
                held.set_bytes(0);
                self.settle(Leaving { pool: &self, held: Some(held) });
            }
        }
        self
    }

    /// Lends an object, retained or made now; it comes home when the guard is dropped, on any
    /// thread.
    ///
    /// # Cost
    /// Lent and given back: one atomic read-modify-write on a line that is this thread's alone as
    /// a rule; no lock, no allocation. When it finds nothing near, it looks at 64 slots at most
    /// before it makes one.
    #[inline]
    pub fn acquire(&self, make: impl FnOnce() -> T) -> Pooled<'_, T> {
        match self.claim_at_cursor() {
            Some(held) => Pooled::in_slot(self, held),
            None => self.lend_from_elsewhere(make),
        }
    }

    /// Lends a retained object; `None` if there is none.
    ///
    /// On a [`filled`](Pool::prefilled) pool this bounds how many are out.
    ///
    /// # Cost
    /// As [`acquire`](Pool::acquire); when all are out, it has looked at each slot.
    #[inline]
    pub fn try_acquire(&self) -> Option<Pooled<'_, T>> {
        self.claim_anywhere().map(|held| Pooled::in_slot(self, held))
    }

    /// [`acquire`](Pool::acquire) whose guard keeps the pool alive and borrows nothing.
    ///
    /// # Cost
    /// Two more atomic read-modify-writes, on the reference count that all threads share. On a hot
    /// path, lend from a pool in a `static` instead: those guards are `'static`, too.
    pub fn acquire_owned(self: &Arc<Self>, make: impl FnOnce() -> T) -> PooledOwned<T> {
        PooledOwned::new(self.acquire(make), Arc::clone(self))
    }

    /// [`try_acquire`](Pool::try_acquire) whose guard keeps the pool alive and borrows nothing.
    ///
    /// # Cost
    /// As [`acquire_owned`](Pool::acquire_owned).
    pub fn try_acquire_owned(self: &Arc<Self>) -> Option<PooledOwned<T>> {
        self.try_acquire().map(|pooled| PooledOwned::new(pooled, Arc::clone(self)))
    }

    /// Takes an object out of the pool; `None` if none is retained. Give it back with
    /// [`put`](Pool::put), or not.
    ///
    /// # Cost
    /// One atomic read-modify-write, and the object is moved; when there is none, it has looked at
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
    /// As [`try_take`](Pool::try_take), but it looks no further than [`acquire`](Pool::acquire).
    pub fn take_or(&self, make: impl FnOnce() -> T) -> T {
        match self.claim_at_cursor().or_else(|| self.claim_near()) {
            Some(held) => {
                self.uncharge(&held);
                held.move_out_counted()
            }
            None => {
                let made = make();
                self.rare.strays.fetch_add(1, Relaxed);
                made
            }
        }
    }

    /// Gives back an object that was taken. It is recycled, and retained if it is worth it.
    ///
    /// # Errors
    /// The pool is full, by number or by bytes: the object comes back, recycled. Of a pool of more
    /// than 64 slots it looks at 64.
    ///
    /// # Cost
    /// As [`try_take`](Pool::try_take).
    pub fn put(&self, object: T) -> Result<(), T> {
        // Even if `reset` panics, and the object is gone.
        let stray = StrayHome(self);
        let put = self.place(object, true);
        if matches!(put, Ok(Placed::InSlot)) {
            std::mem::forget(stray);
        }
        put.map(drop)
    }

    /// Gives the pool an object that it did not have before. It is recycled, and retained if it is
    /// worth it.
    ///
    /// # Errors
    /// As [`put`](Pool::put).
    pub fn add(&self, object: T) -> Result<(), T> {
        self.place(object, false).map(drop)
    }

    /// Lets go of the objects that nobody has used since the last call, to give their memory back.
    ///
    /// Call it every so often: called every 30 seconds, a pool that a burst has filled is back to
    /// what is in use within a minute of the burst's end.
    pub fn trim(&self) -> Trimmed {
        let epoch = self.epoch.fetch_add(1, Relaxed);
        self.let_go(|slot| slot.used() != epoch)
    }

    /// As [`trim`](Self::trim), and calls `shrink` on the objects that stay and are not out: the
    /// place to give back what one has grown by.
    pub fn trim_with(&self, shrink: impl Fn(&mut T)) -> Trimmed {
        let mut trimmed = self.trim();
        for slot in self.slots.iter().filter(|slot| slot.state() == State::Idle) {
            let Some(held) = slot.claim_idle() else { continue };
            let (used, before) = (slot.used(), slot.bytes());
            let mut leaving = Leaving { pool: self, held: Some(held) };
            if let Some(held) = &mut leaving.held {
                shrink(held.object_mut());
            }
            // Not used by this.
            self.settle_as(leaving, used);
            let less = before.saturating_sub(slot.bytes());
            trimmed.bytes = trimmed.bytes.saturating_add(less);
        }
        trimmed
    }

    /// Lets go of all retained objects, to give their memory back.
    pub fn clear(&self) {
        let _all_of_them = self.let_go(|_| true);
    }

    /// How many objects it has at most, at rest and on loan.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// How many bytes its objects hold at most, together.
    pub fn byte_limit(&self) -> usize {
        self.byte_limit
    }

    /// What it has done.
    ///
    /// # Cost
    /// Looks at each slot.
    pub fn stats(&self) -> PoolStats {
        self.read()
    }

    /// Recycles an object and lays it into an empty slot. `was_out`: it counts as out until then.
    fn place(&self, mut object: T, was_out: bool) -> Result<Placed, T> {
        // Counts the object as discarded also if the calls below panic.
        let discarding = Discarding(&self.rare.discarded);
        if !object.reset() {
            return Ok(Placed::LetGo);
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
                held.rest(self.epoch.load(Relaxed));
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
        let mut leaving = Leaving { pool: self, held: Some(held) };
        if let Some(held) = &mut leaving.held {
            held.object_mut().prepare();
        }
        leaving.stay()
    }

    /// A guard ends with its object in its slot.
    #[inline(always)]
    pub(crate) fn come_home<'a>(&'a self, held: Held<'a, T>) {
        cursor::lower_to(self.index_of(held.slot()));
        let mut leaving = Leaving { pool: self, held: Some(held) };
        if let Some(held) = &mut leaving.held
            && held.object_mut().reset()
        {
            self.settle(leaving);
        }
    }

    /// A guard ends with an object that has no slot.
    #[cold]
    pub(crate) fn come_home_stray(&self, object: T) {
        if let Err(object) = self.put(object) {
            self.discard(object);
        }
    }

    /// As [`add`](Self::add), and lets go of the object when there is no room.
    pub(crate) fn add_or_discard(&self, object: T) {
        if let Err(object) = self.add(object) {
            self.discard(object);
        }
    }

    /// Lets go of an object that came home.
    pub(crate) fn discard(&self, object: T) {
        // Before its drop, which may panic.
        self.discarded();
        drop(object);
    }

    /// A guard's object is gone for good.
    pub(crate) fn gone(&self, held: Held<'_, T>) -> T {
        self.uncharge(&held);
        held.move_out()
    }

    pub(crate) fn stray_home(&self) {
        self.rare.strays.fetch_sub(1, Relaxed);
    }

    fn let_go(&self, which: impl Fn(&Slot<T>) -> bool) -> Trimmed {
        let mut trimmed = Trimmed::default();
        for slot in &self.slots {
            if slot.state() != State::Idle || !which(slot) {
                continue;
            }
            if let Some(held) = slot.claim_idle() {
                trimmed.objects += 1;
                trimmed.bytes = trimmed.bytes.saturating_add(slot.bytes());
                drop(self.gone(held));
            }
        }
        trimmed
    }

    #[inline(always)]
    fn index_of(&self, slot: &Slot<T>) -> usize {
        // All slots are in one array; an address outside of it would only be a bad guess.
        let start = self.slots.as_ptr().addr();
        std::ptr::from_ref(slot).addr().wrapping_sub(start) / size_of::<Slot<T>>()
    }
}

/// `pool` with a byte limit: the same one with its counters, unless guards still hold it.
pub(crate) fn limited<T: Reset>(pool: Arc<Pool<T>>, bytes: usize) -> Arc<Pool<T>> {
    let pool = Arc::try_unwrap(pool).unwrap_or_else(|held| Pool::new(held.capacity()));
    Arc::new(pool.with_byte_limit(bytes))
}

/// An object that was out of the pool's sight is so no more.
struct StrayHome<'a, T: Reset>(&'a Pool<T>);

impl<T: Reset> Drop for StrayHome<'_, T> {
    fn drop(&mut self) {
        self.0.stray_home();
    }
}

/// Where an object went that was put into the pool.
enum Placed {
    InSlot,
    LetGo,
}
