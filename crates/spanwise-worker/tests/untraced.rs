//! A program with a `tracing` subscriber. Alone in its process, which has one global subscriber.
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

/// A subscriber that counts spans and events.
struct CountingSubscriber(Arc<AtomicUsize>);

impl Subscriber for CountingSubscriber {
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

/// A worker that makes spans and events on each of its threads, when it is notified.
fn tracing_worker() -> (Worker, Receiver<()>) {
    let (done, traced) = oneshot::channel();
    let worker = Worker::builder("traces")
        .with_on_thread_start(trace)
        .spawn(|mut notified| async move {
            notified.wait_until(far()).await;
            // The worker may be in a poll that started before the program set its subscriber.
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
fn a_worker_makes_no_span_before_and_after_the_program_sets_its_subscriber() {
    let (early, early_traced) = tracing_worker();
    assert!(!tracing::dispatcher::has_been_set(), "`tracing` does not forward to `log` any more");

    let count = Arc::new(AtomicUsize::new(0));
    tracing::subscriber::set_global_default(CountingSubscriber(count.clone())).unwrap();
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
    assert_eq!(count.load(Relaxed), 4, "the program is not traced any more");
}
