//! Every interleaving of a few threads on a small pool, and every order their memory accesses may
//! be seen in:
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test -p spanwise-pool --release --test loom
//! ```
#![cfg(loom)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use spanwise_pool::{Pool, Reset};

/// Loom reports two concurrent users, and a user that does not see the previous user's write.
struct Tracked(UnsafeCell<u32>);

impl Tracked {
    fn new() -> Self {
        Tracked(UnsafeCell::new(0))
    }

    fn bump(&self) {
        // SAFETY: unchecked: loom verifies that no other thread has the object.
        self.0.with_mut(|count| unsafe { *count += 1 });
    }
}

// SAFETY: as in `bump`.
unsafe impl Sync for Tracked {}

impl Reset for Tracked {
    fn reset(&mut self) -> bool {
        self.bump();
        true
    }

    fn retained_bytes(&self) -> usize {
        // SAFETY: as in `bump`.
        self.0.with(|count| unsafe { *count } as usize)
    }
}

/// Preemptions per run: enough for all that two or three threads can do to each other in a slot,
/// by the experience of others (tokio explores two).
fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn two_threads_acquire_the_only_object() {
    explore(|| {
        let pool = Arc::new(Pool::prefilled(1, Tracked::new));
        let other = thread::spawn({
            let pool = pool.clone();
            move || {
                if let Some(object) = pool.try_acquire() {
                    object.bump();
                }
            }
        });
        pool.acquire(Tracked::new).bump();
        other.join().unwrap();
        let stats = pool.stats();
        assert_eq!((stats.retained, stats.outstanding), (1, 0));
        assert_eq!(stats.hits + stats.misses, 2);
    });
}

#[test]
fn a_thread_acquires_while_another_trims() {
    explore(|| {
        let pool = Arc::new(Pool::prefilled(1, Tracked::new).with_byte_limit(100));
        let other = thread::spawn({
            let pool = pool.clone();
            move || {
                let _first = pool.trim();
                let _second = pool.trim();
            }
        });
        pool.acquire(Tracked::new).bump();
        other.join().unwrap();
        pool.clear();
        let stats = pool.stats();
        assert_eq!((stats.retained, stats.outstanding, stats.retained_bytes), (0, 0, 0));
    });
}

#[test]
fn a_thread_takes_and_puts_while_others_acquire_and_read_stats() {
    explore(|| {
        let pool = Arc::new(Pool::prefilled(2, Tracked::new));
        let taker = thread::spawn({
            let pool = pool.clone();
            move || {
                let object = pool.take_or(Tracked::new);
                object.bump();
                drop(pool.put(object));
            }
        });
        let lender = thread::spawn({
            let pool = pool.clone();
            move || pool.acquire(Tracked::new).bump()
        });
        assert!(pool.stats().retained <= 2);
        taker.join().unwrap();
        lender.join().unwrap();
        let stats = pool.stats();
        assert_eq!((stats.retained, stats.outstanding), (2, 0));
    });
}
