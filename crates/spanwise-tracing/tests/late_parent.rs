//! Parents that come after their span: `set_parent` in each state of a span, and parents of other origins.

#![allow(clippy::unwrap_used, clippy::panic)]

mod received;

use opentelemetry::Context;
use opentelemetry::trace::{SpanId, TraceContextExt as _};
use received::{PARENT, Received, Receiver, TRACE, below, named, remote};
use spanwise_metrics::MetricData;
use spanwise_sdk::Snapshot as LedgerSnapshot;
use spanwise_sdk::sampling::Sampler;
use spanwise_sdk::{SpanMetrics, SpanwiseBuilder};
use spanwise_tracing::{OpenTelemetrySpanExt as _, SetParentError, SpanwiseLayer};
use tracing::Span;
use tracing_subscriber::prelude::*;

/// Runs `body` with a subscriber of this layer.
fn with_layer(layer: SpanwiseLayer, body: impl FnOnce()) {
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), body);
}

/// Runs `body` after the layer has observed the callsite of [`late`], so that its spans start at once.
fn started_at_once(
    build: impl FnOnce(SpanwiseBuilder) -> SpanwiseBuilder,
    change: impl FnOnce(SpanwiseLayer) -> SpanwiseLayer,
    body: impl FnOnce(Span),
) -> (Vec<Received>, LedgerSnapshot) {
    let receiver = Receiver::with(build);
    with_layer(change(spanwise_tracing::layer(&receiver.spanwise)), || {
        (0..OBSERVED).for_each(|_| {
            late().record("later", "observed");
        });
        body(late());
    });
    let (mut spans, ledger) = receiver.finish();
    let observed = "StringValue(\"observed\")";
    spans.retain(|span| span.attributes.get("later").is_none_or(|later| later != observed));
    (spans, ledger)
}

fn late() -> Span {
    tracing::info_span!("late", field = 1, other = "text", later = tracing::field::Empty)
}

fn is_below_remote(span: &Received) {
    assert_eq!((span.trace_id, span.parent), (TRACE, PARENT));
    assert_eq!(span.flags & 0x300, 0x300, "the parent is remote");
}

#[test]
fn a_span_that_waits_starts_below_its_late_parent() {
    let receiver = Receiver::new();
    with_layer(spanwise_tracing::layer(&receiver.spanwise), || {
        let span = late();
        span.set_parent(below(remote(true, &[("vendor", "x")]))).unwrap();
        span.record("later", 2);
        span.in_scope(|| ());
        assert_eq!(span.set_parent(Context::new()), Err(SetParentError::AlreadyStarted));
    });
    let (span, ledger) = receiver.finish_one();
    is_below_remote(&span);
    assert_eq!((span.trace_state.as_str(), span.attributes.len()), ("vendor=x", 3));
    assert_eq!((ledger.created, ledger.sampled_out), (1, 0));
}

#[test]
fn all_spans_of_a_callsite_with_late_parents_wait() {
    let receiver = Receiver::with(|it| it.with_sampler(never_at_roots()));
    with_layer(spanwise_tracing::layer(&receiver.spanwise), || {
        for _ in 0..100 {
            let span = late();
            span.set_parent(below(remote(true, &[]))).unwrap();
            span.in_scope(|| ());
        }
    });
    let (spans, ledger) = receiver.finish();
    assert_eq!((spans.len(), ledger.created, ledger.sampled_out), (100, 100, 0));
    spans.iter().for_each(is_below_remote);
    assert!(spans.iter().all(|span| span.attributes.len() == 2 && span.dropped_attributes == 0));
}

#[test]
fn a_started_span_moves_below_its_late_parent_with_all_that_it_has() {
    for activation in [true, false] {
        let (spans, ledger) = started_at_once(
            |it| it,
            |layer| layer.with_context_activation(activation),
            |span| {
                span.record("later", 2);
                tracing::info!(parent: &span, "event");
                span.add_link(remote(true, &[]));
                span.set_parent(below(remote(true, &[("a", "1"), ("b", "2")]))).unwrap();
                span.set_parent(below(remote(true, &[("vendor", "x")]))).unwrap();
                span.record("other", "new");
                let entered = span.enter();
                assert_eq!(span.set_parent(Context::new()).is_err(), activation);
                drop(entered);
                let trace_state = if activation { "vendor=x" } else { "" };
                assert_eq!(
                    span.context().span().span_context().trace_state().header(),
                    trace_state
                );
                assert_eq!(span.set_parent(Context::new()), Err(SetParentError::AlreadyStarted));
            },
        );
        if !activation {
            // The entered span has become a root again.
            assert_eq!(spans[0].parent, SpanId::INVALID);
            continue;
        }
        let span = &spans[0];
        is_below_remote(span);
        assert_eq!((span.trace_state.as_str(), span.events.len()), ("vendor=x", 1));
        assert_eq!(span.links, [PARENT]);
        assert_eq!(span.attributes["other"], "StringValue(\"new\")");
        assert_eq!((span.attributes.len(), span.dropped_attributes), (3, 0));
        assert_eq!((ledger.created, ledger.exported), (17, 17));
    }
}

#[test]
fn a_recorded_span_is_sampled_out_by_its_late_parent() {
    let (spans, ledger) = started_at_once(
        |it| it,
        |it| it,
        |span| {
            span.set_parent(below(remote(false, &[]))).unwrap();
            assert!(!span.context().span().is_recording());
            assert!(!span.context().span().span_context().is_sampled());
            span.in_scope(|| tracing::info_span!("child").in_scope(|| ()));
        },
    );
    assert_eq!(spans.len(), 0, "{spans:?}");
    assert_eq!((ledger.created, ledger.sampled_out, ledger.exported), (18, 2, 16));
}

#[test]
fn a_span_that_was_sampled_out_is_recorded_below_its_late_parent() {
    let (spans, ledger) = started_at_once(
        |it| it.with_sampler(never_at_roots()),
        |it| it.with_level(true),
        |span| {
            span.set_parent(below(remote(true, &[]))).unwrap();
            span.record("later", 2);
            span.in_scope(|| tracing::info_span!("child").in_scope(|| ()));
        },
    );
    let span = named(&spans, "late");
    is_below_remote(span);
    assert_eq!(named(&spans, "child").parent, span.span_id);
    // Of three fields; the one that is recorded later is among them.
    assert_eq!((span.attributes.len(), span.dropped_attributes), (2, 3));
    // The first decision is not taken back.
    assert_eq!((ledger.created, ledger.sampled_out, ledger.exported), (19, 17, 2));
}

#[test]
fn a_span_that_is_sampled_out_twice_counts_once() {
    let (spans, ledger) = started_at_once(
        |it| it.with_sampler(never_at_roots()),
        |it| it,
        |span| {
            span.set_parent(below(remote(false, &[("vendor", "x")]))).unwrap();
            let context = span.context().span().span_context().clone();
            assert_eq!((context.trace_id(), context.is_sampled()), (TRACE, false));
            assert_eq!(context.trace_state().header(), "vendor=x");
        },
    );
    assert_eq!((spans.len(), ledger.created, ledger.sampled_out), (0, 17, 17));
}

/// The threshold of the sampler goes with the first decision.
#[test]
fn the_threshold_of_a_root_is_replaced() {
    let (spans, _) = started_at_once(
        |it| it.with_sampling_ratio(0.999_999_9),
        |it| it,
        |span| {
            span.set_parent(below(remote(true, &[("vendor", "x")]))).unwrap();
        },
    );
    is_below_remote(&spans[0]);
    assert_eq!(spans[0].trace_state, "vendor=x");
}

#[test]
fn metrics_count_a_span_once() {
    for (root, parent) in [(true, true), (true, false), (false, true), (false, false)] {
        // With the status as a dimension, spans are recorded for metrics alone; without, they are counted by their name.
        for records in [true, false] {
            let metrics = SpanMetrics::builder().with_status_code(records).build().unwrap();
            let sampler = if root { Sampler::always_on() } else { Sampler::always_off() };
            let sampler = sampler.parent_based();
            let receiver = Receiver::with(|it| it.with_sampler(sampler).with_span_metrics(metrics));
            with_layer(spanwise_tracing::layer(&receiver.spanwise), || {
                (0..OBSERVED).for_each(|_| drop(late()));
                let span = late();
                span.set_parent(below(remote(parent, &[]))).unwrap();
                span.in_scope(|| ());
            });
            let snapshot = receiver.spanwise.metrics();
            let calls = snapshot.get("traces.span.metrics.calls").unwrap();
            let MetricData::Counter(points) = &calls.data else { panic!("{calls:?}") };
            let calls: Vec<_> = points.iter().map(|point| point.value.as_f64()).collect();
            assert_eq!(calls, [17.0], "{root} {parent} {records}");
            let (spans, ledger) = receiver.finish();
            let exported = if root { 16 + usize::from(parent) } else { usize::from(parent) };
            assert_eq!(spans.len(), exported, "{root} {parent} {records}");
            // Only the second decision samples it: the first one stays counted.
            assert_eq!(ledger.created, if !root && parent { 18 } else { 17 });
            if let Some(span) = spans.iter().find(|span| span.trace_id == TRACE) {
                is_below_remote(span);
                // Metrics had recorded the fields already.
                assert_eq!(span.attributes.len(), if root || records { 2 } else { 0 });
            }
        }
    }
}

#[test]
fn a_parent_can_come_from_the_current_context_or_the_macro() {
    let receiver = Receiver::new();
    with_layer(spanwise_tracing::layer(&receiver.spanwise), || {
        for _ in 0..OBSERVED + 2 {
            let guard = below(remote(true, &[("vendor", "x")])).attach();
            let attached = tracing::info_span!("attached");
            tracing::info_span!(parent: None, "root").in_scope(|| ());
            drop(guard);
            tracing::info_span!(parent: &attached, "explicit").in_scope(|| ());
            let linked = tracing::info_span!("linked");
            linked.follows_from(&attached);
            linked.add_link(remote(true, &[]));
        }
    });
    let (spans, ledger) = receiver.finish();
    assert_eq!(ledger.created as usize, 4 * (OBSERVED + 2));
    for spans in ["attached", "root", "explicit", "linked"]
        .map(|name| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>())
    {
        assert_eq!(spans.len(), OBSERVED + 2);
        for span in spans {
            match span.name.as_str() {
                "attached" => {
                    is_below_remote(span);
                    assert_eq!(span.trace_state, "vendor=x");
                }
                "root" => {
                    assert_eq!((span.parent, span.trace_state.as_str()), (SpanId::INVALID, ""))
                }
                "explicit" => {
                    assert_eq!((span.trace_id, span.trace_state.as_str()), (TRACE, "vendor=x"));
                    assert_ne!(span.parent, PARENT);
                }
                _ => assert_eq!((span.links.len(), span.links[1]), (2, PARENT)),
            }
        }
    }
}

#[test]
fn a_used_span_has_its_parent_for_good() {
    let (spans, _) = started_at_once(
        |it| it,
        |it| it,
        |span| {
            let with_child = late();
            drop(tracing::info_span!(parent: &with_child, "child"));
            let asked = late();
            let _ = asked.context();
            let linked = late();
            span.follows_from(&linked);
            for used in [with_child, asked, linked] {
                let set = used.set_parent(below(remote(true, &[])));
                assert_eq!(set, Err(SetParentError::AlreadyStarted));
            }
            assert_eq!(Span::none().set_parent(Context::new()), Err(SetParentError::SpanDisabled));
        },
    );
    assert!(spans.iter().all(|span| span.trace_id != TRACE));
    let span = tracing::Span::none();
    assert_eq!(span.set_parent(Context::new()), Err(SetParentError::SpanDisabled));
    tracing::subscriber::with_default(tracing_subscriber::registry(), || {
        assert_eq!(late().set_parent(Context::new()), Err(SetParentError::LayerNotFound));
    });
}

#[test]
fn a_late_parent_without_a_span_makes_a_root() {
    let (spans, ledger) = started_at_once(
        |it| it,
        |it| it,
        |_| {
            let guard = below(remote(true, &[("vendor", "x")])).attach();
            let span = late();
            drop(guard);
            span.set_parent(Context::new()).unwrap();
        },
    );
    let span = spans.iter().find(|span| span.trace_id != TRACE && span.parent == SpanId::INVALID);
    assert_eq!(span.unwrap().trace_state, "");
    assert_eq!((spans.len(), ledger.created), (2, 18));
    assert!(spans.iter().all(|span| span.trace_id != TRACE));
}

/// A sampler that follows parents, and samples no root.
fn never_at_roots() -> Sampler {
    Sampler::always_off().parent_based()
}

/// The spans of a callsite that wait.
const OBSERVED: usize = 16;
