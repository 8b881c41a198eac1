//! A program that traces everything. Alone in its process, which has one global subscriber.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use spanwise_worker::{
    Worker,
    oneshot::{self, Receiver},
};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Counts what it is asked to record.
struct Everything(Arc<AtomicUsize>);

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        self.0.fetch_add(1, Relaxed);
        Id::from_u64(1)
    }

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Relaxed);
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// One span and one event.
fn trace() {
    let _span = tracing::trace_span!("span").entered();
    tracing::error!("event");
}

/// A worker that traces on each thread it has, when it is woken.
fn tracing_worker() -> (Worker, Receiver<()>) {
    let (done, traced) = oneshot::channel();
    let worker = Worker::builder("traces")
        .with_on_thread_start(trace)
        .spawn(|mut notified| async move {
            notified.wait_until(far()).await;
            // It may have been busy until now, in a poll that began before the subscriber came.
            tokio::task::yield_now().await;
            trace();
            tokio::spawn(async { trace() }).await.unwrap();
            tokio::task::spawn_blocking(trace).await.unwrap();
            done.send(());
        })
        .unwrap();
    (worker, traced)
}

#[test]
fn nothing_on_a_worker_is_traced_whenever_the_subscriber_comes() {
    let (early, early_traced) = tracing_worker();
    assert!(!tracing::dispatcher::has_been_set(), "`tracing` forwards to `log` no more");

    let count = Arc::new(AtomicUsize::new(0));
    tracing::subscriber::set_global_default(Everything(count.clone())).unwrap();
    trace();
    assert_eq!(count.load(Relaxed), 2, "the program is traced");

    let (late, late_traced) = tracing_worker();
    for (worker, traced) in [(early, early_traced), (late, late_traced)] {
        worker.notify();
        assert_eq!(traced.recv_until(far()), Some(()));
        assert!(worker.join_until(far()));
    }
    assert_eq!(count.load(Relaxed), 2, "a worker was traced");
    trace();
    assert_eq!(count.load(Relaxed), 4, "the program is traced no more");
}
