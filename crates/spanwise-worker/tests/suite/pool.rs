//! The worker pool: its bounds, its panics, and its exact account of every task.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use spanwise_testkit::PanicOnDrop;
use spanwise_worker::{
    PoolReport, RejectReason, ShutdownMode, WorkerPool, WorkerPoolBuilder, WorkerPoolError, oneshot,
};

/// A deadline that no test reaches unless it fails.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn settings(threads: usize, queue: usize) -> WorkerPoolBuilder {
    WorkerPool::builder("test").with_threads(threads).with_queue(queue)
}

/// Occupies all threads of the pool until the caller calls the returned function.
fn occupy(pool: &WorkerPool) -> impl FnOnce() + use<> {
    let (inside, leave) =
        (Arc::new(Barrier::new(pool.threads() + 1)), Arc::new(Barrier::new(pool.threads() + 1)));
    for _ in 0..pool.threads() {
        let (inside, leave) = (inside.clone(), leave.clone());
        let task = move || {
            inside.wait();
            leave.wait();
        };
        assert!(pool.submit_until(task, far()).is_ok());
    }
    inside.wait();
    move || _ = leave.wait()
}

#[track_caller]
fn assert_balanced(report: PoolReport) {
    let PoolReport { submitted, completed, panicked, abandoned, running, queued, .. } = report;
    let sum = completed + panicked + abandoned + running as u64 + queued as u64;
    assert_eq!(submitted, sum, "{report:?}");
}

#[test]
fn a_task_runs_on_a_thread_with_the_name_of_the_pool() {
    let pool = settings(2, 10).build().unwrap();
    let (sender, names) = mpsc::channel();
    for _ in 0..10 {
        let sender = sender.clone();
        let task = move || sender.send(thread::current().name().map(str::to_owned)).unwrap();
        assert!(pool.submit_until(task, far()).is_ok());
    }
    drop(sender);
    assert!(names.iter().all(|name| matches!(name.as_deref(), Some("test-0" | "test-1"))));
    let report = pool.shutdown(ShutdownMode::Drain, Duration::MAX);
    assert_eq!((report.completed, report.is_clean()), (10, true));
}

#[test]
fn a_full_pool_returns_the_task() {
    let pool = settings(1, 1).build().unwrap();
    let release = occupy(&pool);
    assert!(pool.try_submit(|| ()).is_ok());
    let mine = String::from("mine");
    let rejected = pool.try_submit(move || drop(mine)).unwrap_err();
    assert_eq!(
        (rejected.reason, pool.report().rejected, pool.report().queued),
        (RejectReason::Full, 1, 1)
    );
    assert!(pool.submit_until(|| (), Instant::now() + Duration::from_millis(2)).is_err());
    release();
    assert!(pool.submit_until(rejected.task, far()).is_ok(), "the queue has space again");
    assert!(pool.shutdown_until(ShutdownMode::Drain, far()).is_clean());
    assert_eq!(pool.try_submit(|| ()).unwrap_err().reason, RejectReason::Closed);
}

#[test]
fn a_panic_ends_its_task_only() {
    let pool = settings(1, 100).build().unwrap();
    for _ in 0..10 {
        assert!(pool.try_submit(|| resume_unwind(Box::new(PanicOnDrop))).is_ok());
    }
    assert!(pool.try_submit(|| ()).is_ok());
    let report = pool.shutdown_until(ShutdownMode::Drain, far());
    assert_eq!((report.panicked, report.completed, report.running), (10, 1, 0));
    assert_balanced(report);
}

#[test]
fn a_drain_runs_the_tasks_that_wait() {
    let pool = settings(2, 1000).build().unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    let release = occupy(&pool);
    for _ in 0..1000 {
        let ran = ran.clone();
        assert!(pool.try_submit(move || _ = ran.fetch_add(1, SeqCst)).is_ok());
    }
    release();
    let report = pool.shutdown_until(ShutdownMode::Drain, far());
    assert_eq!((ran.load(SeqCst), report.completed, report.abandoned), (1000, 1002, 0));
    assert!(report.is_clean());
}

#[test]
fn abandon_drops_the_tasks_that_wait_and_counts_them() {
    let pool = settings(1, 10).build().unwrap();
    let release = occupy(&pool);
    let alive = Arc::new(());
    for _ in 0..10 {
        let alive = alive.clone();
        assert!(pool.try_submit(move || drop(alive)).is_ok());
    }
    let report = pool.shutdown_until(ShutdownMode::Abandon, Instant::now());
    assert_eq!((report.abandoned, report.running, report.is_clean()), (10, 1, false));
    assert_eq!(Arc::strong_count(&alive), 1, "a task was not dropped");
    assert_balanced(report);
    release();
    let report = pool.shutdown_until(ShutdownMode::Abandon, far());
    assert_eq!((report.completed, report.running), (1, 0), "the running task completed");
}

#[test]
fn a_drain_abandons_the_tasks_that_wait_at_its_deadline() {
    let pool = settings(1, 10).build().unwrap();
    let release = occupy(&pool);
    for _ in 0..3 {
        assert!(pool.try_submit(|| ()).is_ok());
    }
    let report =
        pool.shutdown_until(ShutdownMode::Drain, Instant::now() + Duration::from_millis(2));
    assert_eq!((report.abandoned, report.running, report.queued), (3, 1, 0));
    assert_balanced(report);
    release();
}

#[test]
fn a_task_can_use_its_own_pool() {
    let pool = Arc::new(settings(1, 1).build().unwrap());
    let (sender, receiver) = mpsc::channel();
    let inner = pool.clone();
    let task = move || {
        // The queue has capacity for one task, and its only thread frees none while it runs this one.
        let first = inner.submit_until(|| (), far()).is_ok();
        let second = inner.submit_until(|| (), far()).is_ok();
        let report = inner.shutdown_until(ShutdownMode::Drain, far());
        sender.send((first, second, report.running)).unwrap();
    };
    assert!(pool.try_submit(task).is_ok());
    assert_eq!(receiver.recv().unwrap(), (true, false, 1), "the task waits for itself");
    assert_balanced(pool.shutdown_until(ShutdownMode::Drain, far()));
}

#[test]
fn the_drop_of_a_pool_does_not_wait() {
    let pool = settings(2, 10).build().unwrap();
    let release = occupy(&pool);
    let alive = Arc::new(());
    let held = alive.clone();
    assert!(pool.try_submit(move || drop(held)).is_ok());
    drop(pool);
    assert_eq!(Arc::strong_count(&alive), 1);
    release();
}

#[test]
fn a_hook_runs_on_each_thread_and_its_guard_lasts_until_the_end() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(10, SeqCst);
        }
    }
    let seen = Arc::new(AtomicUsize::new(0));
    let hook = {
        let seen = seen.clone();
        move || {
            seen.fetch_add(1, SeqCst);
            Counted(seen.clone())
        }
    };
    let pool = WorkerPool::builder("hook\0ed")
        .with_threads(3)
        .with_stack_size(128 * 1024)
        .with_on_thread_start(hook)
        .build()
        .unwrap();
    occupy(&pool)();
    assert_eq!(seen.load(SeqCst), 3);
    pool.shutdown_until(ShutdownMode::Drain, far());
    assert_eq!(seen.load(SeqCst), 33);
}

#[test]
fn an_error_names_the_setting_and_its_range() {
    let check = |builder: WorkerPoolBuilder, message: &str| {
        let error = builder.build().unwrap_err();
        assert!(matches!(error, WorkerPoolError::Setting { .. }), "{error}");
        assert_eq!(error.to_string(), message);
    };
    let x = || WorkerPool::builder("x").with_threads(1);
    check(x().with_threads(0), "threads is 0; set 1 to 4096");
    check(x().with_threads(4097), "threads is 4097; set 1 to 4096");
    check(x().with_threads(usize::MAX), &format!("threads is {}; set 1 to 4096", usize::MAX));
    check(x().with_queue(0), "queue is 0; set 1 to 16777216");
    check(x().with_queue(usize::MAX), &format!("queue is {}; set 1 to 16777216", usize::MAX));
    check(x().with_stack_size(65_535), "stack size is 65535; set 65536 to 1073741824");
    for bytes in [0, 1 << 31, usize::MAX] {
        let message = format!("stack size is {bytes}; set 65536 to 1073741824");
        check(x().with_stack_size(bytes), &message);
    }
}

#[test]
fn a_pool_runs_with_the_smallest_and_the_largest_settings() {
    let least = WorkerPool::builder("").with_threads(1).with_queue(1).with_stack_size(65_536);
    let most = WorkerPool::builder("\u{1f600}\0\x1b".repeat(1000)).with_threads(1);
    for builder in [least, most.with_queue(1 << 24).with_stack_size(1 << 30)] {
        let pool = builder.build().unwrap();
        let (sender, name) = oneshot::channel();
        pool.try_submit(move || sender.send(thread::current().name().map(str::to_owned))).unwrap();
        let name = name.recv_until(far()).unwrap().unwrap();
        assert!(name.len() <= 80 && !name.contains(['\0', '\x1b']), "{name:?}");
        assert!(pool.shutdown(ShutdownMode::Drain, Duration::MAX).is_clean());
    }
}

#[test]
fn a_pool_drops_every_task_although_each_drop_panics() {
    struct CountedPanicOnDrop(Arc<AtomicUsize>);
    impl Drop for CountedPanicOnDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
            resume_unwind(Box::new(CountedPanicOnDrop(self.0.clone())));
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    for mode in [ShutdownMode::Abandon, ShutdownMode::Drain] {
        let pool = WorkerPool::builder("panics").with_threads(1).with_queue(9).build().unwrap();
        let mut release = Some(occupy(&pool));
        for _ in 0..5 {
            let value = CountedPanicOnDrop(dropped.clone());
            pool.try_submit(move || drop(value)).unwrap();
        }
        dropped.store(0, SeqCst);
        if mode == ShutdownMode::Drain {
            release.take().into_iter().for_each(|release| release());
        }
        let report = pool.shutdown_until(mode, Instant::now() + Duration::from_millis(1));
        assert_balanced(report);
        release.into_iter().for_each(|release| release());
        let report = pool.shutdown_until(mode, far());
        assert_eq!((report.panicked + report.abandoned, report.queued), (5, 0));
        assert!(dropped.load(SeqCst) >= 5);
    }
}

#[test]
fn a_submission_waits_for_any_timeout() {
    let pool = settings(1, 1).build().unwrap();
    let release = occupy(&pool);
    assert!(pool.submit_timeout(|| (), Duration::ZERO).is_ok(), "the queue has space");
    let full = |timeout| pool.submit_timeout(|| (), timeout).map_err(|error| error.reason);
    assert_eq!(full(Duration::ZERO), Err(RejectReason::Full), "zero does not wait");
    let before = Instant::now();
    let timeout = Duration::from_millis(5);
    assert_eq!(full(timeout), Err(RejectReason::Full));
    assert!(before.elapsed() >= timeout);
    thread::scope(|scope| {
        let submitting = scope.spawn(|| full(Duration::MAX));
        release();
        assert_eq!(submitting.join().unwrap(), Ok(()));
    });
    let report = pool.shutdown(ShutdownMode::Drain, Duration::MAX);
    assert_eq!((report.completed, report.rejected), (3, 2));
    assert_eq!(full(Duration::MAX), Err(RejectReason::Closed), "a closed pool does not wait");
}

#[test]
fn a_shutdown_waits_for_any_timeout() {
    let pool = settings(1, 10).build().unwrap();
    let release = occupy(&pool);
    assert!(pool.try_submit(|| ()).is_ok());
    let report = pool.shutdown(ShutdownMode::Drain, Duration::ZERO);
    assert_eq!((report.abandoned, report.running, report.queued), (1, 1, 0), "zero does not wait");
    let before = Instant::now();
    let timeout = Duration::from_millis(5);
    assert_eq!(pool.shutdown(ShutdownMode::Abandon, timeout).running, 1);
    assert!(before.elapsed() >= timeout);
    thread::scope(|scope| {
        let stopping = scope.spawn(|| pool.shutdown(ShutdownMode::Abandon, Duration::MAX));
        release();
        let report = stopping.join().unwrap();
        assert_eq!((report.completed, report.abandoned, report.running), (1, 1, 0));
        assert_balanced(report);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Each submitted task counts once and runs at most once, for any number of threads, tasks and
    /// panics and either mode of shutdown.
    #[test]
    fn the_report_counts_each_task_once(
        (threads, queue, submitters) in (1..4_usize, 1..20_usize, 1..4_usize),
        each in 0..200_usize,
        panicking in any::<u8>(),
        drain in any::<bool>(),
    ) {
        let pool = settings(threads, queue).build().unwrap();
        let (ran, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(()));
        let rejected: usize = thread::scope(|scope| {
            let submitting = (0..submitters).map(|_| scope.spawn(|| {
                let mut rejected = 0;
                for turn in 0..each {
                    let (ran, alive) = (ran.clone(), dropped.clone());
                    let task = move || {
                        let _alive = alive;
                        ran.fetch_add(1, SeqCst);
                        if turn % 256 == usize::from(panicking) {
                            resume_unwind(Box::new(()));
                        }
                    };
                    let taken = match turn % 2 {
                        0 => pool.try_submit(task).is_ok(),
                        _ => pool.submit_until(task, far()).is_ok(),
                    };
                    rejected += usize::from(!taken);
                    assert_balanced(pool.report());
                }
                rejected
            }));
            let submitting: Vec<_> = submitting.collect();
            submitting.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let mode = if drain { ShutdownMode::Drain } else { ShutdownMode::Abandon };
        let report = pool.shutdown_until(mode, far());
        assert_balanced(report);
        prop_assert_eq!(report.submitted as usize + rejected, submitters * each);
        prop_assert_eq!(report.rejected as usize, rejected);
        prop_assert_eq!((report.completed + report.panicked) as usize, ran.load(SeqCst));
        prop_assert_eq!((report.running, report.queued), (0, 0));
        prop_assert!(!drain || report.abandoned == 0);
        prop_assert_eq!(Arc::strong_count(&dropped), 1, "a task was not dropped");
    }
}
