//! The `object-pool` backend gives the same guarantees.
#![cfg(all(feature = "object-pool", not(loom)))]

mod support;

use std::thread;

use spanwise_pool::object_pool::Pool;
use support::Canary;

#[test]
fn the_pool_is_bounded_and_resets_its_objects() {
    let pool = Pool::<Vec<u8>>::new(2).with_byte_limit(100);
    let guards: Vec<_> = (0..4).map(|_| pool.acquire(|| vec![1; 40])).collect();
    assert_eq!(pool.stats().outstanding, 4);
    drop(guards);
    let stats = pool.stats();
    assert_eq!((stats.retained, stats.retained_bytes, stats.discarded), (2, 80, 2));
    assert!(pool.try_acquire().is_some_and(|buffer| buffer.is_empty() && buffer.capacity() == 40));
    pool.clear();
    assert!(pool.try_acquire().is_none());
    assert_eq!((pool.stats().retained, pool.stats().retained_bytes), (0, 0));
}

#[test]
fn threads_never_share_a_canary() {
    let pool = Pool::new(3);
    thread::scope(|scope| {
        for me in 0..4 {
            let pool = &pool;
            scope.spawn(move || {
                for turn in 0..5000 {
                    let mark = me * 5000 + turn;
                    let mut canary = pool.acquire(|| Canary::hatch(mark));
                    canary.grasp(mark);
                    canary.release(mark);
                }
            });
        }
    });
    assert!(pool.stats().retained <= 3 && pool.stats().outstanding == 0);
}
