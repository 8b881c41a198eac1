//! A semaphore for threads and tasks: it never grants more permits than it has.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use spanwise_worker::Semaphore;

fn far() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

#[test]
fn a_dropped_permit_returns() {
    let semaphore = Semaphore::new(2);
    let (one, two) = (semaphore.try_acquire(), semaphore.try_acquire_owned());
    assert!(one.is_some() && two.is_some() && semaphore.try_acquire().is_none());
    drop(one);
    assert!(semaphore.try_acquire().is_some());
    drop(two);
    assert_eq!(semaphore.available(), 2);
    assert!(semaphore.try_acquire_n(3).is_none() && semaphore.try_acquire_n(2).is_some());
}

#[test]
fn a_wait_ends_by_its_deadline() {
    let semaphore = Semaphore::new(1);
    let permit = semaphore.try_acquire();
    assert!(semaphore.acquire_until(Instant::now() + Duration::from_millis(2)).is_none());
    drop(permit);
    assert!(semaphore.acquire_until(Instant::now()).is_some(), "an available permit needs no wait");
    assert!(semaphore.acquire_n_until(2, Instant::now() + Duration::from_millis(2)).is_none());
    assert_eq!(semaphore.available(), 1, "a wait that ended holds a permit");
}

#[test]
fn a_thread_waits_for_any_timeout() {
    let semaphore = Semaphore::new(1);
    assert!(semaphore.acquire_timeout(Duration::ZERO).is_some(), "a permit is available");
    let permit = semaphore.try_acquire_owned();
    assert!(semaphore.acquire_timeout(Duration::ZERO).is_none(), "zero does not wait");
    let before = Instant::now();
    let timeout = Duration::from_millis(5);
    assert!(semaphore.acquire_timeout(timeout).is_none());
    assert!(before.elapsed() >= timeout);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| semaphore.acquire_timeout(Duration::MAX).is_some());
        drop(permit);
        assert!(waiting.join().unwrap());
    });
    assert_eq!(semaphore.available(), 1);
}

#[test]
fn threads_and_tasks_never_hold_more_permits_than_there_are() {
    let (semaphore, now, most) = (Semaphore::new(3), AtomicUsize::new(0), AtomicUsize::new(0));
    let enter = || _ = most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
    let leave = || _ = now.fetch_sub(1, SeqCst);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let permit = semaphore.acquire_until(far());
                    assert!(permit.is_some());
                    enter();
                    thread::yield_now();
                    leave();
                }
            });
        }
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let task = async || {
                    for _ in 0..200 {
                        let _permit = semaphore.acquire().await;
                        enter();
                        tokio::task::yield_now().await;
                        leave();
                    }
                };
                tokio::join!(task(), task(), task());
            });
        });
    });
    assert!((2..=3).contains(&most.load(SeqCst)), "{most:?}");
    assert_eq!(semaphore.available(), 3);
}

#[tokio::test]
async fn a_task_that_stops_waiting_holds_no_permit() {
    let semaphore = Semaphore::new(1);
    let permit = semaphore.acquire_owned().await;
    assert!(tokio::time::timeout(Duration::from_millis(2), semaphore.acquire()).await.is_err());
    let waiting = tokio::spawn({
        let semaphore = semaphore.clone();
        async move { drop(semaphore.acquire_n(1).await) }
    });
    drop(permit);
    waiting.await.unwrap();
    assert_eq!(semaphore.available(), 1);
}

#[test]
fn a_semaphore_accepts_any_number_and_deadline() {
    for permits in [0, 1, u32::MAX] {
        let semaphore = Semaphore::new(permits);
        let last = spanwise_worker::deadline(Instant::now(), Duration::MAX);
        assert_eq!(semaphore.try_acquire_n(u32::MAX).is_some(), permits == u32::MAX);
        assert_eq!(semaphore.acquire_n_until(u32::MAX, Instant::now()).is_some(), permits > 1);
        if permits == 1 {
            let permit = semaphore.try_acquire_owned();
            thread::scope(|scope| {
                let waits = scope.spawn(|| semaphore.acquire_until(last).is_some());
                drop(permit);
                assert!(waits.join().unwrap());
            });
        }
    }
}
