//! Acquiring an object, with a guard that releases it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Pool;
use super::order::{PROBES, around};
use crate::pooled::{Pooled, PooledOwned};
use crate::slot::State;
use crate::{Reset, cursor};

impl<T: Reset> Pool<T> {
    /// Acquires an object: a retained one, or the result of `make`. Dropping the guard, on any thread,
    /// releases it.
    ///
    /// # Cost
    /// To acquire and release: one atomic read-modify-write, usually on a cache line that no other
    /// thread uses; no lock, no allocation. If there is no object nearby, the pool looks at 64 slots at
    /// most before it calls `make`.
    #[inline]
    pub fn acquire(&self, make: impl FnOnce() -> T) -> Pooled<'_, T> {
        match self.claim_at_cursor() {
            Some(held) => Pooled::in_slot(self, held),
            None => self.acquire_slow(make),
        }
    }

    /// Acquires a retained object; `None` if there is none.
    ///
    /// On a [`prefilled`](Pool::prefilled) pool this bounds the number of acquired objects.
    ///
    /// # Cost
    /// As [`acquire`](Pool::acquire); before it returns `None`, it looks at each slot.
    #[inline]
    pub fn try_acquire(&self) -> Option<Pooled<'_, T>> {
        self.claim_anywhere().map(|held| Pooled::in_slot(self, held))
    }

    /// [`acquire`](Pool::acquire) whose guard owns a reference to the pool and borrows nothing.
    ///
    /// # Cost
    /// Two more atomic read-modify-writes, on the reference count that all threads share. On a hot
    /// path, acquire from a pool in a `static` instead: those guards are `'static`, too.
    pub fn acquire_owned(self: &Arc<Self>, make: impl FnOnce() -> T) -> PooledOwned<T> {
        PooledOwned::new(self.acquire(make), Arc::clone(self))
    }

    /// [`try_acquire`](Pool::try_acquire) whose guard owns a reference to the pool and borrows nothing.
    ///
    /// # Cost
    /// As [`acquire_owned`](Pool::acquire_owned).
    pub fn try_acquire_owned(self: &Arc<Self>) -> Option<PooledOwned<T>> {
        self.try_acquire().map(|pooled| PooledOwned::new(pooled, Arc::clone(self)))
    }

    #[cold]
    fn acquire_slow(&self, make: impl FnOnce() -> T) -> Pooled<'_, T> {
        if let Some(held) = self.claim_near() {
            return Pooled::in_slot(self, held);
        }
        let made = make();
        for start in [cursor::stretch(), cursor::get()] {
            for index in around(start, self.slots.len()).take(PROBES) {
                let Some(slot) = self.slots.get(index) else { break };
                if slot.state() == State::Empty
                    && let Some(vacant) = slot.claim_empty()
                {
                    cursor::set(index + 1);
                    return Pooled::in_slot(self, vacant.fill(made));
                }
            }
        }
        self.rare.detached.fetch_add(1, Relaxed);
        Pooled::detached(self, made)
    }
}
