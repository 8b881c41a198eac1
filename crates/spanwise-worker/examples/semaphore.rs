//! A semaphore: of ten threads, at most three send at a time.
//!
//! `cargo run -p spanwise-worker --example semaphore`

use spanwise_worker::Semaphore;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

const PERMITS: u32 = 3;

/// A test runs it too.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let semaphore = Semaphore::new(PERMITS);
    let (sending, most, sent) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                for _ in 0..100 {
                    // The permit returns when it is dropped, also by a panic or an early return.
                    let permit = semaphore.acquire_timeout(Duration::from_secs(30));
                    if permit.is_some() {
                        most.fetch_max(sending.fetch_add(1, SeqCst) + 1, SeqCst);
                        thread::yield_now(); // the request
                        sent.fetch_add(1, SeqCst);
                        sending.fetch_sub(1, SeqCst);
                    }
                }
            });
        }
    });
    let (most, sent) = (most.into_inner(), sent.into_inner());
    println!("{sent} requests, at most {most} at a time");
    assert!(sent == 1_000 && most <= PERMITS as usize);
    assert_eq!(semaphore.available(), PERMITS as usize);

    // Without waiting, and several permits as one.
    let two = semaphore.try_acquire_n(2);
    assert!(two.is_some() && semaphore.try_acquire_n(2).is_none());
    Ok(())
}
