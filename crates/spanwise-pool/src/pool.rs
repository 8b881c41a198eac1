use std::fmt;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use crate::stats::Counters;
use crate::{Pooled, Recycle, Stats};

/// Objects kept for reuse: never more than a fixed number, never two holders of one.
///
/// Retained objects are handed out in the order they came back.
pub struct Pool<T> {
    retained: ArrayQueue<T>,
    capacity: usize,
    counters: Counters,
}

impl<T: Recycle> Pool<T> {
    /// An empty pool that retains at most `capacity` objects; with 0, none.
    ///
    /// # Cost
    /// `capacity` slots of `size_of::<T>()` and a word, allocated now and never again.
    pub fn new(capacity: usize) -> Self {
        Pool {
            // The queue does not exist without a slot; `put` leaves it empty.
            retained: ArrayQueue::new(capacity.max(1)),
            capacity,
            counters: Counters::default(),
        }
    }

    /// A pool that retains at most `capacity` objects, filled with as many.
    pub fn filled(capacity: usize, mut make: impl FnMut() -> T) -> Self {
        let pool = Pool::new(capacity);
        // The queue has room for all of them.
        (0..capacity).for_each(|_| drop(pool.retained.push(make())));
        pool
    }

    /// Takes an object out, recycled; `None` if none is retained.
    ///
    /// Give it back with [`put`](Pool::put), or use [`lend`](Pool::lend) and have that done.
    ///
    /// # Cost
    /// Two atomic read-modify-writes; no lock, no allocation.
    pub fn take(&self) -> Option<T> {
        let taken = self.retained.pop();
        match taken {
            Some(_) => self.counters.hit(),
            None => self.counters.miss(),
        }
        taken
    }

    /// Takes an object out, or makes one.
    pub fn take_or_else(&self, make: impl FnOnce() -> T) -> T {
        self.take().unwrap_or_else(|| {
            let made = make();
            self.counters.made();
            made
        })
    }

    /// Gives back an object that was taken. It is recycled, and retained if it is worth it.
    ///
    /// # Errors
    /// The pool is full: the object comes back, recycled.
    pub fn put(&self, mut object: T) -> Result<(), T> {
        let worth_keeping = object.recycle();
        let put = match worth_keeping {
            true if self.capacity == 0 => Err(object),
            true => self.retained.push(object),
            false => Ok(()),
        };
        self.counters.came_home();
        put
    }

    /// Lends a retained object, or one made now; it comes home when the guard is dropped, on any
    /// thread.
    pub fn lend(self: &Arc<Self>, make: impl FnOnce() -> T) -> Pooled<T> {
        Pooled::new(self.take_or_else(make), Arc::clone(self))
    }

    /// Lends a retained object; `None` if there is none.
    pub fn try_lend(self: &Arc<Self>) -> Option<Pooled<T>> {
        self.take().map(|object| Pooled::new(object, Arc::clone(self)))
    }

    /// Drops all retained objects, to give their memory back.
    pub fn clear(&self) {
        while self.retained.pop().is_some() {}
    }

    /// How many objects it retains at most.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// What it has done. Exact when nobody is using it.
    pub fn stats(&self) -> Stats {
        self.counters.read(self.retained.len())
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("capacity", &self.capacity)
            .field("stats", &self.counters.read(self.retained.len()))
            .finish()
    }
}
