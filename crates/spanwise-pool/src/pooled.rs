use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::slot::Held;
use crate::{Pool, Reset};

/// The guard of an object acquired from a [`Pool`]; dropping it, on any thread, releases the object.
#[doc(alias = "release")]
pub struct Pooled<'a, T: Reset> {
    place: Place<'a, T>,
    pool: &'a Pool<T>,
}

enum Place<'a, T> {
    Slot(Held<'a, T>),
    /// Made while every slot was in use.
    Detached(Box<T>),
    /// The object has left. Only between `into_inner` (or `drop`) and the end of the guard.
    Taken,
}

impl<'a, T: Reset> Pooled<'a, T> {
    #[inline(always)]
    pub(crate) fn in_slot(pool: &'a Pool<T>, held: Held<'a, T>) -> Self {
        Pooled { place: Place::Slot(held), pool }
    }

    pub(crate) fn detached(pool: &'a Pool<T>, object: T) -> Self {
        Pooled { place: Place::Detached(Box::new(object)), pool }
    }

    pub(crate) fn pool(&self) -> &'a Pool<T> {
        self.pool
    }

    /// Takes the object out of the pool permanently, without a reset.
    pub fn into_inner(mut self) -> T {
        match std::mem::replace(&mut self.place, Place::Taken) {
            Place::Slot(held) => self.pool.remove(held),
            Place::Detached(object) => {
                self.pool.detached_released();
                *object
            }
            Place::Taken => without_object(),
        }
    }
}

impl<T: Reset> Deref for Pooled<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        match &self.place {
            Place::Slot(held) => held.object(),
            Place::Detached(object) => object,
            Place::Taken => without_object(),
        }
    }
}

impl<T: Reset> DerefMut for Pooled<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.place {
            Place::Slot(held) => held.object_mut(),
            Place::Detached(object) => object,
            Place::Taken => without_object(),
        }
    }
}

impl<T: Reset> Drop for Pooled<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        match std::mem::replace(&mut self.place, Place::Taken) {
            Place::Slot(held) => self.pool.release(held),
            Place::Detached(object) => self.pool.release_detached(*object),
            Place::Taken => {}
        }
    }
}

impl<T: Reset + AsRef<[u8]>> AsRef<[u8]> for Pooled<'_, T> {
    fn as_ref(&self) -> &[u8] {
        (**self).as_ref()
    }
}

impl<T: Reset + fmt::Debug> fmt::Debug for Pooled<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pooled").field(&**self).finish()
    }
}

/// A [`Pooled`] that owns a reference to its pool instead of borrowing the pool.
#[doc(alias = "release")]
pub struct PooledOwned<T: Reset + 'static> {
    // Before `pool`: the object is released before the pool can be freed.
    pooled: Pooled<'static, T>,
    #[expect(dead_code, reason = "keeps the pool that `pooled` points into alive")]
    pool: Arc<Pool<T>>,
}

impl<T: Reset> PooledOwned<T> {
    #[allow(unsafe_code)]
    pub(crate) fn new(pooled: Pooled<'_, T>, pool: Arc<Pool<T>>) -> Self {
        // SAFETY: `pooled` is of `pool` (both callers acquire from the pool they pass), which does not
        // move while the `Arc` exists; `pooled` never leaves this guard, and is dropped first.
        let pooled = unsafe { std::mem::transmute::<Pooled<'_, T>, Pooled<'static, T>>(pooled) };
        PooledOwned { pooled, pool }
    }

    /// Takes the object out of the pool permanently, without a reset.
    pub fn into_inner(self) -> T {
        self.pooled.into_inner()
    }
}

impl<T: Reset> Deref for PooledOwned<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.pooled
    }
}

impl<T: Reset> DerefMut for PooledOwned<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.pooled
    }
}

impl<T: Reset + AsRef<[u8]>> AsRef<[u8]> for PooledOwned<T> {
    fn as_ref(&self) -> &[u8] {
        (**self).as_ref()
    }
}

impl<T: Reset + fmt::Debug> fmt::Debug for PooledOwned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PooledOwned").field(&**self).finish()
    }
}

/// Unreachable: the object leaves the guard only when the guard ends.
fn without_object() -> ! {
    unreachable!("a guard without its object")
}
