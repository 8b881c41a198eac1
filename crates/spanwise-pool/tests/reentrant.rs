//! Objects that call their pool from inside their methods. `cargo xtask sanitize` runs this under the address
//! sanitizer.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use spanwise_pool::{Pool, Reset};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// An object that acquires, releases and clears from inside its own methods.
struct Reentrant {
    pool: Arc<Mutex<Option<Arc<Pool<Reentrant>>>>>,
    depth: Arc<AtomicUsize>,
    memory: Vec<u8>,
}

impl Reentrant {
    fn call_pool(&self) {
        let pool = self.pool.lock().unwrap().clone();
        if let Some(pool) = pool
            && self.depth.fetch_add(1, SeqCst) < 3
        {
            let make = || Reentrant {
                pool: self.pool.clone(),
                depth: self.depth.clone(),
                memory: vec![1; 64],
            };
            drop(pool.acquire(make));
            drop(pool.try_acquire());
            drop(pool.put(pool.take_or(make)));
            let _idle = pool.trim();
            pool.clear();
            let _any = pool.stats();
        }
        self.depth.fetch_sub(1, SeqCst);
    }
}

impl Reset for Reentrant {
    fn reset(&mut self) -> bool {
        self.call_pool();
        self.memory.push(2);
        true
    }

    fn retained_bytes(&self) -> usize {
        self.call_pool();
        self.memory.capacity()
    }
}

impl Drop for Reentrant {
    fn drop(&mut self) {
        self.call_pool();
        assert!(self.memory.iter().all(|&byte| byte == 1 || byte == 2));
    }
}

#[test]
fn an_object_may_use_its_pool_in_every_method() {
    for (capacity, limit) in [(1, usize::MAX), (2, usize::MAX), (2, 100)] {
        let shared = Arc::new(Mutex::new(None));
        let pool = Arc::new(Pool::new(capacity).with_byte_limit(limit));
        *shared.lock().unwrap() = Some(pool.clone());
        let depth = Arc::new(AtomicUsize::new(0));
        for _ in 0..5 {
            let (shared, depth) = (shared.clone(), depth.clone());
            let make = || Reentrant { pool: shared, depth, memory: vec![1; 64] };
            let guard = pool.acquire(make);
            drop(pool.try_acquire_owned());
            drop(guard);
            let _idle = pool.trim();
        }
        *shared.lock().unwrap() = None;
        assert!(pool.stats().retained <= capacity);
        drop(pool);
    }
}
