//! The slot of one object and its ownership protocol: all the `unsafe` of this crate.

use crate::sync::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize};
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// A slot for one object, on a cache line of its own.
///
/// The state defines the owner of `object`: none (empty), the pool (idle), or the only [`Claim`]
/// (claimed). One compare-and-exchange makes a claim, and a plain store ends it, because no other
/// thread changes the state of a claimed slot. A lock or a list needs twice as many locked
/// instructions, which are nearly all of the cost.
#[repr(align(64))]
pub(crate) struct Slot<T> {
    state: AtomicU8,
    /// The pool's epoch when the object was last released.
    used: AtomicU32,
    /// Objects moved out of the slot minus objects moved in, wrapping.
    moved_out: AtomicU32,
    /// Bytes charged for the object.
    bytes: AtomicUsize,
    /// Requests answered with the object that was here.
    hits: AtomicU64,
    /// Initialised when idle; when claimed, the type of the claim tracks that.
    object: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: `object` is reached only through a `Claim`, and the state lets one exist at a time; so
// a shared slot only passes the object from thread to thread.
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

    /// The state at the time of the load.
    #[inline(always)]
    pub(crate) fn state(&self) -> State {
        match self.state.load(Relaxed) {
            EMPTY => State::Empty,
            IDLE => State::Idle,
            _ => State::Claimed,
        }
    }

    /// Claims the idle object, if there is one.
    #[inline(always)]
    pub(crate) fn claim_idle(&self) -> Option<Held<'_, T>> {
        self.claim(IDLE).then(|| Held { claim: Claim::of(self) })
    }

    /// Claims the slot, if it is empty.
    #[inline]
    pub(crate) fn claim_empty(&self) -> Option<Vacant<'_, T>> {
        self.claim(EMPTY).then(|| Vacant { claim: Claim::of(self) })
    }

    #[inline(always)]
    fn claim(&self, from: u8) -> bool {
        // ORDER: Acquire sees the last claim's writes to the object; pairs with the Release stores
        // in `Held::park` and `Claim::leave_empty`.
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

    /// Objects moved out minus objects moved in, wrapping.
    pub(crate) fn moved_out(&self) -> u32 {
        self.moved_out.load(Relaxed)
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        // A claimed slot belongs to a guard that was leaked with `forget`: its object leaks, too.
        if self.state.load(Relaxed) == IDLE {
            // SAFETY: idle, so initialised; `&mut self`, so no other thread claims it.
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

/// Exclusive access to the object of one slot. Only the claimant writes the counters, so it adds with a
/// load and a store; they are atomics because other threads read them.
struct Claim<'a, T> {
    slot: &'a Slot<T>,
    /// `Send` and `Sync` as `&mut T`, not as `&Slot<T>`.
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

    /// Counts a request that received this object.
    #[inline(always)]
    pub(crate) fn count_hit(&self) {
        let hits = &self.slot().hits;
        hits.store(hits.load(Relaxed) + 1, Relaxed);
    }

    #[inline(always)]
    pub(crate) fn set_bytes(&self, bytes: usize) {
        self.slot().bytes.store(bytes, Relaxed);
    }

    /// Makes the object idle, for the next user.
    #[inline(always)]
    pub(crate) fn park(self, epoch: u32) {
        let held = ManuallyDrop::new(self);
        held.slot().used.store(epoch, Relaxed);
        // ORDER: Release publishes the writes to the object; pairs with the Acquire in `claim`.
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
        // SAFETY: claimed, so ours alone, and empty, so no object is overwritten.
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
