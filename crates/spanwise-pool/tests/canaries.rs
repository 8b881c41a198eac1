//! A pool hands out no object that is in use, and no data of the previous user.
#![cfg(not(loom))]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use spanwise_pool::{Pool, PooledOwned, Reset};
use support::Canary;

/// A canary on its way to another thread; dropping it, on any thread, releases it.
struct Letter {
    mark: u64,
    canary: PooledOwned<Canary>,
}

impl Drop for Letter {
    fn drop(&mut self) {
        self.canary.release(self.mark);
    }
}

/// Threads acquire, hold a few objects, and release them on another thread, while one thread trims.
#[test]
fn threads_never_share_a_canary() {
    const THREADS: u64 = 4;
    const TURNS: u64 = if cfg!(miri) { 50 } else { 20_000 };
    let pool = Arc::new(Pool::prefilled(8, || Canary::hatch(0)));
    let hatched = AtomicU64::new(1);
    let (send, receive): (Vec<_>, Vec<_>) =
        (0..THREADS).map(|_| mpsc::sync_channel::<Letter>(4)).unzip();
    thread::scope(|scope| {
        for (me, mail) in (0..THREADS).zip(receive) {
            let (pool, hatched) = (&pool, &hatched);
            let neighbour = send[((me + 1) % THREADS) as usize].clone();
            scope.spawn(move || {
                for turn in 0..TURNS {
                    let mark = me * TURNS + turn;
                    let hatch = || Canary::hatch(hatched.fetch_add(1, Ordering::Relaxed));
                    match turn % 8 {
                        0 => {
                            let mut canary = pool.take_or(hatch);
                            canary.grasp(mark);
                            canary.release(mark);
                            // A full pool returns the canary, which is dropped here.
                            drop(pool.put(canary));
                        }
                        1..5 => {
                            let mut canary = pool.acquire(hatch);
                            canary.grasp(mark);
                            canary.release(mark);
                        }
                        _ => {
                            let mut canary = pool.acquire_owned(hatch);
                            canary.grasp(mark);
                            // If the channel is full or closed, the canary is released here.
                            drop(neighbour.try_send(Letter { mark, canary }));
                        }
                    }
                    mail.try_iter().for_each(drop);
                    if me == 0 && turn % 64 == 0 {
                        let _idle = pool.trim();
                    }
                }
            });
        }
        drop(send);
    });
    let stats = pool.stats();
    assert!(stats.retained <= pool.capacity());
    assert_eq!((stats.hits + stats.misses, stats.outstanding), (THREADS * TURNS, 0));
    assert!(stats.hits > 0);
}

/// Each tenant finds a buffer empty, fills it with its own byte, and must read no other byte.
fn no_foreign_bytes(turns_of_each: u64) {
    const TENANTS: u8 = 8;
    let pool = Pool::<Vec<u8>>::new(4).with_byte_limit(1 << 16);
    let foreign = AtomicU64::new(0);
    thread::scope(|scope| {
        for tenant in 1..=TENANTS {
            let (pool, foreign) = (&pool, &foreign);
            scope.spawn(move || {
                for turn in 0..turns_of_each {
                    let mut buffer = pool.acquire(Vec::new);
                    let wrong = buffer.len();
                    buffer.resize(1 + (turn % 61) as usize, tenant);
                    if turn % 1024 == 0 {
                        thread::yield_now();
                    }
                    let wrong = wrong + buffer.iter().filter(|&&byte| byte != tenant).count();
                    foreign.fetch_add(wrong as u64, Ordering::Relaxed);
                }
            });
        }
    });
    let stats = pool.stats();
    assert_eq!(foreign.into_inner(), 0);
    assert_eq!(stats.hits + stats.misses, turns_of_each * u64::from(TENANTS));
    assert!(stats.outstanding == 0 && stats.retained <= 4 && stats.retained_bytes <= 1 << 16);
}

#[test]
fn no_tenant_sees_anothers_bytes() {
    no_foreign_bytes(if cfg!(miri) { 20 } else { 25_000 });
}

/// `cargo test -p spanwise-pool --release -- --ignored`
#[test]
#[ignore = "10^8 acquisitions: half a minute with optimisation"]
fn no_tenant_sees_anothers_bytes_in_a_hundred_million_acquisitions() {
    no_foreign_bytes(12_500_000);
}

#[test]
fn a_full_pool_returns_the_object_after_its_reset() {
    let pool = Pool::prefilled(1, Vec::<u8>::new);
    let taken = pool.try_take().unwrap();
    assert_eq!(pool.put(taken), Ok(()));
    let made = vec![1, 2, 3];
    let capacity = made.capacity();
    let back = pool.put(made).unwrap_err();
    assert!(back.is_empty());
    assert_eq!(back.capacity(), capacity);
}

#[test]
fn a_pool_of_capacity_0_retains_nothing() {
    let pool = Arc::new(Pool::<String>::new(0));
    drop(pool.acquire_owned(|| "once".to_owned()));
    drop(pool.acquire(|| "twice".to_owned()));
    assert_eq!(pool.put(String::new()), Err(String::new()));
    assert!(pool.try_take().is_none());
    assert_eq!(pool.stats().retained, 0);
}

#[test]
fn a_guard_outlives_the_handles_of_its_pool() {
    let pool = Arc::new(Pool::<Vec<u8>>::new(2));
    let (weak, guard) = (Arc::downgrade(&pool), pool.acquire_owned(Vec::new));
    drop(pool);
    assert_eq!(weak.upgrade().map(|pool| pool.stats().outstanding), Some(1));
    drop(guard);
    assert!(weak.upgrade().is_none());
}

/// The object used last is the one in cache.
#[test]
fn the_object_used_last_is_handed_out_first() {
    let pool = Pool::prefilled(16, || Canary::hatch(0));
    for id in 0..3 {
        pool.acquire(|| Canary::hatch(9)).id = id;
        assert_eq!(pool.acquire(|| Canary::hatch(9)).id, id, "last in, first out");
    }
    let (mut outer, mut inner) = (pool.try_acquire().unwrap(), pool.try_acquire().unwrap());
    (outer.id, inner.id) = (10, 11);
    drop(inner);
    drop(outer);
    let outer = pool.try_acquire().unwrap();
    assert_eq!((outer.id, pool.try_acquire().unwrap().id), (10, 11), "and so when nested");
}

/// A panic in `reset` loses its object and nothing else.
#[test]
fn a_panic_in_reset_frees_the_slot() {
    struct Grenade(bool);
    impl Reset for Grenade {
        fn reset(&mut self) -> bool {
            if self.0 {
                resume_unwind(Box::new("boom"));
            }
            true
        }
        fn retained_bytes(&self) -> usize {
            8
        }
    }
    let pool = Pool::new(1).with_byte_limit(8);
    drop(pool.acquire(|| Grenade(false)));
    let mut armed = pool.try_acquire().unwrap();
    armed.0 = true;
    assert!(catch_unwind(AssertUnwindSafe(|| drop(armed))).is_err());
    let stats = pool.stats();
    assert_eq!((stats.retained, stats.outstanding, stats.discarded), (0, 0, 1));
    drop(pool.acquire(|| Grenade(false)));
    assert_eq!(pool.stats().retained_bytes, 8, "its slot and its bytes are free again");
}

/// `prepare` clears data that `reset` missed.
#[test]
fn an_object_is_reset_when_handed_out_too() {
    #[derive(Default)]
    struct Sloppy {
        secret: u64,
        resets: u64,
    }
    impl Reset for Sloppy {
        fn reset(&mut self) -> bool {
            true
        }
        fn prepare(&mut self) {
            self.secret = 0;
            self.resets += 1;
        }
    }
    let pool = Pool::<Sloppy>::new(1);
    pool.acquire(Sloppy::default).secret = 42;
    let again = pool.try_acquire().unwrap();
    assert_eq!((again.secret, again.resets), (0, 1));
}

#[test]
fn a_limit_set_late_applies_at_once() {
    let pool = Pool::prefilled(4, || Vec::<u8>::with_capacity(10)).with_byte_limit(25);
    assert_eq!((pool.stats().retained, pool.stats().retained_bytes), (2, 20));
}

/// A thread that puts objects taken by another thread puts them into distant slots.
#[test]
fn a_thread_finds_objects_that_another_one_puts() {
    let pool = Pool::<Vec<u8>>::new(512);
    let made: Vec<_> = (0..100).map(|_| pool.take_or(|| Vec::with_capacity(8))).collect();
    let all_retained = thread::scope(|scope| {
        let putting = scope.spawn(|| made.into_iter().all(|buffer| pool.put(buffer).is_ok()));
        putting.join().unwrap()
    });
    assert!(all_retained);
    // One miss in 16 searches all slots, and the next searches start at the slot found.
    let taken: Vec<_> = (0..100).map(|_| pool.take_or(Vec::new)).collect();
    let found = taken.iter().filter(|buffer| buffer.capacity() == 8).count();
    assert!(found >= 85, "{found}");
    assert_eq!((pool.stats().hits, pool.stats().outstanding), (found as u64, 100));
    assert!(taken.into_iter().all(|buffer| pool.put(buffer).is_ok()));
    assert_eq!((pool.stats().retained, pool.stats().outstanding), (200 - found, 0));
}

#[test]
fn a_trim_shrinks_idle_objects_and_does_not_count_as_use() {
    let pool = Pool::<Vec<u8>>::new(4).with_byte_limit(150);
    drop(pool.acquire(|| Vec::with_capacity(100)));
    let out = pool.acquire(Vec::new);
    let _other = pool.acquire(|| Vec::with_capacity(100));
    drop(out);
    let trimmed = pool.trim_with(|buffer| buffer.shrink_to(10));
    assert_eq!((trimmed.objects, trimmed.bytes, pool.stats().retained_bytes), (0, 90, 10));
    assert_eq!(pool.trim().objects, 1, "it has not been used since");
    drop(pool.acquire(|| Vec::with_capacity(150)));
    assert_eq!(pool.stats().retained_bytes, 150, "its bytes are free again");
}
