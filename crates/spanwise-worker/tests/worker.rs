//! The worker thread: its start, its notifications, its end.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use spanwise_testkit::PanicOnDrop;
use spanwise_worker::{
    Wakeup, Worker, WorkerState,
    oneshot::{self, Sender},
};

/// A deadline that no test reaches unless it fails.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

async fn until_notified(mut notified: spanwise_worker::Notified) {
    notified.wait_until(far()).await;
}

#[test]
fn a_worker_runs_on_a_thread_with_its_name() {
    let (sender, name) = oneshot::channel();
    let worker = Worker::spawn("a-worker", |notified| async move {
        sender.send(thread::current().name().map(str::to_owned));
        until_notified(notified).await;
    })
    .unwrap();
    assert_eq!(name.recv_until(far()).unwrap().as_deref(), Some("a-worker"));
    assert_eq!(worker.state(), WorkerState::Running);
    assert!(!worker.is_current_thread());
    assert!(!worker.is_forked_child());
    worker.notify();
    assert!(worker.join_until(far()));
    assert_eq!(worker.state(), WorkerState::Finished);
    worker.notify();
    assert!(worker.join_until(Instant::now()), "a second join returns true too");
}

#[test]
fn a_worker_accepts_a_name_that_no_thread_can_have() {
    let worker = Worker::spawn("nul\0nul", |_| async {}).unwrap();
    assert!(worker.join_until(far()));
}

#[test]
fn a_worker_has_timers_and_sockets() {
    let (sender, address) = oneshot::channel();
    let worker = Worker::builder("io")
        .with_stack_size(256 * 1024)
        .spawn(|_| async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap());
            let (stream, _) = listener.accept().await.unwrap();
            stream.writable().await.unwrap();
            assert_eq!(stream.try_write(b"hello").unwrap(), 5);
        })
        .unwrap();
    let mut stream = TcpStream::connect(address.recv_until(far()).unwrap()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    assert!(stream.write_all(b"").is_ok());
    assert!(worker.join_until(far()));
    assert_eq!(worker.state(), WorkerState::Finished);
}

#[test]
fn a_panic_stays_on_the_thread() {
    let (never, waiter) = oneshot::channel::<()>();
    let worker = Worker::spawn("panics", |_| async move {
        let _never = never;
        tokio::task::yield_now().await;
        resume_unwind(Box::new("no"));
    })
    .unwrap();
    assert_eq!(waiter.recv_until(far()), None);
    assert!(waiter.is_closed());
    assert!(worker.join_until(far()));
    assert_eq!(worker.state(), WorkerState::Panicked);
    worker.notify();
}

#[test]
fn a_panic_with_a_panicking_payload_stays_on_the_thread() {
    let worker =
        Worker::spawn("panics-twice", |_| async { resume_unwind(Box::new(PanicOnDrop)) }).unwrap();
    assert!(worker.join_until(far()));
    assert_eq!(worker.state(), WorkerState::Panicked);
}

#[test]
fn a_worker_unwinds_everything_after_a_panic_anywhere() {
    /// Panics in each drop, with a payload that panics in its drop too.
    struct AlwaysPanicOnDrop(Arc<()>);
    impl Drop for AlwaysPanicOnDrop {
        fn drop(&mut self) {
            resume_unwind(Box::new(AlwaysPanicOnDrop(self.0.clone())));
        }
    }
    let other = Arc::new(());
    let ends = |worker: std::io::Result<Worker>| {
        let worker = worker.unwrap();
        assert!(worker.join_until(far()));
        assert_eq!(worker.state(), WorkerState::Panicked);
        worker.notify();
        assert_eq!(Arc::strong_count(&other), 1, "something was not unwound");
    };
    let live = |panics: bool| (other.clone(), panics.then(|| AlwaysPanicOnDrop(Arc::new(()))));

    // A panic in the last poll, and another in the drop of the future. (A second panic during the
    // first, as in an async block that holds such a value, aborts any program.)
    let held = live(true);
    ends(Worker::spawn("poll", move |_| {
        std::future::poll_fn(move |_| {
            let _held = &held;
            resume_unwind(Box::new(AlwaysPanicOnDrop(Arc::new(()))))
        })
    }));
    // A panic in a task of the runtime that has not ended at the shutdown.
    let held = live(true);
    let worker = Worker::spawn("task", move |_| async move {
        let task = tokio::spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        drop(task);
    });
    let worker = worker.unwrap();
    assert!(worker.join_until(far()), "a task's destructor blocked the thread");
    assert_eq!(Arc::strong_count(&other), 1);
    // A panic in the function that makes the future, and one in the drop of the hook's guard.
    let held = live(false);
    ends(Worker::spawn("make", move |_| {
        let _held = held;
        resume_unwind(Box::new(AlwaysPanicOnDrop(Arc::new(()))));
        #[expect(unreachable_code, reason = "the return type of the closure")]
        async {}
    }));
    let held = live(true);
    ends(Worker::builder("guard").with_on_thread_start(move || held).spawn(|_| async {}));
}

#[test]
fn a_worker_waits_for_the_last_instant_without_overflow() {
    let mut last = Instant::now();
    for bit in (0..64).rev() {
        last = last.checked_add(Duration::from_secs(1 << bit)).unwrap_or(last);
    }
    last = last.checked_add(Duration::from_nanos(999_999_999)).unwrap_or(last);
    let (done, waiter) = oneshot::channel();
    let worker = Worker::spawn("waits", move |mut notified| async move {
        done.send(notified.wait_until(last).await);
    })
    .unwrap();
    assert_eq!(waiter.recv_until(Instant::now() + Duration::from_millis(5)), None);
    assert_eq!(worker.state(), WorkerState::Running);
    worker.notify();
    assert_eq!(waiter.recv_until(last), Some(Wakeup::Notified));
    assert!(worker.join_until(last));
    assert_eq!(worker.state(), WorkerState::Finished);
}

#[test]
fn the_hook_runs_first_and_its_guard_lasts_until_the_end() {
    thread_local!(static LOG: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) });
    struct Scope(Arc<Mutex<Vec<&'static str>>>);
    impl Drop for Scope {
        fn drop(&mut self) {
            LOG.with_borrow_mut(|log| log.push("left"));
            self.0.lock().unwrap().extend(LOG.take());
        }
    }
    let logged = Arc::new(Mutex::new(Vec::new()));
    let log = logged.clone();
    let worker = Worker::builder("hook")
        .with_on_thread_start(move || {
            LOG.with_borrow_mut(|log| log.push("entered"));
            Scope(log)
        })
        .spawn(|_| {
            LOG.with_borrow_mut(|log| log.push("work made"));
            async { LOG.with_borrow_mut(|log| log.push("work done")) }
        })
        .unwrap();
    assert!(worker.join_until(far()));
    assert_eq!(*logged.lock().unwrap(), ["entered", "work made", "work done", "left"]);
}

#[test]
fn a_panic_of_the_hook_stays_on_the_thread() {
    let spawned = Worker::builder("hook")
        .with_on_thread_start(|| resume_unwind(Box::new("no")))
        .spawn(|_| async {})
        .unwrap();
    assert!(spawned.join_until(far()));
    assert_eq!(spawned.state(), WorkerState::Panicked);
}

#[test]
fn a_join_returns_at_its_deadline() {
    let worker = Worker::spawn("stays", until_notified).unwrap();
    assert!(!worker.join_until(Instant::now()));
    let before = Instant::now();
    assert!(!worker.join_until(before + Duration::from_millis(20)));
    assert!(before.elapsed() >= Duration::from_millis(20));
    worker.notify();
    assert!(worker.join_until(far()));
}

#[test]
fn a_join_waits_for_any_timeout() {
    let worker = Worker::spawn("stays", until_notified).unwrap();
    assert!(!worker.join_timeout(Duration::ZERO), "zero does not wait");
    let before = Instant::now();
    let timeout = Duration::from_millis(5);
    assert!(!worker.join_timeout(timeout));
    assert!(before.elapsed() >= timeout);
    worker.notify();
    assert!(worker.join_timeout(Duration::MAX));
    assert!(worker.join_timeout(Duration::ZERO), "the thread has ended");
}

#[test]
fn a_join_works_inside_any_runtime() {
    let current = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let multi = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    for runtime in [current, multi] {
        let task = runtime.spawn(async {
            let worker = Worker::spawn("inside", until_notified).unwrap();
            worker.notify();
            worker.join_until(far())
        });
        assert!(runtime.block_on(task).unwrap());
    }
}

#[test]
fn a_join_works_during_a_panic() {
    struct JoinsOnDrop(Worker, Arc<AtomicU64>);
    impl Drop for JoinsOnDrop {
        fn drop(&mut self) {
            assert!(thread::panicking());
            self.0.notify();
            self.1.fetch_add(u64::from(self.0.join_until(far())), Ordering::Relaxed);
        }
    }
    let joined = Arc::new(AtomicU64::new(0));
    let worker = JoinsOnDrop(Worker::spawn("unwound", until_notified).unwrap(), joined.clone());
    let unwinding = thread::spawn(move || {
        let _worker = worker;
        resume_unwind(Box::new(()));
    });
    assert!(unwinding.join().is_err());
    assert_eq!(joined.load(Ordering::Relaxed), 1);
}

#[test]
fn a_join_on_the_own_thread_returns_at_once() {
    let (hand_over, handed) = mpsc::channel::<Arc<Worker>>();
    let (sender, answer) = oneshot::channel();
    let worker = Worker::spawn("self", |mut notified| async move {
        notified.wait_until(far()).await;
        let itself = handed.recv().unwrap();
        sender.send((itself.is_current_thread(), itself.join_until(far())));
    })
    .unwrap();
    let worker = Arc::new(worker);
    hand_over.send(worker.clone()).unwrap();
    worker.notify();
    assert_eq!(answer.recv_until(far()), Some((true, false)));
    assert!(worker.join_until(far()));
}

#[test]
fn a_blocking_task_that_hangs_does_not_delay_the_end() {
    for panics in [false, true] {
        let (release, released) = mpsc::channel::<()>();
        let worker = Worker::spawn("hangs", move |_| async move {
            let (started, running) = tokio::sync::oneshot::channel();
            tokio::task::spawn_blocking(move || {
                started.send(()).unwrap();
                released.recv()
            });
            running.await.unwrap();
            if panics {
                resume_unwind(Box::new("no"));
            }
        })
        .unwrap();
        assert!(worker.join_until(far()));
        let expected = if panics { WorkerState::Panicked } else { WorkerState::Finished };
        assert_eq!(worker.state(), expected);
        drop(release);
    }
}

/// Four threads increment a count and notify the worker, which must see the total although
/// notifications coalesce.
#[test]
fn no_notification_is_lost() {
    const THREADS: u64 = 4;
    const NOTIFICATIONS: u64 = 5_000;
    let count = Arc::new(AtomicU64::new(0));
    let (done, finished): (Sender<u64>, _) = oneshot::channel();
    let counted = count.clone();
    let worker = Worker::spawn("counts", |mut notified| async move {
        let mut wakeups = 0;
        let deadline = far();
        // Relaxed: the notification publishes the increments before it.
        while counted.load(Ordering::Relaxed) < THREADS * NOTIFICATIONS {
            if notified.wait_until(deadline).await == Wakeup::TimedOut {
                return;
            }
            wakeups += 1;
        }
        done.send(wakeups);
    })
    .unwrap();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let (count, wake) = (count.clone(), worker.notifier());
            scope.spawn(move || {
                for _ in 0..NOTIFICATIONS {
                    count.fetch_add(1, Ordering::Relaxed);
                    wake.notify();
                }
            });
        }
    });
    let wakeups = finished.recv_until(far()).expect("a notification was lost");
    assert!(wakeups <= THREADS * NOTIFICATIONS, "the worker woke without a notification");
    assert!(worker.join_until(far()));
}

#[cfg(unix)]
#[test]
fn a_forked_child_does_not_wait_for_the_thread_of_its_parent() {
    let worker = Worker::spawn("parent", until_notified).unwrap();
    let far = far();
    // The child calls nothing that takes a lock which another thread may have held at the fork.
    let answer = spanwise_testkit::in_forked_child(|output| {
        let right = worker.is_forked_child()
            && worker.state() == WorkerState::Running
            && !worker.is_current_thread()
            && !worker.join_until(far)
            && !worker.join_timeout(Duration::MAX);
        output.write_all(&[u8::from(right)]).unwrap();
    });
    assert_eq!(answer, [1]);
    assert!(Instant::now() < far, "the child waited");
    worker.notify();
    assert!(worker.join_until(far));
}

#[test]
fn an_invalid_stack_size_is_an_error_with_its_range() {
    for bytes in [0, 65_535, 1 << 31, usize::MAX] {
        let error = Worker::builder("x").with_stack_size(bytes).spawn(|_| async {}).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        let expected = format!("stack size is {bytes}; set 65536 to 1073741824");
        assert_eq!(error.to_string(), expected);
    }
    let worker = Worker::builder("\0".repeat(1 << 20)).with_stack_size(65_536);
    assert!(worker.spawn(|_| async {}).unwrap().join_until(far()));
}
