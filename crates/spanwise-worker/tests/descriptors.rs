//! The descriptors of an ended worker. Alone in its process, because it counts the open descriptors of
//! the process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::panic::resume_unwind;
use std::time::{Duration, Instant};

use spanwise_worker::{Notifier, Wakeup, Worker};

fn open() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn ended(panics: bool) -> Notifier {
    let worker = Worker::spawn("ends", move |mut notified| async move {
        let soon = Instant::now() + Duration::from_millis(1);
        assert_eq!(notified.wait_until(soon).await, Wakeup::TimedOut);
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        if panics {
            resume_unwind(Box::new("no"));
        }
    })
    .unwrap();
    let wake = worker.notifier();
    assert!(worker.join_until(Instant::now() + Duration::from_secs(30)));
    wake
}

#[test]
fn an_ended_worker_holds_no_descriptor_for_its_notifiers() {
    // With its feature `signal`, tokio opens two descriptors of the process at its first runtime.
    drop(tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
    let before = open();
    let handles: Vec<Notifier> = (0..50).map(|n| ended(n % 2 == 0)).collect();
    // The threads that resolve names end a little later.
    let patience = Instant::now() + Duration::from_secs(30);
    while open() > before && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(open(), before, "of {} ended workers", handles.len());
    handles.iter().for_each(Notifier::notify);
}
