//! Objects that are not ours: they panic wherever they are called, and say different things each
//! time. No slot is lost, no object lent twice, no sum wraps.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use spanwise_pool::{
    Buffer, BufferPool, Interner, Pool, PooledSpan, Reset, SpanPool, TierObject, TieredPool,
};

/// Where an object panics next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Reset,
    Prepare,
    RetainedBytes,
    Drop,
}

thread_local!(static PANICS: Cell<Option<At>> = const { Cell::new(None) });

fn may_panic(at: At) {
    if PANICS.get() == Some(at) {
        PANICS.set(None);
        resume_unwind(Box::new("hostile"));
    }
}

/// Runs it with a panic at one place; whether that came.
fn panics(at: At, run: impl FnOnce()) -> bool {
    PANICS.set(Some(at));
    let ran = catch_unwind(AssertUnwindSafe(run));
    PANICS.set(None);
    ran.is_err()
}

/// Knows whether somebody else has it.
struct Hostile {
    lent: AtomicBool,
    alive: Arc<AtomicUsize>,
}

impl Hostile {
    fn new(alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, SeqCst);
        Hostile { lent: AtomicBool::new(false), alive: alive.clone() }
    }

    fn enter(&self) {
        assert!(!self.lent.swap(true, SeqCst), "lent twice");
    }
}

impl Reset for Hostile {
    fn reset(&mut self) -> bool {
        *self.lent.get_mut() = false;
        may_panic(At::Reset);
        true
    }

    fn prepare(&mut self) {
        may_panic(At::Prepare);
    }

    fn retained_bytes(&self) -> usize {
        may_panic(At::RetainedBytes);
        10
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
        may_panic(At::Drop);
    }
}

const CAPACITY: usize = 4;

/// All slots can be had, each once, and come back.
#[track_caller]
fn is_whole(pool: &Pool<Hostile>, alive: &Arc<AtomicUsize>) {
    assert_eq!(pool.stats().outstanding, 0, "{pool:?}");
    let lent: Vec<_> = (0..CAPACITY).map(|_| pool.acquire(|| Hostile::new(alive))).collect();
    lent.iter().for_each(|object| object.enter());
    assert_eq!(pool.stats().outstanding, CAPACITY);
    drop(lent);
    let stats = pool.stats();
    assert_eq!((stats.retained, stats.retained_bytes), (CAPACITY, 10 * CAPACITY), "{pool:?}");
    assert_eq!(alive.load(SeqCst), CAPACITY, "an object is lost");
}

#[test]
fn a_panic_anywhere_loses_its_object_and_nothing_else() {
    for at in [At::Reset, At::Prepare, At::RetainedBytes, At::Drop] {
        for limit in [usize::MAX, 10 * CAPACITY] {
            let alive = Arc::new(AtomicUsize::new(0));
            let pool = Arc::new(Pool::new(CAPACITY).with_byte_limit(limit));
            let make = || Hostile::new(&alive);
            is_whole(&pool, &alive);
            let mut came = 0;
            let mut check = |run: &mut dyn FnMut()| {
                came += u32::from(panics(at, run));
                is_whole(&pool, &alive);
            };
            check(&mut || pool.acquire(make).enter());
            check(&mut || pool.acquire_owned(make).enter());
            check(&mut || drop(pool.try_acquire()));
            check(&mut || drop(pool.acquire(make).into_inner()));
            check(&mut || drop(pool.try_take().map(|taken| pool.put(taken))));
            check(&mut || drop(pool.put(pool.take_or(make))));
            check(&mut || drop(pool.add(make())));
            check(&mut || {
                let extra: Vec<_> = (0..CAPACITY).map(|_| pool.acquire(make)).collect();
                // One that has no slot.
                let beyond = pool.acquire(make);
                drop((beyond, extra));
            });
            check(&mut || pool.clear());
            check(&mut || {
                let _none_used = (pool.trim(), pool.trim());
            });
            check(&mut || {
                let _shrunk = pool.trim_with(|_| may_panic(at));
            });
            assert!(came >= 2, "{at:?} came {came} times");
            drop(pool);
            assert_eq!(alive.load(SeqCst), 0);
        }
    }
}

/// Says another size each time, the largest ones too.
struct Liar;

thread_local!(static LIES: Cell<usize> = const { Cell::new(0) });

impl Reset for Liar {
    fn reset(&mut self) -> bool {
        true
    }

    fn retained_bytes(&self) -> usize {
        LIES.set(LIES.get() + 1);
        [usize::MAX, 0, 7, usize::MAX - 1, usize::MAX / 2][LIES.get() % 5]
    }
}

#[test]
fn an_object_that_lies_about_its_size_breaks_no_sum() {
    for limit in [usize::MAX, usize::MAX - 1, 100, 0] {
        let pool = Pool::new(8).with_byte_limit(limit);
        for round in 0..200 {
            let lent: Vec<_> = (0..round % 12).map(|_| pool.acquire(|| Liar)).collect();
            drop(lent);
            if let Some(taken) = pool.try_take() {
                let _full = pool.put(taken);
            }
            assert!(pool.stats().retained <= 8);
            if limit == 0 {
                assert_eq!(pool.stats().retained_bytes, 0);
            } else if limit == 100 {
                assert!(pool.stats().retained_bytes <= 100);
            }
            if round % 7 == 0 {
                let _whatever = pool.trim_with(|_| ());
            }
        }
        pool.clear();
        assert_eq!((pool.stats().retained, pool.stats().outstanding), (0, 0));
    }
}

#[cfg(feature = "object-pool")]
#[test]
fn the_other_pool_survives_them_too() {
    use spanwise_pool::object_pool::Pool;

    for at in [At::Reset, At::Prepare, At::RetainedBytes, At::Drop] {
        let alive = Arc::new(AtomicUsize::new(0));
        let pool = Pool::new(2);
        for _ in 0..5 {
            panics(at, || pool.acquire(|| Hostile::new(&alive)).enter());
        }
        let two = (pool.acquire(|| Hostile::new(&alive)), pool.acquire(|| Hostile::new(&alive)));
        drop(two);
        let stats = pool.stats();
        assert_eq!((stats.retained, stats.retained_bytes, stats.outstanding), (2, 20, 0), "{at:?}");
    }
    let pool = Pool::new(8).with_byte_limit(100);
    for _ in 0..100 {
        drop((pool.acquire(|| Liar), pool.acquire(|| Liar)));
        assert!(pool.stats().retained_bytes <= 100);
    }
    pool.clear();
    assert_eq!((pool.stats().retained, pool.stats().retained_bytes), (0, 0));
}

#[test]
fn absurd_numbers_are_bounded_not_allocated() {
    const MAX: usize = usize::MAX;
    /// More than this is taken for this.
    const SLOTS: usize = 1 << 20;
    const ROOM: usize = 64 << 20;
    assert_eq!(Pool::<Small>::new(MAX).capacity(), SLOTS);
    assert_eq!(Pool::<Small>::new(SLOTS + 1).capacity(), SLOTS);
    assert_eq!(Pool::<Small>::new(1000).capacity(), 1000);
    // Large objects: 64 MiB of slots.
    let large = Pool::<Large>::new(MAX).capacity();
    assert!((10_000..=16_384).contains(&large), "{large}");

    let vec = <Vec<u64> as TierObject>::with_capacity(MAX);
    assert_eq!(vec.capacity(), ROOM / 8);
    assert_eq!(<Vec<()> as TierObject>::with_capacity(MAX).len(), 0);
    assert_eq!(<Vec<u8> as Buffer>::with_capacity(MAX).capacity(), ROOM);
    let span = PooledSpan::with_capacity(MAX, MAX, MAX);
    assert!(span.attributes.capacity() * size_of::<spanwise_pool::span::Attribute>() <= ROOM);

    let tiers = TieredPool::<Vec<u8>>::with_tiers(&[0, 1, MAX, MAX - 1], 2);
    for expected in [0, 1, 2, MAX] {
        let mut lent = tiers.acquire(expected).unwrap();
        lent.push(1);
    }
    let _idle = (tiers.trim(), tiers.trim());
    let many: Vec<usize> = (0..10_000).collect();
    assert_eq!(TieredPool::<Vec<u8>>::with_tiers(&many, 1).stats().count(), 64);

    let buffers = BufferPool::<Vec<u8>>::new(2, MAX).with_byte_limit(MAX);
    assert_eq!(Buffer::room(&*buffers.acquire()), ROOM);
    let _idle = (buffers.trim(), buffers.trim());

    let spans = SpanPool::new(4).with_capacity(MAX, MAX, MAX).with_byte_limit(MAX);
    drop(spans.acquire());
    let _idle = spans.trim();
    drop(SpanPool::new(MAX).acquire());

    let interner = Interner::new(MAX, MAX);
    assert_eq!(&*interner.intern(&"x".repeat(1000)), "x".repeat(1000));
    let none = Interner::new(0, 0);
    assert_eq!((&*none.intern("x"), none.stats().strings), ("x", 0));
}

struct Small(#[expect(dead_code, reason = "has a size")] u8);

impl Reset for Small {
    fn reset(&mut self) -> bool {
        true
    }
}

struct Large(#[expect(dead_code, reason = "has a size")] [u8; 4096]);

impl Reset for Large {
    fn reset(&mut self) -> bool {
        true
    }
}
