//! The worker pool: bounded, fenced, and accountable to the task.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use spanwise_worker::{
    PoolReport, RejectReason, ShutdownMode, WorkerPool, WorkerPoolBuilder, WorkerPoolError,
    deadline, oneshot,
};

/// Never reached unless something is broken.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn settings(threads: usize, queue: usize) -> WorkerPoolBuilder {
    WorkerPool::builder("test").with_threads(threads).with_queue(queue)
}

/// Occupies all threads of the pool, until it is called off.
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
fn law(report: PoolReport) {
    let PoolReport { submitted, completed, panicked, abandoned, running, queued, .. } = report;
    let sum = completed + panicked + abandoned + running as u64 + queued as u64;
    assert_eq!(submitted, sum, "{report:?}");
}

#[test]
fn tasks_run_on_threads_of_the_pools_name() {
    let pool = settings(2, 10).build().unwrap();
    let (told, names) = mpsc::channel();
    for _ in 0..10 {
        let told = told.clone();
        let task = move || told.send(thread::current().name().map(str::to_owned)).unwrap();
        assert!(pool.submit_until(task, far()).is_ok());
    }
    drop(told);
    assert!(names.iter().all(|name| matches!(name.as_deref(), Some("test-0" | "test-1"))));
    let report = pool.shutdown(ShutdownMode::Drain, Duration::MAX);
    assert_eq!((report.completed, report.is_clean()), (10, true));
}

#[test]
fn a_full_pool_gives_the_task_back() {
    let pool = settings(1, 1).build().unwrap();
    let call_off = occupy(&pool);
    assert!(pool.try_submit(|| ()).is_ok());
    let mine = String::from("mine");
    let rejected = pool.try_submit(move || drop(mine)).unwrap_err();
    assert_eq!(
        (rejected.reason, pool.report().rejected, pool.report().queued),
        (RejectReason::Full, 1, 1)
    );
    assert!(pool.submit_until(|| (), Instant::now() + Duration::from_millis(2)).is_err());
    call_off();
    assert!(pool.submit_until(rejected.task, far()).is_ok(), "later there is room");
    assert!(pool.shutdown_until(ShutdownMode::Drain, far()).is_clean());
    assert_eq!(pool.try_submit(|| ()).unwrap_err().reason, RejectReason::Closed);
}

#[test]
fn a_panic_costs_nothing_but_its_task() {
    struct Grenade;
    impl Drop for Grenade {
        fn drop(&mut self) {
            resume_unwind(Box::new("again"));
        }
    }
    let pool = settings(1, 100).build().unwrap();
    for _ in 0..10 {
        assert!(pool.try_submit(|| resume_unwind(Box::new(Grenade))).is_ok());
    }
    assert!(pool.try_submit(|| ()).is_ok());
    let report = pool.shutdown_until(ShutdownMode::Drain, far());
    assert_eq!((report.panicked, report.completed, report.running), (10, 1, 0));
    law(report);
}

#[test]
fn drain_runs_what_waits() {
    let pool = settings(2, 1000).build().unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    let call_off = occupy(&pool);
    for _ in 0..1000 {
        let ran = ran.clone();
        assert!(pool.try_submit(move || _ = ran.fetch_add(1, SeqCst)).is_ok());
    }
    call_off();
    let report = pool.shutdown_until(ShutdownMode::Drain, far());
    assert_eq!((ran.load(SeqCst), report.completed, report.abandoned), (1000, 1002, 0));
    assert!(report.is_clean());
}

#[test]
fn abandon_drops_what_waits_and_counts_it() {
    let pool = settings(1, 10).build().unwrap();
    let call_off = occupy(&pool);
    let alive = Arc::new(());
    for _ in 0..10 {
        let alive = alive.clone();
        assert!(pool.try_submit(move || drop(alive)).is_ok());
    }
    let report = pool.shutdown_until(ShutdownMode::Abandon, Instant::now());
    assert_eq!((report.abandoned, report.running, report.is_clean()), (10, 1, false));
    assert_eq!(Arc::strong_count(&alive), 1, "they are gone");
    law(report);
    call_off();
    let report = pool.shutdown_until(ShutdownMode::Abandon, far());
    assert_eq!((report.completed, report.running), (1, 0), "what ran came to its end");
}

#[test]
fn a_drain_that_is_late_abandons_the_rest() {
    let pool = settings(1, 10).build().unwrap();
    let call_off = occupy(&pool);
    for _ in 0..3 {
        assert!(pool.try_submit(|| ()).is_ok());
    }
    let report =
        pool.shutdown_until(ShutdownMode::Drain, Instant::now() + Duration::from_millis(2));
    assert_eq!((report.abandoned, report.running, report.queued), (3, 1, 0));
    law(report);
    call_off();
}

#[test]
fn a_task_may_use_its_own_pool() {
    let pool = Arc::new(settings(1, 1).build().unwrap());
    let (told, heard) = mpsc::channel();
    let inner = pool.clone();
    let task = move || {
        // The queue has one place; the one thread cannot make room while it is in here.
        let first = inner.submit_until(|| (), far()).is_ok();
        let second = inner.submit_until(|| (), far()).is_ok();
        let report = inner.shutdown_until(ShutdownMode::Drain, far());
        told.send((first, second, report.running)).unwrap();
    };
    assert!(pool.try_submit(task).is_ok());
    assert_eq!(heard.recv().unwrap(), (true, false, 1), "it neither hangs nor waits for itself");
    law(pool.shutdown_until(ShutdownMode::Drain, far()));
}

#[test]
fn dropping_the_pool_does_not_wait() {
    let pool = settings(2, 10).build().unwrap();
    let call_off = occupy(&pool);
    let alive = Arc::new(());
    let held = alive.clone();
    assert!(pool.try_submit(move || drop(held)).is_ok());
    drop(pool);
    assert_eq!(Arc::strong_count(&alive), 1);
    call_off();
}

#[test]
fn a_hook_runs_on_each_thread_and_lasts_as_long() {
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
fn bad_settings_are_named() {
    let named = |builder: WorkerPoolBuilder, message: &str| {
        let error = builder.build().unwrap_err();
        assert!(matches!(error, WorkerPoolError::Setting { .. }), "{error}");
        assert_eq!(error.to_string(), message);
    };
    let x = || WorkerPool::builder("x").with_threads(1);
    named(x().with_threads(0), "threads is 0; set 1 to 4096");
    named(x().with_threads(4097), "threads is 4097; set 1 to 4096");
    named(x().with_threads(usize::MAX), &format!("threads is {}; set 1 to 4096", usize::MAX));
    named(x().with_queue(0), "queue is 0; set 1 to 16777216");
    named(x().with_queue(usize::MAX), &format!("queue is {}; set 1 to 16777216", usize::MAX));
    named(x().with_stack_size(65_535), "stack size is 65535; set 65536 to 1073741824");
    for bytes in [0, 1 << 31, usize::MAX] {
        let message = format!("stack size is {bytes}; set 65536 to 1073741824");
        named(x().with_stack_size(bytes), &message);
    }
}

#[test]
fn the_least_and_the_most_that_is_taken_works() {
    let least = WorkerPool::builder("").with_threads(1).with_queue(1).with_stack_size(65_536);
    let most = WorkerPool::builder("\u{1f600}\0\x1b".repeat(1000)).with_threads(1);
    for builder in [least, most.with_queue(1 << 24).with_stack_size(1 << 30)] {
        let pool = builder.build().unwrap();
        let (told, name) = oneshot::channel();
        pool.try_submit(move || told.send(thread::current().name().map(str::to_owned))).unwrap();
        let name = name.recv_until(far()).unwrap().unwrap();
        assert!(name.len() <= 80 && !name.contains(['\0', '\x1b']), "{name:?}");
        // Waits for ever, or until the threads have ended.
        let end_of_time = deadline(Instant::now(), Duration::MAX);
        assert!(pool.shutdown_until(ShutdownMode::Drain, end_of_time).is_clean());
    }
}

#[test]
fn tasks_that_panic_when_dropped_cost_no_more_than_themselves() {
    struct Grenade(Arc<AtomicUsize>);
    impl Drop for Grenade {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
            resume_unwind(Box::new(Grenade(self.0.clone())));
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    for how in [ShutdownMode::Abandon, ShutdownMode::Drain] {
        let pool = WorkerPool::builder("grenades").with_threads(1).with_queue(9).build().unwrap();
        let mut release = Some(occupy(&pool));
        for _ in 0..5 {
            let grenade = Grenade(dropped.clone());
            pool.try_submit(move || drop(grenade)).unwrap();
        }
        dropped.store(0, SeqCst);
        if how == ShutdownMode::Drain {
            release.take().into_iter().for_each(|release| release());
        }
        let report = pool.shutdown_until(how, Instant::now() + Duration::from_millis(1));
        law(report);
        release.into_iter().for_each(|release| release());
        let report = pool.shutdown_until(how, far());
        assert_eq!((report.panicked + report.abandoned, report.queued), (5, 0));
        assert!(dropped.load(SeqCst) >= 5);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever is submitted from whatever number of threads and however it ends: no task is lost
    /// without a count, and none runs twice.
    #[test]
    fn the_account_is_exact(
        threads in 1..4_usize,
        queue in 1..20_usize,
        submitters in 1..4_usize,
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
                    law(pool.report());
                }
                rejected
            }));
            let submitting: Vec<_> = submitting.collect();
            submitting.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let how = if drain { ShutdownMode::Drain } else { ShutdownMode::Abandon };
        let report = pool.shutdown_until(how, far());
        law(report);
        prop_assert_eq!(report.submitted as usize + rejected, submitters * each);
        prop_assert_eq!(report.rejected as usize, rejected);
        prop_assert_eq!((report.completed + report.panicked) as usize, ran.load(SeqCst));
        prop_assert_eq!((report.running, report.queued), (0, 0));
        prop_assert!(!drain || report.abandoned == 0);
        prop_assert_eq!(Arc::strong_count(&dropped), 1, "every task is gone");
    }
}
