//! The threads of a provider, and the libraries that they use, make no span or event of any subscriber. The oracles are a layer
//! that sees each span and event of the process, and the spans that arrive.
//!
//! Each test runs in a process of its own, which has one global subscriber.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod exports;
#[path = "../harness/mod.rs"]
mod harness;
mod observed;
mod program;
mod threads;

use harness::{Bench, LONG};
use observed::Observed;
use spanwise_sdk::Spanwise;
use spanwise_testkit::in_own_process;
use std::time::Duration;
use tracing_subscriber::layer::SubscriberExt as _;

/// Runs the test `name` in a process of its own with an unfiltered global subscriber: a layer that sees everything, the layer
/// of one provider, and tracing-opentelemetry with another provider. `make` makes each, and `during` runs while the program makes
/// spans.
///
/// Checks that both providers export the program's spans alone, and that the subscriber has seen no other ones.
fn silent(name: &str, make: impl Fn() -> Bench, during: impl Fn(&Bench)) {
    in_own_process(name, || {
        let [ours, theirs] = [(); 2].map(|()| make());
        let observed = Observed::default();
        // The workers run before the program has a subscriber, and afterwards.
        let _may_fail = ours.spanwise.force_flush_timeout(LONG);
        let beside = tracing_opentelemetry::layer().with_tracer(theirs.spanwise.tracer("beside"));
        let subscriber = tracing_subscriber::registry()
            .with(observed.clone())
            .with(spanwise_tracing::layer(&ours.spanwise))
            .with(beside);
        observe(subscriber, &[&ours.spanwise, &theirs.spanwise]);
        make_spans();
        [&ours, &theirs].into_iter().for_each(during);
        make_spans();
        for bench in [&ours, &theirs] {
            let spans = bench.finish();
            assert_eq!(spans.len(), 2 * SPANS, "{}: {spans:?}", bench.spanwise.ledger());
            assert!(spans.iter().all(|span| span.name == "program"));
        }
        assert_eq!(observed.foreign(), [""; 0]);
    });
}

/// Makes `subscriber` that of the process, also for the records of `log`.
///
/// A worker that runs just now is silent from its next wait on, which each provider's flush ends.
fn observe(subscriber: impl tracing::Subscriber + Send + Sync, providers: &[&Spanwise]) {
    tracing::subscriber::set_global_default(subscriber).unwrap();
    for provider in providers {
        let _may_fail = provider.force_flush_timeout(LONG);
    }
    tracing_log::LogTracer::init().unwrap();
    tracing_log::log::set_max_level(tracing_log::log::LevelFilter::Trace);
}

/// Makes [`SPANS`] spans while the workers export.
fn make_spans() {
    for _ in 0..SPANS {
        tracing::trace_span!("program").in_scope(|| tracing::trace!("an event"));
        std::thread::sleep(Duration::from_millis(1));
    }
}

const SPANS: usize = 30;
