//! A lock that is taken at once or not at all: the only `unsafe` of this crate.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Relaxed, Release},
};

/// A value behind a flag, on a cache line of its own.
///
/// `std::sync::Mutex` would do; its unlock is a second locked instruction, because somebody may
/// sleep on it. Nobody ever waits here, so a plain store gives the lock back.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct TryLock<T> {
    held: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `value` is reached only through a `TryLockGuard`, and the flag lets one exist at a time.
unsafe impl<T: Send> Sync for TryLock<T> {}

impl<T> TryLock<T> {
    /// The value, unless somebody else has it.
    #[inline(always)]
    pub(crate) fn try_lock(&self) -> Option<TryLockGuard<'_, T>> {
        // ORDER: Acquire pairs with the Release in `TryLockGuard::drop`.
        self.held
            .compare_exchange(false, true, Acquire, Relaxed)
            .is_ok()
            .then(|| TryLockGuard { lock: self })
    }
}

pub(crate) struct TryLockGuard<'a, T> {
    lock: &'a TryLock<T>,
}

impl<T> Deref for TryLockGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the flag was false when this guard was made and stays true until it is dropped.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for TryLockGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; `&mut self` makes this the only reference through the guard.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for TryLockGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // ORDER: Release publishes what was written; pairs with the Acquire in `try_lock`.
        self.lock.held.store(false, Release);
    }
}
