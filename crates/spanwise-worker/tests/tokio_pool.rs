//! The async pool: the same account as the one of threads.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use spanwise_worker::{PoolReport, RejectReason, ShutdownMode, TokioPool};
use tokio::runtime::Handle;
use tokio::sync::Notify;

fn far() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

#[track_caller]
fn law(report: PoolReport) {
    let PoolReport { submitted, completed, panicked, abandoned, running, queued, .. } = report;
    let sum = completed + panicked + abandoned + running as u64 + queued as u64;
    assert_eq!(submitted, sum, "{report:?}");
}

#[tokio::test]
async fn so_many_at_a_time_and_so_many_that_wait() {
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
async fn a_panic_costs_nothing_but_its_task() {
    let pool = TokioPool::new(Handle::current(), 1, 10);
    for _ in 0..3 {
        assert!(pool.try_submit(async { resume_unwind(Box::new("no")) }).is_ok());
        assert!(pool.try_submit(async { tokio::task::yield_now().await }).is_ok());
    }
    let report = pool.shutdown_until(ShutdownMode::Drain, far()).await;
    assert_eq!((report.panicked, report.completed, report.running), (3, 3, 0));
    law(report);
}

#[tokio::test(start_paused = true)]
async fn what_is_late_is_cancelled_and_counted() {
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
    law(report);
}

#[tokio::test]
async fn abandon_lets_what_runs_come_to_its_end() {
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
fn a_runtime_that_is_gone_loses_no_account() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let pool = TokioPool::new(runtime.handle().clone(), 2, 10);
    for _ in 0..5 {
        assert!(pool.try_submit(std::future::pending()).is_ok());
    }
    drop(runtime);
    law(pool.report());
    assert_eq!(pool.report().running, 0);
    assert!(pool.try_submit(async {}).is_ok());
    law(pool.report());
}

#[tokio::test]
async fn numbers_and_deadlines_have_no_end() {
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
async fn tasks_that_panic_when_dropped_cost_no_more_than_themselves() {
    struct Grenade;
    impl Drop for Grenade {
        fn drop(&mut self) {
            resume_unwind(Box::new(Grenade));
        }
    }
    for how in [ShutdownMode::Abandon, ShutdownMode::Drain] {
        let pool = TokioPool::new(Handle::current(), 2, 10);
        for _ in 0..6 {
            let grenade = Grenade;
            let task = async move {
                let _grenade = grenade;
                std::future::pending::<()>().await;
            };
            assert!(pool.try_submit(task).is_ok());
        }
        tokio::task::yield_now().await;
        let report = pool.shutdown_until(how, Instant::now() + Duration::from_millis(5)).await;
        law(report);
        assert_eq!((report.abandoned, report.running), (6, 0));
        assert!(pool.try_submit(async {}).is_err());
    }
    let pool = TokioPool::new(Handle::current(), 2, 10);
    for _ in 0..6 {
        let grenade = Grenade;
        let task = std::future::poll_fn(move |_| {
            let _grenade = &grenade;
            std::task::Poll::<()>::Pending
        });
        assert!(pool.try_submit(task).is_ok());
    }
    tokio::task::yield_now().await;
    drop(pool);
    tokio::task::yield_now().await;
}
