//! Objects that panic, lie, and call back into the pool they are in.
//!
//! `cargo xtask sanitize` runs this under the address sanitizer. What every object must see: it is
//! dropped once, by one owner, whatever another one does.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use bytes::Bytes;
use spanwise_pool::{Buffer, BufferPool, Interner, Pool, Reset, TierObject, TieredPool};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

/// Objects that live now; each adds one when made and takes one away when dropped.
#[derive(Clone, Default)]
struct Living(Arc<AtomicIsize>);

/// What an object does when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Good,
    PanicsOnRecycle,
    PanicsOnPrepare,
    PanicsOnBytes,
    PanicsOnDrop,
    NotWorthKeeping,
}

struct Object {
    living: Living,
    mood: Cell<Mood>,
    /// A box, so that a second drop is a double free.
    memory: Box<[u8; 32]>,
}

impl Object {
    fn new(living: &Living, mood: Mood) -> Self {
        living.0.fetch_add(1, SeqCst);
        Self { living: living.clone(), mood: Cell::new(mood), memory: Box::new([7; 32]) }
    }

    fn act(&self, mood: Mood) {
        assert_eq!(*self.memory, [7; 32]);
        // Two panics at once end the process, whoever is to blame.
        if self.mood.get() == mood && !thread::panicking() {
            resume_unwind(Box::new("hostile"));
        }
    }
}

impl Reset for Object {
    fn reset(&mut self) -> bool {
        self.act(Mood::PanicsOnRecycle);
        self.mood.get() != Mood::NotWorthKeeping
    }

    fn prepare(&mut self) {
        self.act(Mood::PanicsOnPrepare);
    }

    fn retained_bytes(&self) -> usize {
        self.act(Mood::PanicsOnBytes);
        32
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        self.living.0.fetch_sub(1, SeqCst);
        assert_eq!(*self.memory, [7; 32]);
        self.memory.fill(0);
        if self.mood.get() == Mood::PanicsOnDrop && !thread::panicking() {
            resume_unwind(Box::new("hostile"));
        }
    }
}

fn survive(act: impl FnOnce()) {
    let _hostile = catch_unwind(AssertUnwindSafe(act));
}

#[test]
fn every_object_is_dropped_once_whatever_it_does() {
    use Mood::*;
    let living = Living::default();
    for mood in
        [Good, PanicsOnRecycle, PanicsOnPrepare, PanicsOnBytes, PanicsOnDrop, NotWorthKeeping]
    {
        for (capacity, limit) in [(0, usize::MAX), (1, usize::MAX), (3, 64), (3, 0)] {
            let make = || Object::new(&living, mood);
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
                survive(|| _ = pool.trim_with(|object| object.act(mood)));
                survive(|| pool.clear());
                survive(|| {
                    let mut lent = pool.acquire(|| Object::new(&living, Good));
                    // Changes its mind while it is out.
                    *lent.mood.get_mut() = mood;
                });
            }
            let stats = pool.stats();
            assert!(stats.retained <= capacity && stats.retained_bytes <= limit, "{mood:?}");
            assert_eq!(living.0.load(SeqCst), stats.retained as isize, "{mood:?}");
            // An honest object finds a place again.
            survive(|| pool.clear());
            if capacity > 0 && limit >= 32 {
                let guard = pool.acquire(|| Object::new(&living, Good));
                guard.mood.set(Good);
                drop(guard);
                assert!(pool.stats().retained > 0, "{mood:?}");
            }
            survive(|| drop(pool));
            assert_eq!(living.0.load(SeqCst), 0, "{mood:?}");
        }
    }
}

/// Lends, gives back and clears from inside its own methods.
struct Reentrant {
    home: Arc<Mutex<Option<Arc<Pool<Reentrant>>>>>,
    depth: Arc<AtomicUsize>,
    memory: Vec<u8>,
}

impl Reentrant {
    fn call_home(&self) {
        let home = self.home.lock().unwrap().clone();
        if let Some(home) = home
            && self.depth.fetch_add(1, SeqCst) < 3
        {
            let make = || Reentrant {
                home: self.home.clone(),
                depth: self.depth.clone(),
                memory: vec![1; 64],
            };
            drop(home.acquire(make));
            drop(home.try_acquire());
            drop(home.put(home.take_or(make)));
            let _idle = home.trim();
            home.clear();
            let _any = home.stats();
        }
        self.depth.fetch_sub(1, SeqCst);
    }
}

impl Reset for Reentrant {
    fn reset(&mut self) -> bool {
        self.call_home();
        self.memory.push(2);
        true
    }

    fn retained_bytes(&self) -> usize {
        self.call_home();
        self.memory.capacity()
    }
}

impl Drop for Reentrant {
    fn drop(&mut self) {
        self.call_home();
        assert!(self.memory.iter().all(|&byte| byte == 1 || byte == 2));
    }
}

#[test]
fn an_object_may_use_its_pool_in_every_method() {
    for (capacity, limit) in [(1, usize::MAX), (2, usize::MAX), (2, 100)] {
        let home = Arc::new(Mutex::new(None));
        let pool = Arc::new(Pool::new(capacity).with_byte_limit(limit));
        *home.lock().unwrap() = Some(pool.clone());
        let depth = Arc::new(AtomicUsize::new(0));
        for _ in 0..5 {
            let (home, depth) = (home.clone(), depth.clone());
            let make = || Reentrant { home, depth, memory: vec![1; 64] };
            let guard = pool.acquire(make);
            drop(pool.try_acquire_owned());
            drop(guard);
            let _idle = pool.trim();
        }
        *home.lock().unwrap() = None;
        assert!(pool.stats().retained <= capacity);
        drop(pool);
    }
}

/// Its room and bytes are others each time.
struct Liar {
    calls: Cell<usize>,
}

impl Liar {
    fn new() -> Self {
        Self { calls: Cell::new(0) }
    }

    fn lie(&self) -> usize {
        self.calls.set(self.calls.get() + 1);
        [0, 1 << 20, 7, usize::MAX >> 8, 3][self.calls.get() % 5]
    }
}

impl Reset for Liar {
    fn reset(&mut self) -> bool {
        true
    }

    fn retained_bytes(&self) -> usize {
        self.lie()
    }
}

impl TierObject for Liar {
    fn with_capacity(_: usize) -> Self {
        Self::new()
    }

    fn room(&self) -> usize {
        self.lie()
    }

    fn shrink(&mut self, _: usize) {}
}

#[test]
fn an_object_of_another_size_each_time_breaks_no_bound() {
    for limit in [0, 100, usize::MAX] {
        let pool = Pool::new(4).with_byte_limit(limit);
        let tiers = TieredPool::<Liar>::with_tiers(&[1, 8, 1 << 19], 2).with_byte_limit(limit);
        for _ in 0..200 {
            let guards = [pool.acquire(Liar::new), pool.acquire(Liar::new)];
            assert!(pool.stats().retained_bytes <= limit);
            drop(guards);
            let _back = pool.try_take().map(|object| pool.put(object));
            drop((tiers.acquire(1), tiers.acquire(9), tiers.acquire(usize::MAX)));
            let _idle = (pool.trim(), tiers.trim());
        }
        assert!(pool.stats().retained <= 4 && pool.stats().outstanding == 0);
        assert!(tiers.stats().all(|(_, stats)| stats.retained <= 2));
    }
}

/// `Buffer` wants `Sync`.
struct SyncLiar(Vec<u8>, AtomicUsize);

impl SyncLiar {
    fn lie(&self) -> usize {
        self.1.fetch_add(1, SeqCst) % 5
    }
}

impl AsRef<[u8]> for SyncLiar {
    fn as_ref(&self) -> &[u8] {
        &self.0[..self.lie()]
    }
}

impl Reset for SyncLiar {
    fn reset(&mut self) -> bool {
        true
    }
}

impl Buffer for SyncLiar {
    fn with_capacity(_: usize) -> Self {
        Self(b"hostile".to_vec(), AtomicUsize::new(0))
    }

    fn room(&self) -> usize {
        self.lie() * 100
    }

    fn try_reclaim(&mut self, _: usize) -> bool {
        self.lie() != 1
    }

    fn shrink(&mut self, bytes: usize) {
        self.0 = vec![b'x'; 7.max(bytes.min(9))];
    }
}

#[test]
fn frozen_bytes_of_a_lying_buffer_stay_what_they_were() {
    let pool = BufferPool::<SyncLiar>::new(3, 100).with_byte_limit(300);
    for _ in 0..50 {
        let frozen: Vec<Bytes> = (0..4).map(|_| pool.acquire().freeze()).collect();
        let copies: Vec<Vec<u8>> = frozen.iter().map(|bytes| bytes.to_vec()).collect();
        let _idle = pool.trim();
        let others = thread::scope(|scope| scope.spawn(|| pool.acquire().freeze()).join().unwrap());
        for (bytes, copy) in frozen.iter().zip(&copies) {
            assert_eq!(bytes, copy);
        }
        drop((frozen, others));
    }
    assert_eq!(pool.stats().outstanding, 0);
}

#[test]
fn the_interner_takes_any_text() {
    let interner = Interner::new(4, 64);
    let long = "x".repeat(1 << 20);
    let texts = ["", "\0", "\u{1b}[2J", "é", &long, "a", "b", "c", "d", "e"];
    for _ in 0..3 {
        let held: Vec<Arc<str>> = texts.iter().map(|text| interner.intern(text)).collect();
        interner.trim();
        assert!(held.iter().zip(texts).all(|(held, text)| **held == *text));
    }
}
