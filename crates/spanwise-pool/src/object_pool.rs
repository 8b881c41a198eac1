//! The same API on the `object-pool` crate: one list behind one lock.
//!
//! That crate has neither bounds nor a reset; this module adds bounds, reset and statistics. Use it
//! for comparison, and in programs that already depend on `object-pool`.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use crate::discarding::Discarding;
use crate::sync::AtomicU64;
use crate::{PoolStats, Reset};

/// As [`crate::Pool`], on top of a pool of the crate `object_pool`.
pub struct Pool<T> {
    /// Each object with the bytes charged for it: a second call may return another number.
    objects: ::object_pool::Pool<(T, usize)>,
    capacity: usize,
    byte_limit: usize,
    /// Objects in `objects`, or about to be.
    retained: AtomicUsize,
    bytes: AtomicUsize,
    outstanding: AtomicUsize,
    hits: AtomicU64,
    misses: AtomicU64,
    discarded: AtomicU64,
}

/// The guard of an acquired object; dropping it, on any thread, releases the object.
pub struct Pooled<'a, T: Reset> {
    /// Empty only in `drop`.
    object: Option<T>,
    pool: &'a Pool<T>,
}

impl<T: Reset> Pool<T> {
    /// An empty pool that retains at most `capacity` objects.
    pub fn new(capacity: usize) -> Self {
        Pool {
            objects: ::object_pool::Pool::from_vec(Vec::new()),
            capacity,
            byte_limit: usize::MAX,
            retained: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            outstanding: AtomicUsize::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            discarded: AtomicU64::new(0),
        }
    }

    /// As [`crate::Pool::with_byte_limit`].
    pub fn with_byte_limit(mut self, bytes: usize) -> Self {
        self.byte_limit = bytes;
        self.clear();
        self
    }

    /// Acquires an object: a retained one, or the result of `make`.
    ///
    /// # Cost
    /// Two locks that all threads share, and eight atomic read-modify-writes.
    pub fn acquire(&self, make: impl FnOnce() -> T) -> Pooled<'_, T> {
        self.try_acquire().unwrap_or_else(|| self.guard(make()))
    }

    /// Acquires a retained object; `None` if there is none.
    ///
    /// # Cost
    /// As [`acquire`](Pool::acquire).
    pub fn try_acquire(&self) -> Option<Pooled<'_, T>> {
        let Some(mut object) = self.pull() else {
            self.misses.fetch_add(1, Relaxed);
            return None;
        };
        self.hits.fetch_add(1, Relaxed);
        // Counts the object as discarded also if the call below panics.
        let discarding = Discarding(&self.discarded);
        object.prepare();
        std::mem::forget(discarding);
        Some(self.guard(object))
    }

    /// Frees all retained objects.
    pub fn clear(&self) {
        while self.pull().is_some() {}
    }

    /// Statistics since the pool was created.
    pub fn stats(&self) -> PoolStats {
        PoolStats {
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            discarded: self.discarded.load(Relaxed),
            outstanding: self.outstanding.load(Relaxed),
            retained: self.retained.load(Relaxed),
            retained_bytes: self.bytes.load(Relaxed),
        }
    }

    fn pull(&self) -> Option<T> {
        let (_, (object, bytes)) = self.objects.try_pull()?.detach();
        self.bytes.fetch_sub(bytes, Relaxed);
        self.retained.fetch_sub(1, Relaxed);
        Some(object)
    }

    fn guard(&self, object: T) -> Pooled<'_, T> {
        self.outstanding.fetch_add(1, Relaxed);
        Pooled { object: Some(object), pool: self }
    }

    fn release(&self, mut object: T) {
        self.outstanding.fetch_sub(1, Relaxed);
        // Counts the object as discarded also if the calls below panic.
        let discarding = Discarding(&self.discarded);
        if !object.reset() {
            return;
        }
        // Called before anything is reserved, because it may panic.
        let bytes = object.retained_bytes();
        if reserve(&self.retained, 1, self.capacity) {
            if reserve(&self.bytes, bytes, self.byte_limit) {
                std::mem::forget(discarding);
                return self.objects.attach((object, bytes));
            }
            self.retained.fetch_sub(1, Relaxed);
        }
    }
}

impl<T: Reset> Pooled<'_, T> {
    /// Takes the object out of the pool permanently, without a reset.
    pub fn into_inner(mut self) -> T {
        self.pool.outstanding.fetch_sub(1, Relaxed);
        match self.object.take() {
            Some(object) => object,
            None => without_object(),
        }
    }
}

impl<T: Reset> Deref for Pooled<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.object {
            Some(object) => object,
            None => without_object(),
        }
    }
}

impl<T: Reset> DerefMut for Pooled<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.object {
            Some(object) => object,
            None => without_object(),
        }
    }
}

impl<T: Reset> Drop for Pooled<'_, T> {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            self.pool.release(object);
        }
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("object_pool::Pool")
            .field("capacity", &self.capacity)
            .field("byte_limit", &self.byte_limit)
            .field("retained", &self.retained)
            .finish_non_exhaustive()
    }
}

impl<T: Reset + fmt::Debug> fmt::Debug for Pooled<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pooled").field(&**self).finish()
    }
}

/// Adds to `sum` unless it would exceed `limit`.
fn reserve(sum: &AtomicUsize, more: usize, limit: usize) -> bool {
    let fits = |sum: usize| sum.checked_add(more).filter(|&sum| sum <= limit);
    sum.fetch_update(Relaxed, Relaxed, fits).is_ok()
}

/// Unreachable: the object leaves the guard only when the guard ends.
fn without_object() -> ! {
    unreachable!("a guard without its object")
}
