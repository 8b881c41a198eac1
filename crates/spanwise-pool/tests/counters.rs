//! Every counter of every pool, driven by each event that it counts. The oracle is the number of
//! objects that the test saw dropped.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use spanwise_pool::{BufferPool, Interner, Pool, PoolStats, Reset, TierObject, TieredPool};

/// An object that counts its drop, and that fails if its capacity is one of the constants below.
struct Counted {
    capacity: usize,
    dropped: Arc<AtomicU64>,
}

/// `reset` returns `false`.
const WORTHLESS: usize = 66;
/// `reset` panics.
const PANICS: usize = 67;
/// `retained_bytes` panics.
const BYTES_PANIC: usize = 68;

impl Reset for Counted {
    fn reset(&mut self) -> bool {
        assert_ne!(self.capacity, PANICS, "on purpose");
        self.capacity != WORTHLESS
    }

    fn prepare(&mut self) {}

    fn retained_bytes(&self) -> usize {
        assert_ne!(self.capacity, BYTES_PANIC, "on purpose");
        self.capacity
    }
}

thread_local! {
    /// Drops of the objects that a `TieredPool` makes.
    static DROPPED: Arc<AtomicU64> = Arc::default();
}

impl TierObject for Counted {
    fn with_capacity(capacity: usize) -> Self {
        Counted { capacity, dropped: DROPPED.with(Arc::clone) }
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn shrink_to(&mut self, _: usize) {}
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, SeqCst);
    }
}

fn dropped() -> u64 {
    DROPPED.with(|dropped| dropped.load(SeqCst))
}

fn total(pool: &TieredPool<Counted>) -> PoolStats {
    pool.stats().fold(PoolStats::default(), |mut sum, (_, stats)| {
        sum.hits += stats.hits;
        sum.misses += stats.misses;
        sum.discarded += stats.discarded;
        sum.outstanding += stats.outstanding;
        sum.retained += stats.retained;
        sum
    })
}

#[test]
fn tiers_count_discarded_objects() {
    let pool = TieredPool::<Counted>::with_tiers(&[8, 32], 1);
    let acquire_and_grow = |expected: usize, capacity: usize| {
        let ended = catch_unwind(AssertUnwindSafe(|| {
            pool.acquire(expected).unwrap().capacity = capacity;
        }));
        ended.is_ok()
    };
    let check = |hits, misses, discarded, retained, what: &str| {
        let PoolStats { hits: h, misses: m, discarded: d, retained: r, outstanding, .. } =
            total(&pool);
        assert_eq!((h, m, d, r, outstanding), (hits, misses, discarded, retained, 0), "{what}");
        assert_eq!(d, dropped(), "{what}");
    };
    assert!(acquire_and_grow(8, 8));
    check(0, 1, 0, 1, "is released");
    assert!(acquire_and_grow(8, 32));
    check(1, 1, 0, 1, "moves to the tier of its new size");
    assert!(acquire_and_grow(8, 32));
    check(1, 2, 1, 1, "finds that tier full");
    assert!(acquire_and_grow(8, 1000));
    check(1, 3, 2, 1, "has grown beyond the largest tier");
    assert!(acquire_and_grow(8, 4));
    check(1, 4, 3, 1, "is smaller than each tier");
    assert!(acquire_and_grow(8, WORTHLESS));
    check(1, 5, 4, 1, "is not retained, on its way to another tier");
    assert!(acquire_and_grow(32, WORTHLESS));
    check(2, 5, 5, 0, "is not retained, in its own tier");
    assert!(!acquire_and_grow(8, PANICS));
    check(2, 6, 6, 0, "panics on its way to another tier");
    assert!(!acquire_and_grow(32, PANICS));
    check(2, 7, 7, 0, "panics in its own tier");
    // The tier of the acquisition counts the object.
    let by_tier: Vec<_> =
        pool.stats().map(|(capacity, stats)| (capacity, stats.discarded)).collect();
    assert_eq!(by_tier.iter().map(|(_, discarded)| discarded).sum::<u64>(), 7);
    assert!(by_tier.iter().all(|(_, discarded)| *discarded > 0), "{by_tier:?}");
}

#[test]
fn a_pool_counts_discarded_objects() {
    let here: Arc<AtomicU64> = Arc::default();
    let made = |capacity| Counted { capacity, dropped: here.clone() };
    let pool = Pool::new(1).with_byte_limit(100);
    let check = |hits, misses, discarded, retained, what: &str| {
        let PoolStats { hits: h, misses: m, discarded: d, retained: r, outstanding, .. } =
            pool.stats();
        assert_eq!((h, m, d, r, outstanding), (hits, misses, discarded, retained, 0), "{what}");
        assert_eq!(d, here.load(SeqCst), "{what}");
    };
    let acquire = |capacity| {
        catch_unwind(AssertUnwindSafe(|| pool.acquire(|| made(1)).capacity = capacity)).is_ok()
    };
    assert!(pool.try_acquire().is_none());
    check(0, 1, 0, 0, "nothing to acquire");
    assert!(pool.try_take().is_none());
    check(0, 2, 0, 0, "nothing to take");
    assert!(acquire(1));
    check(0, 3, 0, 1, "is released");
    assert!(acquire(101));
    check(1, 3, 1, 0, "has more bytes than the limit");
    assert!(acquire(WORTHLESS));
    check(1, 4, 2, 0, "is not retained");
    assert!(!acquire(PANICS));
    check(1, 5, 3, 0, "panics");
    assert!(!acquire(BYTES_PANIC));
    check(1, 6, 4, 0, "panics in `retained_bytes`");
    drop((pool.acquire(|| made(1)), pool.acquire(|| made(2))));
    check(1, 8, 5, 1, "one has no slot");
    for capacity in [WORTHLESS, PANICS, BYTES_PANIC] {
        let before = pool.stats().discarded;
        let mut taken = pool.take_or(|| made(1));
        taken.capacity = capacity;
        let _ = catch_unwind(AssertUnwindSafe(|| pool.put(taken).is_ok()));
        assert_eq!(pool.stats().discarded, before + 1, "put {capacity}");
        let _ = catch_unwind(AssertUnwindSafe(|| pool.add(made(capacity)).is_ok()));
        assert_eq!(pool.stats().discarded, before + 2, "add {capacity}");
        assert_eq!((pool.stats().discarded, pool.stats().outstanding), (here.load(SeqCst), 0));
    }
    // An object that does not fit is returned to the caller, not discarded.
    let discarded = pool.stats().discarded;
    assert!(pool.put(pool.take_or(|| made(1))).is_ok());
    drop(pool.add(made(2)).err().unwrap());
    assert_eq!(pool.stats().discarded, discarded);
}

#[cfg(feature = "object-pool")]
#[test]
fn the_object_pool_backend_counts_discarded_objects() {
    let here: Arc<AtomicU64> = Arc::default();
    let pool = spanwise_pool::object_pool::Pool::new(1).with_byte_limit(100);
    let make = || Counted { capacity: 1, dropped: here.clone() };
    let capacities = [1, 101, WORTHLESS, PANICS, BYTES_PANIC];
    for (round, (capacity, discarded)) in capacities.into_iter().zip(0..).enumerate() {
        let _ = catch_unwind(AssertUnwindSafe(|| pool.acquire(make).capacity = capacity));
        let stats = pool.stats();
        assert_eq!((stats.discarded, stats.outstanding), (discarded, 0), "{capacity}");
        assert_eq!(stats.discarded, here.load(SeqCst), "{capacity}");
        assert_eq!(stats.hits + stats.misses, round as u64 + 1);
    }
    drop((pool.acquire(make), pool.acquire(make)));
    assert_eq!((pool.stats().discarded, here.load(SeqCst)), (5, 5));
}

/// A limit set late preserves the counts of earlier acquisitions.
#[test]
fn a_byte_limit_preserves_the_counters() {
    let buffers = BufferPool::<Vec<u8>>::new(2, 64);
    drop(buffers.acquire());
    let buffers = buffers.with_byte_limit(1000);
    drop(buffers.acquire());
    let stats = buffers.stats();
    assert_eq!((stats.misses, stats.hits, stats.retained), (1, 1, 1));
}

#[test]
fn a_buffer_pool_counts_discarded_buffers() {
    let pool = BufferPool::<Vec<u8>>::new(1, 64);
    let check = |hits, misses, discarded, retained| {
        let stats = pool.stats();
        let counts = (stats.hits, stats.misses, stats.discarded, stats.retained);
        assert_eq!((counts, stats.outstanding), ((hits, misses, discarded, retained), 0));
    };
    drop(pool.acquire());
    check(0, 1, 0, 1);
    pool.acquire().reserve(1000);
    check(1, 1, 1, 0);
    *pool.acquire() = Vec::new();
    check(1, 2, 2, 0);
    let both = (pool.acquire(), pool.acquire().freeze());
    assert_eq!(pool.stats().outstanding, 2);
    drop(both);
    check(1, 4, 3, 1);
    let _permanent = pool.acquire().into_inner();
    check(2, 4, 3, 0);
}

#[test]
fn an_interner_counts_each_answer() {
    let interner = Interner::new(1, 8);
    let counts = || {
        let stats = interner.stats();
        (stats.hits, stats.misses, stats.refused, stats.evicted, stats.strings, stats.bytes)
    };
    let held = interner.intern("a");
    assert_eq!(counts(), (0, 1, 0, 0, 1, 1));
    interner.intern("a");
    assert_eq!(counts(), (1, 1, 0, 0, 1, 1));
    interner.intern("b"); // Full of a string in use.
    assert_eq!(counts(), (1, 1, 1, 0, 1, 1));
    interner.intern("longer than the limit");
    assert_eq!(counts(), (1, 1, 2, 0, 1, 1));
    drop(held);
    interner.trim(); // The first trim clears its mark, the second one evicts it.
    interner.trim();
    assert_eq!(counts(), (1, 1, 2, 1, 0, 0));
    interner.intern("b");
    assert_eq!(counts(), (1, 2, 2, 1, 1, 1));
}
