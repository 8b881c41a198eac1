use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// What a pool has done, and where its objects are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Requests answered with a retained object.
    pub hits: u64,
    /// Requests that found none.
    pub misses: u64,
    /// Objects handed out, retained or newly made, that have not come back. Those taken for good
    /// with [`Pooled::into_inner`](crate::Pooled::into_inner) do not count.
    pub outstanding: u64,
    /// Objects waiting in the pool.
    pub retained: usize,
}

/// The counters behind [`Stats`]. All only go up, so that none needs more than an addition.
#[derive(Default)]
pub(crate) struct Counters {
    out: Out,
    home: Home,
}

/// Bumped by those who take.
#[repr(align(128))]
#[derive(Default)]
struct Out {
    hits: AtomicU64,
    misses: AtomicU64,
    made: AtomicU64,
}

/// Bumped by those who give back, often other threads.
#[repr(align(128))]
#[derive(Default)]
struct Home(AtomicU64);

impl Counters {
    pub fn hit(&self) {
        self.out.hits.fetch_add(1, Relaxed);
    }

    pub fn miss(&self) {
        self.out.misses.fetch_add(1, Relaxed);
    }

    /// A missing object was made in place of a retained one.
    pub fn made(&self) {
        self.out.made.fetch_add(1, Relaxed);
    }

    /// An object handed out is so no longer.
    pub fn came_home(&self) {
        // ORDER: Release, after it was handed out; pairs with the Acquire load in `read`.
        self.home.0.fetch_add(1, Release);
    }

    pub fn read(&self, retained: usize) -> Stats {
        // ORDER: who came home before who went out: whoever is seen here went out before.
        let home = self.home.0.load(Acquire);
        let hits = self.out.hits.load(Relaxed);
        let made = self.out.made.load(Relaxed);
        Stats {
            hits,
            misses: self.out.misses.load(Relaxed),
            outstanding: hits.saturating_add(made).saturating_sub(home),
            retained,
        }
    }
}
