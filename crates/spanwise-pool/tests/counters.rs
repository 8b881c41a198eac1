//! Every counter of every pool, driven by each event that it counts. The oracle is the number of
//! objects that the test saw dropped.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use spanwise_pool::{
    BufferPool, Interner, Pool, PoolStats, Reset, SpanPool, TierObject, TieredPool,
};

/// Of some room, counted when it is dropped, and as wilful as its room says.
struct Counted {
    room: usize,
    dropped: Arc<AtomicU64>,
}

/// Not worth keeping.
const WORTHLESS: usize = 66;
/// Panics when it is recycled.
const PANICS: usize = 67;
/// Panics when it is asked for its bytes.
const BYTES_PANIC: usize = 68;

impl Reset for Counted {
    fn reset(&mut self) -> bool {
        assert_ne!(self.room, PANICS, "on purpose");
        self.room != WORTHLESS
    }

    fn prepare(&mut self) {}

    fn retained_bytes(&self) -> usize {
        assert_ne!(self.room, BYTES_PANIC, "on purpose");
        self.room
    }
}

thread_local! {
    /// Where objects that a `TieredPool` makes count their drop.
    static DROPPED: Arc<AtomicU64> = Arc::default();
}

impl TierObject for Counted {
    fn with_capacity(room: usize) -> Self {
        Counted { room, dropped: DROPPED.with(Arc::clone) }
    }

    fn room(&self) -> usize {
        self.room
    }

    fn shrink(&mut self, _: usize) {}
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
fn tiers_count_what_they_let_go() {
    let pool = TieredPool::<Counted>::with_tiers(&[8, 32], 1);
    let lend_and_grow = |expected: usize, room: usize| {
        let ended = catch_unwind(AssertUnwindSafe(|| {
            pool.acquire(expected).unwrap().room = room;
        }));
        ended.is_ok()
    };
    let check = |hits, misses, discarded, retained, what: &str| {
        let PoolStats { hits: h, misses: m, discarded: d, retained: r, outstanding, .. } =
            total(&pool);
        assert_eq!((h, m, d, r, outstanding), (hits, misses, discarded, retained, 0), "{what}");
        assert_eq!(d, dropped(), "{what}");
    };
    assert!(lend_and_grow(8, 8));
    check(0, 1, 0, 1, "comes home");
    assert!(lend_and_grow(8, 32));
    check(1, 1, 0, 1, "moves to the tier of its new size");
    assert!(lend_and_grow(8, 32));
    check(1, 2, 1, 1, "finds that tier full");
    assert!(lend_and_grow(8, 1000));
    check(1, 3, 2, 1, "has grown beyond what is kept");
    assert!(lend_and_grow(8, 4));
    check(1, 4, 3, 1, "keeps no tier's promise");
    assert!(lend_and_grow(8, WORTHLESS));
    check(1, 5, 4, 1, "is not worth keeping, on its way to another tier");
    assert!(lend_and_grow(32, WORTHLESS));
    check(2, 5, 5, 0, "is not worth keeping, in its own tier");
    assert!(!lend_and_grow(8, PANICS));
    check(2, 6, 6, 0, "panics on its way to another tier");
    assert!(!lend_and_grow(32, PANICS));
    check(2, 7, 7, 0, "panics in its own tier");
    // Of the tier that it was lent from.
    let by_tier: Vec<_> = pool.stats().map(|(room, stats)| (room, stats.discarded)).collect();
    assert_eq!(by_tier.iter().map(|(_, discarded)| discarded).sum::<u64>(), 7);
    assert!(by_tier.iter().all(|(_, discarded)| *discarded > 0), "{by_tier:?}");
}

#[test]
fn a_pool_counts_what_it_lets_go() {
    let here: Arc<AtomicU64> = Arc::default();
    let made = |room| Counted { room, dropped: here.clone() };
    let pool = Pool::new(1).with_byte_limit(100);
    let check = |hits, misses, discarded, retained, what: &str| {
        let PoolStats { hits: h, misses: m, discarded: d, retained: r, outstanding, .. } =
            pool.stats();
        assert_eq!((h, m, d, r, outstanding), (hits, misses, discarded, retained, 0), "{what}");
        assert_eq!(d, here.load(SeqCst), "{what}");
    };
    let acquire =
        |room| catch_unwind(AssertUnwindSafe(|| pool.acquire(|| made(1)).room = room)).is_ok();
    assert!(pool.try_acquire().is_none());
    check(0, 1, 0, 0, "nothing to lend");
    assert!(pool.try_take().is_none());
    check(0, 2, 0, 0, "nothing to take");
    assert!(acquire(1));
    check(0, 3, 0, 1, "comes home");
    assert!(acquire(101));
    check(1, 3, 1, 0, "has more bytes than there may be");
    assert!(acquire(WORTHLESS));
    check(1, 4, 2, 0, "is not worth keeping");
    assert!(!acquire(PANICS));
    check(1, 5, 3, 0, "panics");
    assert!(!acquire(BYTES_PANIC));
    check(1, 6, 4, 0, "panics when asked for its bytes");
    drop((pool.acquire(|| made(1)), pool.acquire(|| made(2))));
    check(1, 8, 5, 1, "one is out beyond the number of slots");
    for room in [WORTHLESS, PANICS, BYTES_PANIC] {
        let before = pool.stats().discarded;
        let mut taken = pool.take_or(|| made(1));
        taken.room = room;
        let _ = catch_unwind(AssertUnwindSafe(|| pool.put(taken).is_ok()));
        assert_eq!(pool.stats().discarded, before + 1, "put {room}");
        let _ = catch_unwind(AssertUnwindSafe(|| pool.add(made(room)).is_ok()));
        assert_eq!(pool.stats().discarded, before + 2, "add {room}");
        assert_eq!((pool.stats().discarded, pool.stats().outstanding), (here.load(SeqCst), 0));
    }
    // What does not fit is given back, and not let go.
    let discarded = pool.stats().discarded;
    assert!(pool.put(pool.take_or(|| made(1))).is_ok());
    drop(pool.add(made(2)).err().unwrap());
    assert_eq!(pool.stats().discarded, discarded);
}

#[cfg(feature = "object-pool")]
#[test]
fn the_other_backend_counts_what_it_lets_go() {
    let here: Arc<AtomicU64> = Arc::default();
    let pool = spanwise_pool::object_pool::Pool::new(1).with_byte_limit(100);
    let make = || Counted { room: 1, dropped: here.clone() };
    let rooms = [1, 101, WORTHLESS, PANICS, BYTES_PANIC];
    for (round, (room, discarded)) in rooms.into_iter().zip(0..).enumerate() {
        let _ = catch_unwind(AssertUnwindSafe(|| pool.acquire(make).room = room));
        let stats = pool.stats();
        assert_eq!((stats.discarded, stats.outstanding), (discarded, 0), "{room}");
        assert_eq!(stats.discarded, here.load(SeqCst), "{room}");
        assert_eq!(stats.hits + stats.misses, round as u64 + 1);
    }
    drop((pool.acquire(make), pool.acquire(make)));
    assert_eq!((pool.stats().discarded, here.load(SeqCst)), (5, 5));
}

/// A limit set late forgets no loan that it can see.
#[test]
fn a_byte_limit_keeps_the_counters() {
    let buffers = BufferPool::<Vec<u8>>::new(2, 64);
    drop(buffers.acquire());
    let buffers = buffers.with_byte_limit(1000);
    drop(buffers.acquire());
    let stats = buffers.stats();
    assert_eq!((stats.misses, stats.hits, stats.retained), (1, 1, 1));

    let spans = SpanPool::new(2);
    drop(spans.acquire());
    let spans = spans.with_byte_limit(1 << 20);
    drop(spans.acquire());
    assert_eq!((spans.stats().misses, spans.stats().hits), (1, 1));
}

#[test]
fn a_buffer_pool_counts_what_it_lets_go() {
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
    let _for_good = pool.acquire().into_inner();
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
    interner.intern("longer than all there may be");
    assert_eq!(counts(), (1, 1, 2, 0, 1, 1));
    drop(held);
    interner.trim(); // Its second chance, or its end.
    interner.trim();
    assert_eq!(counts(), (1, 1, 2, 1, 0, 0));
    interner.intern("b");
    assert_eq!(counts(), (1, 2, 2, 1, 1, 1));
}
