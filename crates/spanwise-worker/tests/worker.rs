//! The worker thread: its life, its waking, its end.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use spanwise_worker::{
    Wakeup, Worker, WorkerState,
    oneshot::{self, Sender},
};

/// Never reached unless something is broken.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

async fn until_notified(mut notified: spanwise_worker::Notified) {
    notified.wait_until(far()).await;
}

#[test]
fn lives_on_a_thread_of_its_own_name() {
    let (told, name) = oneshot::channel();
    let worker = Worker::spawn("a-worker", |notified| async move {
        told.send(thread::current().name().map(str::to_owned));
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
    assert!(worker.join_until(Instant::now()), "joining again finds the same end");
}

#[test]
fn a_name_no_thread_can_have_is_mended() {
    let worker = Worker::spawn("nul\0nul", |_| async {}).unwrap();
    assert!(worker.join_until(far()));
}

#[test]
fn does_io_and_keeps_time() {
    let (told, address) = oneshot::channel();
    let worker = Worker::builder("io")
        .with_stack_size(256 * 1024)
        .spawn(|_| async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap());
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
fn a_panic_with_a_panicking_payload_stays_too() {
    struct Grenade;
    impl Drop for Grenade {
        fn drop(&mut self) {
            resume_unwind(Box::new("again"));
        }
    }
    let worker =
        Worker::spawn("panics-twice", |_| async { resume_unwind(Box::new(Grenade)) }).unwrap();
    assert!(worker.join_until(far()));
    assert_eq!(worker.state(), WorkerState::Panicked);
}

#[test]
fn whatever_panics_wherever_the_rest_is_unwound() {
    /// Panics wherever it is dropped, with a payload that does so too.
    struct Grenade(Arc<()>);
    impl Drop for Grenade {
        fn drop(&mut self) {
            resume_unwind(Box::new(Grenade(self.0.clone())));
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
    let live = |grenade: bool| (other.clone(), grenade.then(|| Grenade(Arc::new(()))));

    // In the last poll, and once more when the future is dropped. (What panics twice at once, as an
    // async block that holds a grenade would, ends any program.)
    let held = live(true);
    ends(Worker::spawn("poll", move |_| {
        std::future::poll_fn(move |_| {
            let _held = &held;
            resume_unwind(Box::new(Grenade(Arc::new(()))))
        })
    }));
    // In a task of the runtime that is still there at the end.
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
    assert!(worker.join_until(far()), "a task's destructor kept the thread");
    assert_eq!(Arc::strong_count(&other), 1);
    // In making the future, and in what the hook left.
    let held = live(false);
    ends(Worker::spawn("make", move |_| {
        let _held = held;
        resume_unwind(Box::new(Grenade(Arc::new(()))));
        #[expect(unreachable_code, reason = "says what the closure returns")]
        async {}
    }));
    let held = live(true);
    ends(Worker::builder("guard").with_on_thread_start(move || held).spawn(|_| async {}));
}

#[test]
fn instants_at_the_end_of_time_are_waited_for_not_overflowed() {
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
fn the_hook_runs_first_and_its_guard_lasts() {
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
fn a_panicking_hook_is_fenced_too() {
    let spawned = Worker::builder("hook")
        .with_on_thread_start(|| resume_unwind(Box::new("no")))
        .spawn(|_| async {})
        .unwrap();
    assert!(spawned.join_until(far()));
    assert_eq!(spawned.state(), WorkerState::Panicked);
}

#[test]
fn joining_gives_up_at_the_deadline() {
    let worker = Worker::spawn("stays", until_notified).unwrap();
    assert!(!worker.join_until(Instant::now()));
    let before = Instant::now();
    assert!(!worker.join_until(before + Duration::from_millis(20)));
    assert!(before.elapsed() >= Duration::from_millis(20));
    worker.notify();
    assert!(worker.join_until(far()));
}

#[test]
fn joining_works_inside_any_runtime() {
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
fn joining_works_during_a_panic() {
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
fn joining_itself_returns_at_once() {
    let (hand_over, handed) = mpsc::channel::<Arc<Worker>>();
    let (told, answer) = oneshot::channel();
    let worker = Worker::spawn("self", |mut notified| async move {
        notified.wait_until(far()).await;
        let itself = handed.recv().unwrap();
        told.send((itself.is_current_thread(), itself.join_until(far())));
    })
    .unwrap();
    let worker = Arc::new(worker);
    hand_over.send(worker.clone()).unwrap();
    worker.notify();
    assert_eq!(answer.recv_until(far()), Some((true, false)));
    assert!(worker.join_until(far()));
}

#[test]
fn a_hanging_lookup_does_not_hold_the_end() {
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

/// Many threads count something up and ring; the worker must come to see the total, however the
/// rings fall together.
#[test]
fn no_ring_is_lost() {
    const THREADS: u64 = 4;
    const RINGS: u64 = 5_000;
    let count = Arc::new(AtomicU64::new(0));
    let (done, finished): (Sender<u64>, _) = oneshot::channel();
    let counted = count.clone();
    let worker = Worker::spawn("bell", |mut notified| async move {
        let mut wakings = 0;
        let deadline = far();
        // Relaxed: what was counted before a ring is seen because of the ring.
        while counted.load(Ordering::Relaxed) < THREADS * RINGS {
            if notified.wait_until(deadline).await == Wakeup::TimedOut {
                return;
            }
            wakings += 1;
        }
        done.send(wakings);
    })
    .unwrap();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let (count, wake) = (count.clone(), worker.notifier());
            scope.spawn(move || {
                for _ in 0..RINGS {
                    count.fetch_add(1, Ordering::Relaxed);
                    wake.notify();
                }
            });
        }
    });
    let wakings = finished.recv_until(far()).expect("a ring was lost");
    assert!(wakings <= THREADS * RINGS, "woken without a ring");
    assert!(worker.join_until(far()));
}

#[cfg(unix)]
#[test]
fn a_forked_child_does_not_wait_for_a_thread_it_has_not() {
    let worker = Worker::spawn("parent", until_notified).unwrap();
    let far = far();
    // SAFETY: the child only reads atomics and the clock and asks for its pid, then leaves at once
    // without running any destructor: it takes no lock another thread may have held.
    let status = unsafe {
        let pid = libc::fork();
        assert!(pid >= 0);
        if pid == 0 {
            let right = worker.is_forked_child()
                && worker.state() == WorkerState::Running
                && !worker.is_current_thread()
                && !worker.join_until(far);
            libc::_exit(if right { 0 } else { 1 });
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
        status
    };
    assert_eq!(status, 0);
    assert!(Instant::now() < far, "the child waited");
    worker.notify();
    assert!(worker.join_until(far));
}

#[test]
fn a_stack_that_cannot_be_is_an_error_not_a_panic() {
    for bytes in [0, 65_535, 1 << 31, usize::MAX] {
        let error = Worker::builder("x").with_stack_size(bytes).spawn(|_| async {}).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        let expected = format!("stack size is {bytes}; set 65536 to 1073741824");
        assert_eq!(error.to_string(), expected);
    }
    let worker = Worker::builder("\0".repeat(1 << 20)).with_stack_size(65_536);
    assert!(worker.spawn(|_| async {}).unwrap().join_until(far()));
}
