//! Forked children notice, and get randomness of their own.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use spanwise_worker::{RejectReason, ShutdownMode, WorkerPool, fork, oneshot, random_seed};

/// What `child` computes in a forked child of this process.
fn in_child<const N: usize>(child: impl FnOnce() -> [u64; N]) -> [u64; N] {
    let mut ends = [0; 2];
    // SAFETY: `pipe` fills two descriptors, which are ours. The child calls `child`, which takes no
    // lock that another thread could hold, writes and leaves without running any destructor.
    let (pid, mut reader) = unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        let pid = libc::fork();
        assert!(pid >= 0);
        if pid == 0 {
            // One that hangs is ended by a signal, and fails the test.
            libc::alarm(60);
            // A panic must not get back into the test's own frames.
            let child = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
            let Ok(answer) = child.map(|answer| answer.map(u64::to_le)) else { libc::_exit(2) };
            let written = libc::write(ends[1], answer.as_ptr().cast(), size_of_val(&answer));
            libc::_exit(i32::from(written != size_of_val(&answer) as isize));
        }
        libc::close(ends[1]);
        (pid, File::from_raw_fd(ends[0]))
    };
    let mut bytes = Vec::new();
    assert!(reader.read_to_end(&mut bytes).is_ok());
    let mut status = 0;
    // SAFETY: waits for a child of ours.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert_eq!((status, bytes.len()), (0, N * 8));
    std::array::from_fn(|word| {
        bytes[word * 8..][..8].iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
    })
}

#[test]
fn a_child_has_another_generation_and_its_child_one_more() {
    assert!(fork::watch() && fork::watch());
    let own = fork::generation();
    let [child, grandchild] = in_child(|| {
        let child = fork::generation();
        // SAFETY: as in `in_child`; the exit code is the answer.
        let grandchild = unsafe {
            let pid = libc::fork();
            if pid == 0 {
                libc::_exit((fork::generation() & 0x7f) as i32);
            }
            let mut status = 0;
            libc::waitpid(pid, &mut status, 0);
            libc::WEXITSTATUS(status)
        };
        [child.into(), grandchild as u64]
    });
    assert_ne!(child, u64::from(own));
    assert_ne!(grandchild, child & 0x7f);
    assert_eq!(fork::generation(), own, "the parent is no child");
}

#[test]
fn children_do_not_share_seeds() {
    let own = random_seed();
    let first = in_child(|| [random_seed(), random_seed()]);
    let second = in_child(|| [random_seed(), random_seed()]);
    let mut all = vec![own];
    all.extend(first.into_iter().chain(second));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 5);
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(1000)
}

#[test]
fn an_inherited_pool_refuses_at_once_whatever_it_was_doing() {
    let pool = WorkerPool::builder("parent").with_threads(2).with_queue(4).build().unwrap();
    let hold = std::sync::Arc::new(AtomicBool::new(true));
    for _ in 0..2 {
        let hold = hold.clone();
        let holds = move || {
            while hold.load(Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        pool.try_submit(holds).unwrap();
    }
    let mut own = Some(pool);
    let pool = own.as_ref().unwrap();
    for _ in 0..20 {
        std::thread::scope(|scope| {
            // Somebody is inside the pool's lock now and then.
            let stop = std::sync::Arc::new(AtomicBool::new(false));
            let stopped = stop.clone();
            let busy = scope.spawn(move || {
                while !stopped.load(Relaxed) {
                    let _full = pool.try_submit(|| ());
                }
            });
            let right = in_child(|| {
                let refused = |rejected: Result<(), spanwise_worker::SubmitError<fn()>>| {
                    u64::from(
                        rejected.is_err_and(|rejected| rejected.reason == RejectReason::Forked),
                    )
                };
                [
                    refused(pool.try_submit(|| ())),
                    refused(pool.submit_until(|| (), far())),
                    u64::from(
                        pool.shutdown_until(ShutdownMode::Drain, far()) == Default::default(),
                    ),
                    u64::from(pool.report() == Default::default()),
                ]
            });
            stop.store(true, Relaxed);
            busy.join().unwrap();
            assert_eq!(right, [1; 4]);
        });
    }
    // Also when it is dropped there, with all that waits.
    let dropped = in_child(|| {
        drop(own.take());
        [1]
    });
    assert_eq!(dropped, [1]);
    hold.store(false, Relaxed);
    let pool = own.take().unwrap();
    assert!(pool.shutdown_until(ShutdownMode::Drain, far()).is_clean(), "the parent's goes on");
}

#[test]
fn an_inherited_waiter_does_not_wait() {
    let (completer, waiter) = oneshot::channel::<u64>();
    let mut completer = Some(completer);
    let answer = in_child(|| {
        let none = waiter.recv_until(far()).is_none() && waiter.is_closed();
        if let Some(completer) = completer.take() {
            completer.send(1);
        }
        // One made there works.
        let (own, waits) = oneshot::channel();
        own.send(7);
        [u64::from(none), waits.recv_until(far()).unwrap_or_default()]
    });
    assert_eq!(answer, [1, 7]);
    assert!(!waiter.is_closed());
    if let Some(completer) = completer {
        completer.send(3);
    }
    assert_eq!(waiter.recv_until(far()), Some(3));
}

#[cfg(feature = "task")]
#[test]
fn an_inherited_pool_of_tasks_refuses_at_once() {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let mut pool = Some(spanwise_worker::TokioPool::new(runtime.handle().clone(), 1, 10));
    for _ in 0..5 {
        assert!(pool.as_ref().is_some_and(|pool| pool.try_submit(std::future::pending()).is_ok()));
    }
    let answer = in_child(|| {
        let inherited = pool.take().unwrap();
        let refused = inherited.try_submit(async {}).unwrap_err().reason == RejectReason::Forked;
        let mut ended = pin!(inherited.shutdown_until(ShutdownMode::Drain, far()));
        let ended = ended.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let ended = matches!(ended, Poll::Ready(report) if report == Default::default());
        [u64::from(refused), u64::from(ended)]
    });
    assert_eq!(answer, [1, 1]);
    let answer = in_child(|| {
        drop(pool.take());
        [1]
    });
    assert_eq!(answer, [1]);
    assert_eq!(pool.as_ref().map(|pool| pool.report().running), Some(1));
}
