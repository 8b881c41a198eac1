//! The release of an object: the pool charges its bytes and parks it, or evicts it.

use std::sync::atomic::Ordering::Relaxed;

use super::Pool;
use crate::Reset;
use crate::slot::Held;

impl<T: Reset> Pool<T> {
    /// A guard for an object whose fate is undecided.
    #[inline(always)]
    pub(super) fn leaving<'a>(&'a self, held: Held<'a, T>) -> Leaving<'a, T> {
        Leaving { pool: self, held: Some(held) }
    }

    /// Parks an object that was just used.
    #[inline(always)]
    pub(super) fn park(&self, leaving: Leaving<'_, T>) {
        self.park_as(leaving, self.epoch.load(Relaxed));
    }

    /// Parks the object, last used in `epoch`, if its bytes fit.
    #[inline(always)]
    pub(super) fn park_as(&self, leaving: Leaving<'_, T>, epoch: u32) {
        if let Some(held) = &leaving.held {
            let (bytes, charged) = (held.object().retained_bytes(), held.slot().bytes());
            if bytes == charged || self.recharge(held, charged, bytes) {
                leaving.stay().park(epoch);
            }
        }
    }

    #[cold]
    fn recharge(&self, held: &Held<'_, T>, charged: usize, bytes: usize) -> bool {
        let fits = match bytes.checked_sub(charged) {
            Some(more) => self.charge(more),
            None => {
                self.discharge(charged - bytes);
                true
            }
        };
        if fits {
            held.set_bytes(bytes);
        }
        fits
    }

    #[inline]
    pub(super) fn charge(&self, bytes: usize) -> bool {
        if self.byte_limit == usize::MAX || bytes == 0 {
            return true;
        }
        let fits =
            |charged: usize| charged.checked_add(bytes).filter(|&sum| sum <= self.byte_limit);
        self.charged.fetch_update(Relaxed, Relaxed, fits).is_ok()
    }

    #[inline]
    pub(super) fn discharge(&self, bytes: usize) {
        if self.byte_limit != usize::MAX && bytes > 0 {
            self.charged.fetch_sub(bytes, Relaxed);
        }
    }

    #[inline]
    pub(super) fn uncharge(&self, held: &Held<'_, T>) {
        self.discharge(held.slot().bytes());
        held.set_bytes(0);
    }

    pub(super) fn discarded(&self) {
        self.rare.discarded.fetch_add(1, Relaxed);
    }
}

/// An object that is about to leave the pool: dropped, also by a panic, it is evicted, unless
/// [`stay`](Self::stay) was called.
pub(super) struct Leaving<'a, T: Reset> {
    pub(super) pool: &'a Pool<T>,
    pub(super) held: Option<Held<'a, T>>,
}

impl<'a, T: Reset> Leaving<'a, T> {
    #[inline(always)]
    pub(super) fn stay(mut self) -> Held<'a, T> {
        match self.held.take() {
            Some(held) => held,
            None => unreachable!("it leaves once"),
        }
    }
}

impl<T: Reset> Drop for Leaving<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.pool.discarded();
            drop(self.pool.remove(held));
        }
    }
}
