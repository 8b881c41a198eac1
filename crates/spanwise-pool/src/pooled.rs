use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::slot::Held;
use crate::{Pool, Reset};

/// An object on loan from a [`Pool`], given back when dropped, on whatever thread.
pub struct Pooled<'a, T: Reset> {
    place: Place<'a, T>,
    home: &'a Pool<T>,
}

enum Place<'a, T> {
    Slot(Held<'a, T>),
    /// Made while every slot was taken.
    Apart(Box<T>),
    /// Only between `into_inner` (or `drop`) and the end of the guard.
    Gone,
}

impl<'a, T: Reset> Pooled<'a, T> {
    #[inline(always)]
    pub(crate) fn in_slot(home: &'a Pool<T>, held: Held<'a, T>) -> Self {
        Pooled { place: Place::Slot(held), home }
    }

    pub(crate) fn apart(home: &'a Pool<T>, object: T) -> Self {
        Pooled { place: Place::Apart(Box::new(object)), home }
    }

    pub(crate) fn home(&self) -> &'a Pool<T> {
        self.home
    }

    /// Takes the object for good, as it is.
    pub fn into_inner(mut self) -> T {
        match std::mem::replace(&mut self.place, Place::Gone) {
            Place::Slot(held) => self.home.gone(held),
            Place::Apart(object) => {
                self.home.stray_home();
                *object
            }
            Place::Gone => gone(),
        }
    }
}

impl<T: Reset> Deref for Pooled<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        match &self.place {
            Place::Slot(held) => held.object(),
            Place::Apart(object) => object,
            Place::Gone => gone(),
        }
    }
}

impl<T: Reset> DerefMut for Pooled<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.place {
            Place::Slot(held) => held.object_mut(),
            Place::Apart(object) => object,
            Place::Gone => gone(),
        }
    }
}

impl<T: Reset> Drop for Pooled<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        match std::mem::replace(&mut self.place, Place::Gone) {
            Place::Slot(held) => self.home.come_home(held),
            Place::Apart(object) => self.home.come_home_stray(*object),
            Place::Gone => {}
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

/// A [`Pooled`] that keeps its pool alive instead of borrowing it.
pub struct PooledOwned<T: Reset + 'static> {
    // Before `home`, so that the object is home before the pool can go.
    pooled: Pooled<'static, T>,
    #[expect(dead_code, reason = "keeps what `pooled` points into alive")]
    home: Arc<Pool<T>>,
}

impl<T: Reset> PooledOwned<T> {
    #[allow(unsafe_code)]
    pub(crate) fn new(pooled: Pooled<'_, T>, home: Arc<Pool<T>>) -> Self {
        // SAFETY: `pooled` is of `home` (both callers lend from what they pass), which stays where
        // it is as long as `home` is held; `pooled` never leaves this guard, and is dropped first.
        let pooled = unsafe { std::mem::transmute::<Pooled<'_, T>, Pooled<'static, T>>(pooled) };
        PooledOwned { pooled, home }
    }

    /// Takes the object for good, as it is.
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

/// Nobody gets here: the object leaves the guard only as the guard ends.
fn gone() -> ! {
    unreachable!("a guard without its object")
}
