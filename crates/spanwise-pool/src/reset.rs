use std::collections::{HashMap, VecDeque};

use bytes::BytesMut;

/// How an object is made as good as new before somebody else gets it.
///
/// Must not panic: it runs when a guard is dropped. Should it panic all the same, the object is
/// dropped and its place is free again.
pub trait Reset {
    /// Removes every trace of the last use, and keeps what is costly to make again (capacity).
    /// Runs when the object comes home.
    ///
    /// False: not worth keeping (say, it has grown too large); the object is dropped.
    fn reset(&mut self) -> bool;

    /// Runs when the object is handed out again, as the second line of defence: whoever broke the
    /// first one must not be able to show one user's data to another.
    ///
    /// Recycles once more unless overridden; what that says about keeping is not asked here.
    #[inline(always)]
    fn prepare(&mut self) {
        self.reset();
    }

    /// Bytes of memory it holds apart from its own `size_of`, for the pool's byte limit and
    /// statistics. Asked when it comes home; 0 unless overridden.
    #[inline(always)]
    fn retained_bytes(&self) -> usize {
        0
    }
}

/// Kept whatever the capacity: a byte limit of the pool bounds all of them together, and a
/// wrapper of your own can bound each.
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

/// As for [`Vec`]. Of memory that was split off it keeps what is left, and counts only that.
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
