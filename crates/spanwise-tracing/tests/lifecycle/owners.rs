//! The provider ends before the layer, and the layer before its spans.

use crate::harness::{LONG, assert_balanced, assert_child, bench, builder, named, subscriber};
use crate::harness::{until, when_idle, within};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, KeyValue};
use spanwise_receiver::Receiver;
use spanwise_sdk::{DropReason, ReadableSpan, SpanProcessor};
use tracing::field::Empty;
use tracing::info_span;
use tracing_subscriber::layer::SubscriberExt as _;

#[derive(Debug)]
struct Nothing;

impl SpanProcessor for Nothing {}

#[test]
fn spans_that_are_open_at_the_shutdown_are_lost_and_counted() {
    for unstarted in [false, true] {
        let bench = bench(|builder| match unstarted {
            true => builder.with_span_processor(Nothing),
            false => builder,
        });
        bench.within(|| {
            info_span!("ended").in_scope(|| {});
            let idle = info_span!("idle");
            let open = info_span!("open", late = Empty).entered();
            let context = Context::current();
            bench.spanwise.shutdown_timeout(LONG).unwrap();

            open.record("late", 1);
            tracing::error!("late");
            context.span().set_attribute(KeyValue::new("late", 1));
            info_span!("below").in_scope(|| {
                // A span that starts now is none, and its children find the next parent.
                assert_eq!(Context::current().span().span_context(), context.span().span_context());
            });
            drop(open);
            idle.in_scope(|| {});
            drop(idle);
            info_span!("root").in_scope(|| assert!(!Context::current().has_active_span()));
        });
        let ledger = when_idle(&bench.spanwise);
        assert_balanced(&ledger);
        assert_eq!(ledger.exported, 1, "{ledger}");
        // A span that waited for its first enter until the shutdown is never made.
        let open = ledger.dropped(DropReason::AfterShutdown);
        assert!(open == 1 || open == 2 && !unstarted, "{ledger}");
        assert_eq!(ledger.created, 1 + open, "{ledger}");
        assert_eq!(bench.received().len(), 1);
    }
}

/// A processor that logs.
#[derive(Debug)]
struct Logs;

impl SpanProcessor for Logs {
    fn on_end(&self, _: &ReadableSpan<'_>) {
        tracing::info!("ended");
    }
}

/// A reload drops the layer under the lock that an event takes, and that the registration of a new callsite takes while the program has
/// more than one subscriber.
#[test]
fn a_reload_may_drop_the_layer_with_open_spans_that_processors_see() {
    let _others = [(); 2].map(|()| tracing::Dispatch::new(tracing_subscriber::registry()));
    let bench = bench(|builder| builder.with_span_processor(Logs));
    let layer = Some(spanwise_tracing::layer(&bench.spanwise));
    let (layer, handle) = tracing_subscriber::reload::Layer::new(layer);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let _idle = info_span!("idle");
        let _open = info_span!("open").entered();
        handle.modify(|layer| *layer = None).unwrap();
    });
    until("both spans have ended", || bench.spanwise.ledger().exported == 2);
    assert_eq!(bench.finish().len(), 2);
}

#[test]
fn the_layer_owns_the_provider_and_its_drop_is_a_shutdown() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let spanwise = builder().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let subscriber = subscriber(&spanwise);
    drop(spanwise);
    let open = tracing::subscriber::with_default(subscriber, || {
        (0..10).for_each(|_| info_span!("span").in_scope(|| {}));
        info_span!("open")
    });
    // The open span has the last reference to the subscriber.
    assert_eq!(collected.spans(), 0);
    open.in_scope(|| {});
    drop(open);
    assert!(collected.wait_for_spans(11, LONG));
}

#[test]
fn spans_outlive_the_scope_of_their_subscriber() {
    let bench = bench(|builder| builder);
    let (open, entered) = bench.within(|| (info_span!("open"), info_span!("entered").entered()));
    // No subscriber is set, and the span is still the current one.
    assert!(Context::current().has_active_span());
    info_span!("of no subscriber").in_scope(|| {});
    bench.within(|| info_span!("of another subscriber").in_scope(|| {}));
    drop(entered);
    assert!(!Context::current().has_active_span());
    let sent = std::thread::spawn(move || open.in_scope(|| {}));
    sent.join().unwrap();
    let spans = bench.finish();
    assert_eq!(spans.len(), 3);
    assert_child(named(&spans, "of another subscriber"), named(&spans, "entered"));
}

#[test]
fn two_layers_of_one_provider_have_spans_of_their_own() {
    let bench = bench(|builder| builder);
    let (first, second) = (subscriber(&bench.spanwise), subscriber(&bench.spanwise));
    tracing::subscriber::with_default(first, || {
        info_span!("a").in_scope(|| {
            tracing::subscriber::with_default(second, || {
                info_span!("b").in_scope(|| {});
                // The ids of both registries are the same, and the spans are not.
                let _c = info_span!("c").entered();
            });
            info_span!("d").in_scope(|| {});
        });
    });
    let spans = bench.finish();
    for child in ["b", "c", "d"] {
        assert_child(named(&spans, child), named(&spans, "a"));
    }
    assert_eq!(spans.len(), 4);
}

/// Each provider has a layer with open spans, and all memory is freed with the last span.
#[test]
fn a_provider_is_freed_with_its_last_span() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let mut open = Vec::new();
    for _ in 0..5 {
        let spanwise = builder().with_endpoint(receiver.http_endpoint()).build().unwrap();
        let span = within(&spanwise, || info_span!("open"));
        open.push(span.in_scope(Context::current));
        drop(spanwise);
        drop(span);
    }
    // A context retains its span's memory and no provider.
    until("each provider has ended", || collected.spans() == 5);
    assert!(open.iter().all(|context| !context.span().is_recording()));
    open.iter().for_each(|context| context.span().set_attribute(KeyValue::new("late", 1)));
}
