use std::collections::{HashMap, VecDeque};

/// How an object is made as good as new before somebody else gets it.
///
/// Must not panic: it runs when a [`Pooled`](crate::Pooled) is dropped.
pub trait Recycle {
    /// Removes every trace of the last use, and keeps what is costly to make again (capacity).
    ///
    /// False: not worth keeping (say, it has grown too large); the object is dropped.
    fn recycle(&mut self) -> bool;
}

/// Kept whatever the capacity: wrap it to set a limit.
impl<T> Recycle for Vec<T> {
    fn recycle(&mut self) -> bool {
        self.clear();
        true
    }
}

/// Kept whatever the capacity: wrap it to set a limit.
impl<T> Recycle for VecDeque<T> {
    fn recycle(&mut self) -> bool {
        self.clear();
        true
    }
}

/// Kept whatever the capacity: wrap it to set a limit.
impl Recycle for String {
    fn recycle(&mut self) -> bool {
        self.clear();
        true
    }
}

/// Kept whatever the capacity: wrap it to set a limit.
impl<K, V, S> Recycle for HashMap<K, V, S> {
    fn recycle(&mut self) -> bool {
        self.clear();
        true
    }
}

impl<T: Recycle + ?Sized> Recycle for Box<T> {
    fn recycle(&mut self) -> bool {
        (**self).recycle()
    }
}
