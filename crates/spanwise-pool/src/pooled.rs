use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::{Pool, Recycle};

/// An object on loan from a [`Pool`], given back when dropped.
///
/// It keeps the pool alive, and may be dropped on any thread.
pub struct Pooled<T: Recycle> {
    /// Empty only between `into_inner` (or `drop`) and the end of the guard.
    object: Option<T>,
    home: Arc<Pool<T>>,
}

impl<T: Recycle> Pooled<T> {
    pub(crate) fn new(object: T, home: Arc<Pool<T>>) -> Self {
        Pooled { object: Some(object), home }
    }

    /// Takes the object for good, as it is.
    pub fn into_inner(mut self) -> T {
        match self.object.take() {
            Some(object) => {
                self.home.counters().came_home();
                object
            }
            None => gone(),
        }
    }
}

impl<T: Recycle> Deref for Pooled<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.object {
            Some(object) => object,
            None => gone(),
        }
    }
}

impl<T: Recycle> DerefMut for Pooled<T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.object {
            Some(object) => object,
            None => gone(),
        }
    }
}

impl<T: Recycle> Drop for Pooled<T> {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            // Full: one object fewer is what a bounded pool is for.
            drop(self.home.put(object));
        }
    }
}

impl<T: Recycle + fmt::Debug> fmt::Debug for Pooled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pooled").field(&**self).finish()
    }
}

/// Nobody gets here: the object leaves the guard only as the guard ends.
fn gone() -> ! {
    unreachable!("a guard without its object")
}
