//! Spans that are never closed: memory has a bound, and the ledger counts what is beyond.

#![allow(clippy::unwrap_used, clippy::panic)]

mod received;

use received::Receiver;
use received::ids::Ids;
use spanwise_sdk::{DropReason, Outcome, Spanwise};
use spanwise_testkit::{CountingAllocator, allocator};
use tracing_subscriber::Layer as _;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The spans of a callsite that wait for their start: they count when they start.
const OBSERVED: u64 = 16;

#[test]
fn a_million_spans_that_are_never_closed_are_counted_and_not_stored() {
    let cases =
        [(1_000_000, None, 64 << 20), (50_000, Some(1000), 64 << 20), (50_000, None, 1 << 20)];
    for (spans, max_open, budget) in cases {
        let receiver = Receiver::with(|it| it.with_budget_bytes(budget));
        let mut layer = spanwise_tracing::layer(&receiver.spanwise);
        if let Some(max_open) = max_open {
            layer = layer.with_max_open_spans(max_open);
        }
        let before = allocator::heap().current;
        let dispatch =
            tracing::Dispatch::new(layer.with_subscriber(Ids { leaks: true, ..Ids::default() }));
        tracing::dispatcher::with_default(&dispatch, || {
            for n in 0..spans {
                drop(tracing::info_span!("leaked", n));
            }
        });
        let grown = allocator::heap().current - before;
        let ledger = receiver.spanwise.ledger();
        let dropped = ledger.dropped(DropReason::TooManyOpenSpans);
        let open = spans - dropped - OBSERVED;
        println!("{max_open:?} {budget}: {open} open, {} MiB", grown >> 20);
        assert_eq!((ledger.created, ledger.in_flight), (spans - OBSERVED, open));
        match max_open {
            Some(max_open) => assert_eq!(open + OBSERVED, max_open as u64),
            None if budget == 1 << 20 => assert!((100..10_000).contains(&open), "{open}"),
            None => assert_eq!(open + OBSERVED, 65_536),
        }
        assert!(grown < 2048 * open + (1 << 20), "{grown} bytes for {open} spans");
        // The layer ends its open spans.
        drop(dispatch);
        let (exported, ledger) = receiver.finish();
        assert_eq!(ledger.created, spans);
        assert_eq!(exported.len() as u64 + ledger.dropped_total(), spans);
    }
}

#[test]
fn a_layer_may_outlive_its_provider() {
    let sink = |_| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
    let spanwise = Spanwise::builder().with_environment(|_| None).with_sink(sink).build().unwrap();
    let layer = spanwise_tracing::layer(&spanwise);
    let dispatch =
        tracing::Dispatch::new(layer.with_subscriber(Ids { leaks: true, ..Ids::default() }));
    tracing::dispatcher::with_default(&dispatch, || {
        for _ in 0..20 {
            drop(tracing::info_span!("open"));
        }
        spanwise.shutdown().unwrap();
        for _ in 0..40 {
            tracing::info_span!("late").in_scope(|| tracing::info!("event"));
        }
    });
    drop(dispatch);
    spanwise.ledger().check().unwrap();
}
