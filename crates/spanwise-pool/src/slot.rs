//! The place of one object, and who may touch it: all the `unsafe` of this crate.

use crate::sync::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize};
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// A place for one object, on a cache line of its own.
///
/// Its state says who owns `object`: nobody (empty), the pool (idle), or the one [`Claim`] there
/// is (claimed). A claim is made by one compare-and-exchange and ended by a plain store: nobody
/// else changes the state of a claimed slot. That is half the locked instructions of a lock or a
/// list, and they are nearly all of the cost.
#[repr(align(64))]
pub(crate) struct Slot<T> {
    state: AtomicU8,
    /// The pool's epoch when the object last came home.
    used: AtomicU32,
    /// Objects moved out of here less those moved in, with wrap-around.
    moved_out: AtomicU32,
    /// Bytes the object is charged with.
    bytes: AtomicUsize,
    /// Requests answered with the object that was here.
    hits: AtomicU64,
    /// Initialised when idle; when claimed, the claim knows.
    object: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: `object` is reached only through a `Claim`, and the state lets one exist at a time; so
// that a shared slot only ever hands the object from thread to thread.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    pub(crate) fn empty() -> Self {
        Slot {
            state: AtomicU8::new(EMPTY),
            used: AtomicU32::new(0),
            moved_out: AtomicU32::new(0),
            bytes: AtomicUsize::new(0),
            hits: AtomicU64::new(0),
            object: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// What the slot was a moment ago.
    #[inline(always)]
    pub(crate) fn state(&self) -> State {
        match self.state.load(Relaxed) {
            EMPTY => State::Empty,
            IDLE => State::Idle,
            _ => State::Claimed,
        }
    }

    /// Claims the object resting here, if there is one.
    #[inline(always)]
    pub(crate) fn claim_idle(&self) -> Option<Held<'_, T>> {
        self.claim(IDLE).then(|| Held { claim: Claim::of(self) })
    }

    /// Claims the place, if nothing is here.
    #[inline]
    pub(crate) fn claim_empty(&self) -> Option<Vacant<'_, T>> {
        self.claim(EMPTY).then(|| Vacant { claim: Claim::of(self) })
    }

    #[inline(always)]
    fn claim(&self, from: u8) -> bool {
        // ORDER: Acquire sees what the last claim did to the object; pairs with the Release stores
        // in `Held::rest` and `Claim::leave_empty`.
        self.state.compare_exchange(from, CLAIMED, Acquire, Relaxed).is_ok()
    }

    pub(crate) fn used(&self) -> u32 {
        self.used.load(Relaxed)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    pub(crate) fn hits(&self) -> u64 {
        self.hits.load(Relaxed)
    }

    /// Objects moved out less those moved in, with wrap-around.
    pub(crate) fn moved_out(&self) -> u32 {
        self.moved_out.load(Relaxed)
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        // A claimed slot belongs to a guard that was forgotten: its object is forgotten, too.
        if self.state.load(Relaxed) == IDLE {
            // SAFETY: idle, so initialised; `&mut self`, so nobody claims it any more.
            unsafe { self.object.get_mut().assume_init_drop() };
        }
    }
}

/// See [`Slot::state`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Empty,
    Idle,
    Claimed,
}

/// The right to the object of one slot. Counters are written by the claimant alone, so that a load
/// and a store add; they are atomics for those who read them meanwhile.
struct Claim<'a, T> {
    slot: &'a Slot<T>,
    /// Shared and sent between threads as `&mut T` may be, not as `&Slot<T>` may be.
    exclusive: PhantomData<&'a mut T>,
}

impl<'a, T> Claim<'a, T> {
    #[inline(always)]
    fn of(slot: &'a Slot<T>) -> Self {
        Claim { slot, exclusive: PhantomData }
    }

    fn leave_empty(&self) {
        // ORDER: Release, after the last read of the object; pairs with the Acquire in `claim`.
        self.slot.state.store(EMPTY, Release);
    }
}

/// A claimed slot with an object in it. Dropped, it drops the object and leaves the slot empty.
pub(crate) struct Held<'a, T> {
    claim: Claim<'a, T>,
}

impl<'a, T> Held<'a, T> {
    #[inline(always)]
    pub(crate) fn object(&self) -> &T {
        // SAFETY: held, so initialised; ours alone, and `&self` lets only shared references out.
        unsafe { (*self.slot().object.get()).assume_init_ref() }
    }

    #[inline(always)]
    pub(crate) fn object_mut(&mut self) -> &mut T {
        // SAFETY: as in `object`; `&mut self` makes this the only reference.
        unsafe { (*self.slot().object.get()).assume_init_mut() }
    }

    #[inline(always)]
    pub(crate) fn slot(&self) -> &'a Slot<T> {
        self.claim.slot
    }

    /// Counts a request answered with this object.
    #[inline(always)]
    pub(crate) fn count_hit(&self) {
        let hits = &self.slot().hits;
        hits.store(hits.load(Relaxed) + 1, Relaxed);
    }

    #[inline(always)]
    pub(crate) fn set_bytes(&self, bytes: usize) {
        self.slot().bytes.store(bytes, Relaxed);
    }

    /// Lays the object to rest; the next may have it.
    #[inline(always)]
    pub(crate) fn rest(self, epoch: u32) {
        let held = ManuallyDrop::new(self);
        held.slot().used.store(epoch, Relaxed);
        // ORDER: Release publishes what was done to the object; pairs with the Acquire in `claim`.
        held.slot().state.store(IDLE, Release);
    }

    /// Moves the object out and leaves the slot empty.
    pub(crate) fn move_out(self) -> T {
        let held = ManuallyDrop::new(self);
        // SAFETY: held, so initialised; it counts as uninitialised from `leave_empty` on, and
        // `ManuallyDrop` keeps it from being dropped here.
        let object = unsafe { (*held.slot().object.get()).assume_init_read() };
        held.set_bytes(0);
        held.claim.leave_empty();
        object
    }

    /// As [`move_out`](Self::move_out), and counts the object as out until one is moved in.
    pub(crate) fn move_out_counted(self) -> T {
        let count = &self.slot().moved_out;
        count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
        self.move_out()
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        // SAFETY: as in `move_out`; `self` is not used again.
        let object = unsafe { (*self.slot().object.get()).assume_init_read() };
        self.set_bytes(0);
        self.claim.leave_empty();
        drop(object);
    }
}

/// A claimed slot without an object. Dropped, it leaves the slot empty.
pub(crate) struct Vacant<'a, T> {
    claim: Claim<'a, T>,
}

impl<'a, T> Vacant<'a, T> {
    pub(crate) fn fill(self, object: T) -> Held<'a, T> {
        let vacant = ManuallyDrop::new(self);
        let slot = vacant.claim.slot;
        // SAFETY: claimed, so ours alone, and nothing is in it that would be lost.
        unsafe { (*slot.object.get()).write(object) };
        Held { claim: Claim::of(slot) }
    }

    /// As [`fill`](Self::fill), with an object that was counted as out.
    pub(crate) fn fill_counted(self, object: T) -> Held<'a, T> {
        let count = &self.claim.slot.moved_out;
        count.store(count.load(Relaxed).wrapping_sub(1), Relaxed);
        self.fill(object)
    }
}

impl<T> Drop for Vacant<'_, T> {
    fn drop(&mut self) {
        self.claim.leave_empty();
    }
}

const EMPTY: u8 = 0;
const IDLE: u8 = 1;
const CLAIMED: u8 = 2;
