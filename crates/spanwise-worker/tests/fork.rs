//! A forked child detects the fork, and has its own random seeds.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use spanwise_testkit::in_forked_child;
use spanwise_worker::{RejectReason, ShutdownMode, WorkerPool, fork, oneshot, random_seed};

/// The numbers that `child` computes in a forked child of this process.
fn in_child<const N: usize>(child: impl FnOnce() -> [u64; N]) -> [u64; N] {
    let output = in_forked_child(|output| {
        child().iter().for_each(|number| output.write_all(&number.to_le_bytes()).unwrap());
    });
    let mut numbers = output.chunks(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
    std::array::from_fn(|_| numbers.next().unwrap())
}

#[test]
fn a_child_has_another_generation_and_its_child_one_more() {
    assert!(fork::watch() && fork::watch());
    let own = fork::generation();
    let [child, grandchild] = in_child(|| {
        let child = fork::generation();
        // SAFETY: the grandchild takes no lock and leaves at once; its exit code is the answer.
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
    assert_eq!(fork::generation(), own, "the parent's generation changed");
}

#[test]
fn two_forked_children_have_different_seeds() {
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
fn an_inherited_pool_rejects_each_call_at_once() {
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
            // Another thread repeatedly holds the pool's lock.
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
    // The child drops the pool with the tasks that wait.
    let dropped = in_child(|| {
        drop(own.take());
        [1]
    });
    assert_eq!(dropped, [1]);
    hold.store(false, Relaxed);
    let pool = own.take().unwrap();
    assert!(
        pool.shutdown_until(ShutdownMode::Drain, far()).is_clean(),
        "the parent's pool continues"
    );
}

#[test]
fn an_inherited_receiver_does_not_wait() {
    let (sender, receiver) = oneshot::channel::<u64>();
    let mut sender = Some(sender);
    let answer = in_child(|| {
        let none = receiver.recv_until(far()).is_none() && receiver.is_closed();
        if let Some(sender) = sender.take() {
            sender.send(1);
        }
        // A channel that the child makes works.
        let (own, received) = oneshot::channel();
        own.send(7);
        [u64::from(none), received.recv_until(far()).unwrap_or_default()]
    });
    assert_eq!(answer, [1, 7]);
    assert!(!receiver.is_closed());
    if let Some(sender) = sender {
        sender.send(3);
    }
    assert_eq!(receiver.recv_until(far()), Some(3));
}

#[cfg(feature = "task")]
#[test]
fn an_inherited_pool_of_tasks_rejects_each_call_at_once() {
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
