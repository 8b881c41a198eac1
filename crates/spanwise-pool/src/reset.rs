use std::collections::{HashMap, VecDeque};

use bytes::BytesMut;

/// Resets an object before its next user acquires it.
///
/// `reset` runs when a guard is dropped, so it must not panic. If it does, the pool drops the object
/// and frees its slot.
pub trait Reset {
    /// Clears the data of the last use, and preserves what is expensive to create (capacity). The pool
    /// calls it when the object is released.
    ///
    /// Returns whether to retain the object; if `false`, for example because the object has grown too
    /// large, the pool drops it.
    fn reset(&mut self) -> bool;

    /// The pool calls it when it hands the object out again: a second reset, so that an object whose
    /// first one was interrupted does not leak one user's data to another.
    ///
    /// Calls [`reset`](Self::reset) unless overridden; the returned value is ignored here.
    #[inline(always)]
    fn prepare(&mut self) {
        self.reset();
    }

    /// Bytes of memory that the object holds besides its own `size_of`, for the pool's byte limit and
    /// statistics. The pool calls it when the object is released; 0 unless overridden.
    #[inline(always)]
    fn retained_bytes(&self) -> usize {
        0
    }
}

/// Retained with any capacity: the pool's byte limit bounds all objects together, and a wrapper type
/// can bound each of them.
impl<T> Reset for Vec<T> {
    #[inline(always)]
    fn reset(&mut self) -> bool {
        self.clear();
        true
    }

    #[inline(always)]
    fn retained_bytes(&self) -> usize {
        self.capacity().saturating_mul(size_of::<T>())
    }
}

/// As for [`Vec`].
impl<T> Reset for VecDeque<T> {
    fn reset(&mut self) -> bool {
        self.clear();
        true
    }

    fn retained_bytes(&self) -> usize {
        self.capacity().saturating_mul(size_of::<T>())
    }
}

/// As for [`Vec`].
impl Reset for String {
    #[inline(always)]
    fn reset(&mut self) -> bool {
        self.clear();
        true
    }

    #[inline(always)]
    fn retained_bytes(&self) -> usize {
        self.capacity()
    }
}

/// As for [`Vec`]. After a split, the buffer retains and counts only the remaining memory.
impl Reset for BytesMut {
    #[inline(always)]
    fn reset(&mut self) -> bool {
        self.clear();
        self.capacity() > 0
    }

    #[inline(always)]
    fn retained_bytes(&self) -> usize {
        self.capacity()
    }
}

/// As for [`Vec`]; the table's own overhead is not in its bytes.
impl<K, V, S> Reset for HashMap<K, V, S> {
    fn reset(&mut self) -> bool {
        self.clear();
        true
    }

    fn retained_bytes(&self) -> usize {
        self.capacity().saturating_mul(size_of::<(K, V)>())
    }
}

impl<T: Reset> Reset for Box<T> {
    #[inline(always)]
    fn reset(&mut self) -> bool {
        (**self).reset()
    }

    #[inline(always)]
    fn prepare(&mut self) {
        (**self).prepare();
    }

    #[inline(always)]
    fn retained_bytes(&self) -> usize {
        (**self).retained_bytes().saturating_add(size_of::<T>())
    }
}
