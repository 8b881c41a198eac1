//! Tail sampling and a spool: they see whole spans, and each span has one outcome.

use crate::context::current;
use crate::harness::{LONG, bench, builder, named, within};
use spanwise_receiver::Receiver;
use spanwise_sdk::sampling::Sampler;
use spanwise_sdk::{LocalTrace, SpoolSettings};
use std::time::Duration;
use tracing::info_span;

/// A request with an error in every tenth.
fn request(number: usize) {
    info_span!("request", otel.kind = "server", number).in_scope(|| {
        info_span!("query").in_scope(|| {
            if number.is_multiple_of(10) {
                tracing::error!("deadlock");
            }
        });
    });
}

#[test]
fn traces_with_errors_are_exported_whole_and_all_spans_have_an_outcome() {
    for sampler in [Sampler::always_on(), Sampler::always_off()] {
        let bench = bench(|builder| {
            builder
                .with_budget_bytes(64 << 20)
                .with_sampler(sampler.clone())
                .with_tail_sampling(|trace: &LocalTrace<'_>| trace.has_error())
        });
        bench.within(|| {
            (0..100).for_each(request);
            info_span!("of another thread").in_scope(|| {
                assert!(current().is_valid());
                let span = tracing::Span::current();
                let dispatch = tracing::dispatcher::get_default(Clone::clone);
                let work = || {
                    tracing::dispatcher::with_default(&dispatch, || {
                        span.in_scope(|| info_span!("error").in_scope(|| tracing::error!("bad")));
                    });
                };
                std::thread::scope(|scope| _ = scope.spawn(work));
            });
        });
        let spans = bench.finish();
        let ledger = bench.spanwise.ledger();
        assert_eq!(ledger.created, 202, "{sampler:?}: {ledger}");
        assert_eq!(spans.len(), 22, "{sampler:?}: {ledger}");
        crate::harness::assert_child(named(&spans, "error"), named(&spans, "of another thread"));
    }
}

#[test]
fn spans_survive_an_outage_in_the_spool() {
    let directory =
        std::env::temp_dir().join(format!("spanwise-tracing-spool-{}", std::process::id()));
    let build = |endpoint: &str| {
        builder()
            .with_endpoint(endpoint)
            .with_export_timeout(Duration::from_millis(50))
            .with_scheduled_delay(Duration::from_millis(5))
            .with_spool(SpoolSettings::new(&directory))
            .build()
            .unwrap()
    };
    let first = build("http://127.0.0.1:1");
    within(&first, || (0..50).for_each(request));
    let ledger = first.shutdown_timeout(LONG).unwrap().ledger;
    ledger.check().unwrap();
    assert_eq!((ledger.created, ledger.spooled), (100, 100), "{ledger}");

    let (receiver, collected) = Receiver::collecting().unwrap();
    let second = build(&receiver.http_endpoint());
    within(&second, || (0..50).for_each(request));
    assert!(collected.wait_for_spans(200, LONG));
    let ledger = second.shutdown_timeout(LONG).unwrap().ledger;
    ledger.check().unwrap();
    assert_eq!((ledger.created, ledger.spooled, ledger.exported), (100, 0, 200), "{ledger}");
    assert_eq!(collected.spans(), 200);
    let _best_effort = std::fs::remove_dir_all(directory);
}
