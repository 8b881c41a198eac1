//! Objects that panic in any method: the pool loses no slot, hands out no object twice, and drops each object
//! once. `cargo xtask sanitize` runs this under the address sanitizer.
#![cfg(not(loom))]

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use spanwise_pool::{Pool, Reset};

/// A method of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Reset,
    Prepare,
    RetainedBytes,
    Drop,
}

thread_local!(static PANICS: Cell<Option<At>> = const { Cell::new(None) });

/// Runs `run` with one panic of the next object whose method `at` is called; whether it panicked.
fn panics(at: At, run: impl FnOnce()) -> bool {
    PANICS.set(Some(at));
    let ran = catch_unwind(AssertUnwindSafe(run));
    PANICS.set(None);
    ran.is_err()
}

/// The behaviour of one object in all its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Good,
    Panics(At),
    NotRetained,
}

/// An object that detects a second user and a second drop.
struct Hostile {
    in_use: AtomicBool,
    alive: Arc<AtomicUsize>,
    mood: Cell<Mood>,
    /// A box, so that a second drop is a double free.
    memory: Box<[u8; 32]>,
}

impl Hostile {
    fn new(alive: &Arc<AtomicUsize>) -> Self {
        Self::with_mood(alive, Mood::Good)
    }

    fn with_mood(alive: &Arc<AtomicUsize>, mood: Mood) -> Self {
        alive.fetch_add(1, SeqCst);
        Hostile {
            in_use: AtomicBool::new(false),
            alive: alive.clone(),
            mood: Cell::new(mood),
            memory: Box::new([7; 32]),
        }
    }

    fn enter(&self) {
        assert!(!self.in_use.swap(true, SeqCst), "two users");
    }

    fn act(&self, at: At) {
        assert_eq!(*self.memory, [7; 32]);
        let once = PANICS.get() == Some(at);
        if once {
            PANICS.set(None);
        }
        // A second panic during an unwind would abort the process.
        if (once || self.mood.get() == Mood::Panics(at)) && !thread::panicking() {
            resume_unwind(Box::new("hostile"));
        }
    }
}

impl Reset for Hostile {
    fn reset(&mut self) -> bool {
        *self.in_use.get_mut() = false;
        self.act(At::Reset);
        self.mood.get() != Mood::NotRetained
    }

    fn prepare(&mut self) {
        self.act(At::Prepare);
    }

    fn retained_bytes(&self) -> usize {
        self.act(At::RetainedBytes);
        10
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
        let act = catch_unwind(AssertUnwindSafe(|| self.act(At::Drop)));
        self.memory.fill(0);
        if let Err(panic) = act {
            resume_unwind(panic);
        }
    }
}

const CAPACITY: usize = 4;

/// Each slot hands out its object once, and retains it on release.
#[track_caller]
fn is_whole(pool: &Pool<Hostile>, alive: &Arc<AtomicUsize>) {
    assert_eq!(pool.stats().outstanding, 0, "{pool:?}");
    let guards: Vec<_> = (0..CAPACITY).map(|_| pool.acquire(|| Hostile::new(alive))).collect();
    guards.iter().for_each(|object| object.enter());
    assert_eq!(pool.stats().outstanding, CAPACITY);
    drop(guards);
    let stats = pool.stats();
    assert_eq!((stats.retained, stats.retained_bytes), (CAPACITY, 10 * CAPACITY), "{pool:?}");
    assert_eq!(alive.load(SeqCst), CAPACITY, "an object leaked");
}

#[test]
fn a_panic_in_any_method_loses_its_object_and_nothing_else() {
    for at in [At::Reset, At::Prepare, At::RetainedBytes, At::Drop] {
        for limit in [usize::MAX, 10 * CAPACITY] {
            let alive = Arc::new(AtomicUsize::new(0));
            let pool = Arc::new(Pool::new(CAPACITY).with_byte_limit(limit));
            let make = || Hostile::new(&alive);
            is_whole(&pool, &alive);
            let mut panicked = 0;
            let mut check = |run: &mut dyn FnMut()| {
                panicked += u32::from(panics(at, run));
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
                // An object without a slot.
                let beyond = pool.acquire(make);
                drop((beyond, extra));
            });
            check(&mut || pool.clear());
            check(&mut || {
                let _unused = (pool.trim(), pool.trim());
            });
            check(&mut || {
                let _shrunk = pool.trim_with(|object| object.act(at));
            });
            assert!(panicked >= 2, "{at:?}: {panicked} panics");
            drop(pool);
            assert_eq!(alive.load(SeqCst), 0);
        }
    }
}

fn survive(act: impl FnOnce()) {
    let _hostile = catch_unwind(AssertUnwindSafe(act));
}

#[test]
fn each_object_is_dropped_once() {
    let alive = Arc::new(AtomicUsize::new(0));
    let panics = [At::Reset, At::Prepare, At::RetainedBytes, At::Drop].map(Mood::Panics);
    for mood in panics.into_iter().chain([Mood::Good, Mood::NotRetained]) {
        for (capacity, limit) in [(0, usize::MAX), (1, usize::MAX), (3, 20), (3, 0)] {
            let make = || Hostile::with_mood(&alive, mood);
            let pool = Arc::new(Pool::new(capacity).with_byte_limit(limit));
            for _ in 0..3 {
                survive(|| drop(pool.acquire(make)));
                survive(|| drop((pool.acquire(make), pool.acquire(make))));
                survive(|| drop(pool.acquire_owned(make)));
                survive(|| drop(pool.try_acquire()));
                survive(|| drop(pool.acquire(make).into_inner()));
                survive(|| drop(pool.put(pool.take_or(make))));
                survive(|| drop(pool.add(make())));
                survive(|| drop(pool.try_take()));
                survive(|| drop(pool.acquire(|| resume_unwind(Box::new("not made")))));
                survive(|| _ = pool.trim());
                survive(|| _ = pool.trim_with(|object| object.act(At::Reset)));
                survive(|| pool.clear());
                survive(|| {
                    let mut guard = pool.acquire(|| Hostile::new(&alive));
                    // The mood changes while the object is in use.
                    *guard.mood.get_mut() = mood;
                });
            }
            let stats = pool.stats();
            assert!(stats.retained <= capacity && stats.retained_bytes <= limit, "{mood:?}");
            assert_eq!(alive.load(SeqCst), stats.retained, "{mood:?}");
            // A good object is retained again.
            survive(|| pool.clear());
            if capacity > 0 && limit >= 10 {
                let guard = pool.acquire(|| Hostile::new(&alive));
                guard.mood.set(Mood::Good);
                drop(guard);
                assert!(pool.stats().retained > 0, "{mood:?}");
            }
            survive(|| drop(pool));
            assert_eq!(alive.load(SeqCst), 0, "{mood:?}");
        }
    }
}

#[cfg(feature = "object-pool")]
#[test]
fn the_object_pool_backend_loses_the_object_of_a_panic_only() {
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
}
