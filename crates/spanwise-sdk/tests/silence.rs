//! Our threads make no `tracing` spans or events, even for an unfiltered subscriber.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_sdk::Protocol;
use spanwise_testkit::spans;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use support::{LONG, bench};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// A layer that counts spans and events of our threads.
struct WorkerActivity;

static FROM_WORKER: AtomicU64 = AtomicU64::new(0);

fn count_activity() {
    if std::thread::current().name().is_some_and(|name| name.starts_with("spanwise")) {
        FROM_WORKER.fetch_add(1, SeqCst);
    }
}

impl<S: tracing::Subscriber> Layer<S> for WorkerActivity {
    fn on_new_span(
        &self,
        _: &tracing::span::Attributes<'_>,
        _: &tracing::span::Id,
        _: Context<'_, S>,
    ) {
        count_activity();
    }

    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        count_activity();
    }
}

/// One test, because the process has one global subscriber. h2 makes spans at TRACE while it sends.
#[test]
fn an_unfiltered_subscriber_sees_the_programs_own_spans_alone() {
    for scoped in [false, true] {
        let bench = bench(|builder| {
            builder.with_protocol(Protocol::Grpc).with_scheduled_delay(Duration::from_millis(5))
        });
        if !scoped {
            // The worker runs before a subscriber is set.
            bench.spanwise.force_flush_timeout(LONG).unwrap();
        }
        let layer = tracing_opentelemetry::layer().with_tracer(bench.spanwise.tracer("silence"));
        let subscriber = tracing_subscriber::registry().with(layer).with(WorkerActivity);
        let own = || {
            for _ in 0..100 {
                tracing::trace_span!("mine").in_scope(|| {});
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        match scoped {
            // The global subscriber stays for the rest of the process.
            false => {
                tracing::subscriber::set_global_default(subscriber).unwrap();
                own();
            }
            true => tracing::subscriber::with_default(subscriber, own),
        }
        let request = bench.finish();
        assert_eq!(spans(&request).count(), 100);
        assert!(spans(&request).all(|span| span.name == "mine"));
        let ledger = bench.spanwise.ledger();
        assert_eq!((ledger.created, ledger.exported), (100, 100));
    }
    assert_eq!(FROM_WORKER.load(SeqCst), 0);
}
