//! The pool of async tasks: its bounds, its panics, and its exact account of every task.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use spanwise_testkit::PanicOnDrop;
use spanwise_worker::{PoolReport, RejectReason, ShutdownMode, TokioPool};
use tokio::runtime::Handle;
use tokio::sync::Notify;

fn far() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

#[track_caller]
fn assert_balanced(report: PoolReport) {
    let PoolReport { submitted, completed, panicked, abandoned, running, queued, .. } = report;
    let sum = completed + panicked + abandoned + running as u64 + queued as u64;
    assert_eq!(submitted, sum, "{report:?}");
}

#[tokio::test]
async fn a_pool_bounds_the_tasks_that_run_and_the_tasks_that_wait() {
    let pool = TokioPool::new(Handle::current(), 2, 3);
    let (now, most, go) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let task = || {
        let (now, most, go) = (now.clone(), most.clone(), go.clone());
        async move {
            most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            go.notified().await;
            now.fetch_sub(1, SeqCst);
            go.notify_one();
        }
    };
    for _ in 0..5 {
        assert!(pool.try_submit(task()).is_ok());
    }
    let rejected = pool.try_submit(task()).unwrap_err();
    assert_eq!(rejected.reason, RejectReason::Full);
    while now.load(SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    go.notify_one();
    let report = pool.shutdown(ShutdownMode::Drain, Duration::MAX).await;
    assert_eq!((report.completed, report.rejected, most.load(SeqCst)), (5, 1, 2));
    assert!(report.is_clean());
    assert_eq!(pool.try_submit(rejected.task).unwrap_err().reason, RejectReason::Closed);
}

#[tokio::test]
async fn a_panic_ends_its_task_only() {
    let pool = TokioPool::new(Handle::current(), 1, 10);
    for _ in 0..3 {
        assert!(pool.try_submit(async { resume_unwind(Box::new("no")) }).is_ok());
        assert!(pool.try_submit(async { tokio::task::yield_now().await }).is_ok());
    }
    let report = pool.shutdown_until(ShutdownMode::Drain, far()).await;
    assert_eq!((report.panicked, report.completed, report.running), (3, 3, 0));
    assert_balanced(report);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_runs_at_the_deadline_is_cancelled_and_counted() {
    let pool = TokioPool::new(Handle::current(), 2, 10);
    let alive = Arc::new(());
    for _ in 0..6 {
        let alive = alive.clone();
        let task = async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        };
        assert!(pool.try_submit(task).is_ok());
    }
    let started = Instant::now();
    let report = pool.shutdown_until(ShutdownMode::Drain, started + Duration::from_secs(5)).await;
    assert_eq!((report.abandoned, report.running, report.queued), (6, 0, 0));
    assert_eq!(Arc::strong_count(&alive), 1);
    assert!(started.elapsed() < Duration::from_secs(6));
    assert_balanced(report);
}

#[tokio::test]
async fn abandon_completes_the_tasks_that_run() {
    let pool = TokioPool::new(Handle::current(), 1, 10);
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..4 {
        let ran = ran.clone();
        assert!(pool.try_submit(async move { _ = ran.fetch_add(1, SeqCst) }).is_ok());
    }
    let report = pool.shutdown_until(ShutdownMode::Abandon, far()).await;
    assert_eq!((report.abandoned, report.completed, ran.load(SeqCst)), (3, 1, 1));
}

#[test]
fn a_runtime_that_is_dropped_loses_no_count() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let pool = TokioPool::new(runtime.handle().clone(), 2, 10);
    for _ in 0..5 {
        assert!(pool.try_submit(std::future::pending()).is_ok());
    }
    drop(runtime);
    assert_balanced(pool.report());
    assert_eq!(pool.report().running, 0);
    assert!(pool.try_submit(async {}).is_ok());
    assert_balanced(pool.report());
}

#[tokio::test]
async fn a_pool_accepts_any_number_and_deadline() {
    for (tasks, queue) in [(0, 0), (usize::MAX, usize::MAX)] {
        let pool = TokioPool::new(Handle::current(), tasks, queue);
        assert!(pool.try_submit(async { tokio::task::yield_now().await }).is_ok());
        let end = spanwise_worker::deadline(std::time::Instant::now(), Duration::MAX);
        let mut last = end;
        for bit in (0..64).rev() {
            last = last.checked_add(Duration::from_secs(1 << bit)).unwrap_or(last);
        }
        assert!(pool.shutdown_until(ShutdownMode::Drain, last).await.is_clean());
    }
}

#[tokio::test]
async fn a_pool_drops_every_task_although_each_drop_panics() {
    for mode in [ShutdownMode::Abandon, ShutdownMode::Drain] {
        let pool = TokioPool::new(Handle::current(), 2, 10);
        for _ in 0..6 {
            let value = PanicOnDrop;
            let task = async move {
                let _value = value;
                std::future::pending::<()>().await;
            };
            assert!(pool.try_submit(task).is_ok());
        }
        tokio::task::yield_now().await;
        let report = pool.shutdown_until(mode, Instant::now() + Duration::from_millis(5)).await;
        assert_balanced(report);
        assert_eq!((report.abandoned, report.running), (6, 0));
        assert!(pool.try_submit(async {}).is_err());
    }
    let pool = TokioPool::new(Handle::current(), 2, 10);
    for _ in 0..6 {
        let value = PanicOnDrop;
        let task = std::future::poll_fn(move |_| {
            let _value = &value;
            std::task::Poll::<()>::Pending
        });
        assert!(pool.try_submit(task).is_ok());
    }
    tokio::task::yield_now().await;
    drop(pool);
    tokio::task::yield_now().await;
}

#[tokio::test]
async fn a_shutdown_waits_for_any_timeout() {
    let pool = TokioPool::new(Handle::current(), 1, 10);
    let gate = Arc::new(Notify::new());
    let opened = gate.clone();
    assert!(pool.try_submit(async move { opened.notified().await }).is_ok());
    gate.notify_one();
    let report = pool.shutdown(ShutdownMode::Drain, Duration::MAX).await;
    assert_eq!((report.completed, report.is_clean()), (1, true));

    for timeout in [Duration::ZERO, Duration::from_millis(5)] {
        let pool = TokioPool::new(Handle::current(), 1, 10);
        for _ in 0..2 {
            assert!(pool.try_submit(std::future::pending()).is_ok());
        }
        let before = Instant::now();
        let report = pool.shutdown(ShutdownMode::Drain, timeout).await;
        assert!(before.elapsed() >= timeout);
        assert_eq!((report.abandoned, report.running, report.queued), (2, 0, 0), "{timeout:?}");
        assert_balanced(report);
    }
}
