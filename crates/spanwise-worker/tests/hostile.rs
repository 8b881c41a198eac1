//! Tasks that panic with payloads whose own drop panics, and that own what panics when dropped.
//!
//! `cargo xtask sanitize` runs this under the address sanitizer, too.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use spanwise_worker::{ShutdownMode, TokioPool, WorkerPool};

/// Never reached unless something is broken.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// A payload, or something that a task owns. Counts its drops, and panics in them.
struct Grenade(Arc<AtomicUsize>);

impl Drop for Grenade {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        // Two panics at once end the process, whoever is to blame.
        if !std::thread::panicking() {
            resume_unwind(Box::new("dropped"));
        }
    }
}

const TASKS: usize = 40;

#[test]
fn a_pool_survives_tasks_that_panic_in_every_way() {
    let pool = WorkerPool::builder("hostile").with_threads(2).with_queue(8).build().unwrap();
    let (owned, payloads) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for at in 0..TASKS {
        let (grenade, payload) = (Grenade(owned.clone()), payloads.clone());
        let task = move || {
            // Dropped as the task unwinds, or, if it does not, as its last act.
            let _owned = grenade;
            if at % 2 == 0 {
                resume_unwind(Box::new(Grenade(payload)));
            }
        };
        assert!(pool.submit_until(task, far()).is_ok());
    }
    let report = pool.shutdown_until(ShutdownMode::Drain, far());
    assert_eq!((report.panicked, report.completed), (TASKS as u64, 0), "{report:?}");
    assert_eq!(owned.load(SeqCst), TASKS, "each was dropped once");
    assert_eq!(payloads.load(SeqCst), 0, "a payload is forgotten");
    assert_eq!(pool.threads(), 2);
}

#[test]
fn tasks_that_never_run_are_dropped_though_their_drops_panic() {
    let owned = Arc::new(AtomicUsize::new(0));
    let pool = WorkerPool::builder("hostile").with_threads(1).with_queue(16).build().unwrap();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let (begun, is_begun) = std::sync::mpsc::channel();
    let first = move || {
        begun.send(()).unwrap();
        let _ended = held.recv();
    };
    assert!(pool.try_submit(first).is_ok());
    is_begun.recv().unwrap();
    for _ in 0..10 {
        let grenade = Grenade(owned.clone());
        assert!(pool.try_submit(move || drop(grenade)).is_ok());
    }
    let report = std::thread::scope(|scope| {
        let stopped = scope.spawn(|| pool.shutdown_until(ShutdownMode::Abandon, far()));
        drop(hold);
        stopped.join().unwrap()
    });
    assert_eq!(owned.load(SeqCst), 10, "{report:?}");
}

#[tokio::test]
async fn a_tokio_pool_survives_them_too() {
    let payloads = Arc::new(AtomicUsize::new(0));
    let owned = Arc::new(AtomicUsize::new(0));
    let pool = TokioPool::new(tokio::runtime::Handle::current(), 2, TASKS);
    for at in 0..TASKS {
        let (grenade, payload) = (Grenade(owned.clone()), payloads.clone());
        let task = async move {
            let _owned = grenade;
            tokio::task::yield_now().await;
            if at % 2 == 0 {
                resume_unwind(Box::new(Grenade(payload)));
            }
        };
        assert!(pool.try_submit(task).is_ok());
    }
    let until = far();
    while pool.report().panicked < TASKS as u64 && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(pool.report().panicked, TASKS as u64, "{:?}", pool.report());
    assert_eq!((owned.load(SeqCst), payloads.load(SeqCst)), (TASKS, 0));
}
