//! Spans on many threads, ids that are stale, and threads that end.

#![allow(clippy::unwrap_used, clippy::panic)]

mod received;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanId, TraceContextExt as _};
use received::ids::Ids;
use received::{Receiver, named};
use spanwise_tracing::OpenTelemetrySpanExt as _;
use std::cell::RefCell;
use std::sync::{Arc, Barrier};
use std::thread;
use tracing::{Dispatch, Span};
use tracing_subscriber::Layer as _;
use tracing_subscriber::prelude::*;

fn dispatch(receiver: &Receiver) -> Dispatch {
    let layer = spanwise_tracing::layer(&receiver.spanwise);
    Dispatch::new(tracing_subscriber::registry().with(layer))
}

#[test]
fn a_span_is_entered_on_many_threads_at_once() {
    const THREADS: usize = 8;
    for round in 0..30 {
        let receiver = Receiver::new();
        let dispatch = dispatch(&receiver);
        let span = tracing::dispatcher::with_default(&dispatch, || tracing::info_span!("shared"));
        let barrier = Arc::new(Barrier::new(THREADS));
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (span, dispatch) = (span.clone(), dispatch.clone());
                let barrier = barrier.clone();
                thread::spawn(move || {
                    let _default = tracing::dispatcher::set_default(&dispatch);
                    barrier.wait();
                    for n in 0..4 {
                        let _twice = span.enter();
                        let _entered = span.enter();
                        span.set_attribute(format!("thread{thread}.{n}"), 1);
                        tracing::info!("event");
                        tracing::info_span!("child").in_scope(|| ());
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        drop(span);
        drop(dispatch);
        let (spans, _) = receiver.finish();
        let shared = named(&spans, "shared");
        assert_eq!(spans.len(), 1 + 4 * THREADS);
        assert_eq!((shared.attributes.len(), shared.events.len()), (4 * THREADS, 4 * THREADS));
        let children = spans.iter().filter(|span| span.name == "child");
        for child in children {
            assert_eq!(
                (child.trace_id, child.parent),
                (shared.trace_id, shared.span_id),
                "{round}"
            );
        }
    }
}

#[test]
fn exits_may_come_in_any_order_and_the_close_on_another_thread() {
    for activation in [true, false] {
        let receiver = Receiver::new();
        let layer = spanwise_tracing::layer(&receiver.spanwise).with_context_activation(activation);
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
        let _default = tracing::dispatcher::set_default(&dispatch);
        let (a, b, c) =
            (tracing::info_span!("a"), tracing::info_span!("b"), tracing::info_span!("c"));
        let (in_a, in_b, in_c) = (a.enter(), b.enter(), c.enter());
        drop(in_a);
        tracing::info_span!("below c").in_scope(|| ());
        drop(in_c);
        tracing::info_span!("below b").in_scope(|| ());
        let again = b.enter();
        drop(in_b);
        drop(again);
        tracing::info_span!("of none").in_scope(|| ());
        thread::spawn(move || drop((a, b, c))).join().unwrap();
        let (spans, _) = receiver.finish();
        let id = |name| named(&spans, name).span_id;
        assert_eq!(named(&spans, "below c").parent, id("c"), "{activation}");
        assert_eq!(named(&spans, "below b").parent, id("b"), "{activation}");
        assert_eq!(named(&spans, "of none").parent, SpanId::INVALID, "{activation}");
        assert_eq!(spans.len(), 6);
    }
}

#[test]
fn a_stale_id_is_no_span() {
    let receiver = Receiver::new();
    let layer = spanwise_tracing::layer(&receiver.spanwise);
    let dispatch = Dispatch::new(layer.with_subscriber(Ids::default()));
    tracing::dispatcher::with_default(&dispatch, || {
        for _ in 0..20 {
            let stale = tracing::info_span!("closed").id().unwrap();
            let never = tracing::Id::from_u64(u64::MAX);
            // The slot of the closed span is in use again.
            let next = tracing::info_span!("next");
            for id in [stale, never] {
                let child = tracing::info_span!(parent: id.clone(), "child");
                child.follows_from(id.clone());
                tracing::info!(parent: id.clone(), "event of no span");
                let context = spanwise_tracing::get_otel_context(&id, &dispatch);
                assert!(context.is_none());
                dispatch.enter(&id);
                dispatch.exit(&id);
                dispatch.try_close(id);
            }
            next.record("later", 1);
        }
    });
    let (spans, ledger) = receiver.finish();
    assert_eq!((spans.len(), ledger.created), (80, 80));
    for span in spans {
        assert_eq!((span.parent, span.events.len(), span.links.len()), (SpanId::INVALID, 0, 0));
    }
}

/// Uses `tracing` when the thread has ended.
struct OnExit(Option<(Dispatch, Span)>);

impl Drop for OnExit {
    fn drop(&mut self) {
        let Some((dispatch, span)) = self.0.take() else { return };
        tracing::dispatcher::with_default(&dispatch, || {
            span.in_scope(|| {
                tracing::info!("event");
                tracing::info_span!("of the destructor").in_scope(|| ());
            });
            span.set_attribute("by.destructor", 1);
            let _context = span.context();
        });
        drop(span);
    }
}

#[test]
fn thread_local_destructors_may_use_spans() {
    thread_local! {
        static FIRST: RefCell<OnExit> = const { RefCell::new(OnExit(None)) };
        static LAST: RefCell<OnExit> = const { RefCell::new(OnExit(None)) };
    }
    for round in 0..20 {
        let receiver = Receiver::new();
        // The registry of tracing-subscriber panics in such destructors.
        let layer = spanwise_tracing::layer(&receiver.spanwise);
        let dispatch = Dispatch::new(layer.with_subscriber(Ids::default()));
        let in_thread = dispatch.clone();
        thread::spawn(move || {
            let span = |name| {
                let span = tracing::info_span!("on exit", name);
                OnExit(Some((in_thread.clone(), span)))
            };
            // Registered before any thread local of the layer or of the API, and after them.
            FIRST.with(|first| first.borrow_mut().0 = None);
            tracing::dispatcher::with_default(&in_thread, || {
                FIRST.with(|first| *first.borrow_mut() = span("first"));
                tracing::info_span!("usual").in_scope(|| {
                    let _context = opentelemetry::Context::current().attach();
                });
                LAST.with(|last| *last.borrow_mut() = span("last"));
                // The thread ends inside of a span, which is closed.
                let left = tracing::info_span!("never exited");
                left.with_subscriber(|(id, dispatch)| dispatch.enter(id));
            });
        })
        .join()
        .unwrap();
        drop(dispatch);
        let (spans, _) = receiver.finish();
        let count = |name| spans.iter().filter(|span| span.name == name).count();
        assert_eq!((count("usual"), count("on exit")), (1, 2), "{round} {spans:?}");
    }
}

#[test]
fn two_layers_record_each_span_twice() {
    let (first, second) = (Receiver::new(), Receiver::new());
    let subscriber = tracing_subscriber::registry()
        .with(spanwise_tracing::layer(&first.spanwise))
        .with(spanwise_tracing::layer(&second.spanwise).with_context_activation(false));
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..20 {
            let span = tracing::info_span!("outer");
            span.set_parent(received::below(received::remote(true, &[]))).unwrap();
            span.in_scope(|| {
                tracing::info_span!("inner").in_scope(|| tracing::info!("event"));
            });
        }
    });
    for receiver in [first, second] {
        let (spans, _) = receiver.finish();
        assert_eq!(spans.len(), 40);
        for inner in spans.iter().filter(|span| span.name == "inner") {
            let outer = spans.iter().find(|span| span.span_id == inner.parent);
            assert_eq!(outer.unwrap().name, "outer");
            assert_eq!(inner.events, ["event"]);
        }
    }
}

#[test]
fn a_context_outlives_its_span() {
    let receiver = Receiver::new();
    let dispatch = dispatch(&receiver);
    tracing::dispatcher::with_default(&dispatch, || {
        for _ in 0..20 {
            let span = tracing::info_span!("closed");
            let context = span.context();
            let id = context.span().span_context().span_id();
            context.span().set_attribute(KeyValue::new("before", 1));
            drop(span);
            // The slot is in use again.
            let next = tracing::info_span!("next");
            context.span().set_attribute(KeyValue::new("after", 1));
            context.span().update_name("renamed");
            context.span().end();
            assert!(!context.span().is_recording());
            assert_eq!(context.span().span_context().span_id(), id);
            let guard = context.attach();
            tracing::info_span!("below").in_scope(|| ());
            drop(guard);
            drop(next);
        }
    });
    let (spans, _) = receiver.finish();
    let count = |name| spans.iter().filter(|span| span.name == name).count();
    assert_eq!((count("closed"), count("next"), count("below")), (20, 20, 20));
    for span in &spans {
        let attributes: Vec<_> = span.attributes.keys().collect();
        match span.name.as_str() {
            "closed" => assert_eq!(attributes, ["before"]),
            _ => assert!(attributes.is_empty()),
        }
    }
    let below = spans.iter().filter(|span| span.name == "below");
    assert!(below.into_iter().all(|span| {
        spans.iter().any(|other| other.span_id == span.parent && other.name == "closed")
    }));
}
