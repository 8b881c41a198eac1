//! Objects whose size differs on each call: bounds hold, and no sum wraps.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use bytes::Bytes;
use spanwise_pool::{Buffer, BufferPool, Pool, Reset, TierObject, TieredPool};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

/// An object whose size differs on each call.
struct Liar {
    calls: Cell<usize>,
}

impl Liar {
    fn new() -> Self {
        Self { calls: Cell::new(0) }
    }

    fn lie(&self) -> usize {
        self.calls.set(self.calls.get() + 1);
        [0, 1 << 20, 7, usize::MAX, usize::MAX - 1, usize::MAX / 2, 3][self.calls.get() % 7]
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

    fn capacity(&self) -> usize {
        self.lie()
    }

    fn shrink_to(&mut self, _: usize) {}
}

#[test]
fn an_object_whose_size_changes_breaks_no_bound() {
    for limit in [0, 100, usize::MAX - 1, usize::MAX] {
        let pool = Pool::new(4).with_byte_limit(limit);
        let tiers = TieredPool::<Liar>::with_tiers(&[1, 8, 1 << 19], 2).with_byte_limit(limit);
        for round in 0..200 {
            let guards: Vec<_> = (0..round % 7).map(|_| pool.acquire(Liar::new)).collect();
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

/// A buffer whose length and capacity differ on each call; `Buffer` requires `Sync`.
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

    fn capacity(&self) -> usize {
        self.lie() * 100
    }

    fn try_reclaim(&mut self, _: usize) -> bool {
        self.lie() != 1
    }

    fn shrink_to(&mut self, bytes: usize) {
        self.0 = vec![b'x'; 7.max(bytes.min(9))];
    }
}

#[test]
fn frozen_bytes_of_a_changing_buffer_stay_the_same() {
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

#[cfg(feature = "object-pool")]
#[test]
fn the_object_pool_backend_breaks_no_bound() {
    let pool = spanwise_pool::object_pool::Pool::new(8).with_byte_limit(100);
    for _ in 0..100 {
        drop((pool.acquire(Liar::new), pool.acquire(Liar::new)));
        assert!(pool.stats().retained_bytes <= 100);
    }
    pool.clear();
    assert_eq!((pool.stats().retained, pool.stats().retained_bytes), (0, 0));
}
