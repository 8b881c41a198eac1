//! Tasks that panic with payloads whose drop panics, and that own values whose drop panics.
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

/// A payload, or a value that a task owns. Counts its drops, and panics in each.
struct CountedPanicOnDrop(Arc<AtomicUsize>);

impl Drop for CountedPanicOnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        // A second panic during a panic aborts the process.
        if !std::thread::panicking() {
            resume_unwind(Box::new("dropped"));
        }
    }
}

const TASKS: usize = 40;

#[test]
fn a_pool_continues_after_tasks_that_panic_in_every_way() {
    let pool = WorkerPool::builder("hostile").with_threads(2).with_queue(8).build().unwrap();
    let (owned, payloads) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for at in 0..TASKS {
        let (value, payload) = (CountedPanicOnDrop(owned.clone()), payloads.clone());
        let task = move || {
            // The task drops it while it unwinds or, without a panic, at its end.
            let _owned = value;
            if at % 2 == 0 {
                resume_unwind(Box::new(CountedPanicOnDrop(payload)));
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
fn a_pool_drops_each_task_that_never_runs_although_its_drop_panics() {
    let owned = Arc::new(AtomicUsize::new(0));
    let pool = WorkerPool::builder("hostile").with_threads(1).with_queue(16).build().unwrap();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let (started, is_started) = std::sync::mpsc::channel();
    let first = move || {
        started.send(()).unwrap();
        let _ended = held.recv();
    };
    assert!(pool.try_submit(first).is_ok());
    is_started.recv().unwrap();
    for _ in 0..10 {
        let value = CountedPanicOnDrop(owned.clone());
        assert!(pool.try_submit(move || drop(value)).is_ok());
    }
    let report = std::thread::scope(|scope| {
        let stopped = scope.spawn(|| pool.shutdown_until(ShutdownMode::Abandon, far()));
        drop(hold);
        stopped.join().unwrap()
    });
    assert_eq!(owned.load(SeqCst), 10, "{report:?}");
}

#[tokio::test]
async fn a_tokio_pool_continues_after_tasks_that_panic_in_every_way() {
    let payloads = Arc::new(AtomicUsize::new(0));
    let owned = Arc::new(AtomicUsize::new(0));
    let pool = TokioPool::new(tokio::runtime::Handle::current(), 2, TASKS);
    for at in 0..TASKS {
        let (value, payload) = (CountedPanicOnDrop(owned.clone()), payloads.clone());
        let task = async move {
            let _owned = value;
            tokio::task::yield_now().await;
            if at % 2 == 0 {
                resume_unwind(Box::new(CountedPanicOnDrop(payload)));
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
