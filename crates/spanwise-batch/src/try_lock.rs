//! A mutex with `try_lock` only: the only `unsafe` of this crate.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Relaxed, Release},
};

/// A mutex without waiters.
///
/// `std::sync::Mutex` would serve, but its unlock is a second locked instruction, because a thread
/// may sleep on it. No thread waits for this lock, so a plain store releases it.
#[derive(Debug, Default)]
pub struct TryLock<T> {
    held: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `value` is reached only through a `TryLockGuard`, and the flag lets one exist at a time.
unsafe impl<T: Send> Sync for TryLock<T> {}

impl<T> TryLock<T> {
    /// An unlocked value.
    pub const fn new(value: T) -> Self {
        Self { held: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Locks the value, unless another guard holds it.
    #[inline(always)]
    pub fn try_lock(&self) -> Option<TryLockGuard<'_, T>> {
        // ORDER: Acquire pairs with the Release in `TryLockGuard::drop`.
        self.held
            .compare_exchange(false, true, Acquire, Relaxed)
            .is_ok()
            .then(|| TryLockGuard { lock: self, exclusive: PhantomData })
    }
}

/// Exclusive access to a locked value, until it is dropped.
pub struct TryLockGuard<'a, T> {
    lock: &'a TryLock<T>,
    /// Shared and sent between threads as `&mut T` may be, not as `&TryLock<T>` may be.
    exclusive: PhantomData<&'a mut T>,
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

/// A value on a cache line of its own, so that threads that write its neighbours do not slow it down.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct CachePadded<T>(T);

impl<T> Deref for CachePadded<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    #[test]
    fn try_lock_returns_one_guard_at_a_time() {
        let lock = TryLock::<Vec<u8>>::default();
        let mut guard = lock.try_lock().unwrap();
        guard.push(1);
        assert!(lock.try_lock().is_none());
        drop(guard);
        assert_eq!(*lock.try_lock().unwrap(), [1]);
    }

    #[test]
    fn a_panic_releases_the_lock() {
        let lock = TryLock::<Vec<u8>>::default();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _guard = lock.try_lock().unwrap();
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(result.is_err() && lock.try_lock().is_some());
    }

    /// A lost unsynchronised write shows as a wrong sum, and under Miri or a sanitizer as a race.
    #[test]
    fn each_thread_sees_the_writes_of_the_one_before() {
        const THREADS: usize = 4;
        const EACH: usize = if cfg!(miri) { 50 } else { 50_000 };
        let lock = TryLock::<(usize, Vec<usize>)>::default();
        let failed = AtomicUsize::new(0);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (lock, failed) = (&lock, &failed);
                scope.spawn(move || {
                    let mut done = 0;
                    while done < EACH {
                        let Some(mut held) = lock.try_lock() else {
                            failed.fetch_add(1, Relaxed);
                            thread::yield_now();
                            continue;
                        };
                        held.0 += 1;
                        let sum = held.0;
                        held.1.push(sum * THREADS + thread);
                        done += 1;
                    }
                });
            }
        });
        let held = lock.try_lock().unwrap();
        assert_eq!((held.0, held.1.len()), (THREADS * EACH, THREADS * EACH));
        assert!(held.1.iter().enumerate().all(|(at, value)| value / THREADS == at + 1));
    }
}
