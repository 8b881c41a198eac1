//! The start of a span runs code of the program: samplers and processors. It may use the same span, log, start spans and block.

#![allow(clippy::unwrap_used, clippy::panic)]

mod received;

use opentelemetry::trace::TraceContextExt as _;
use received::{Receiver, named};
use spanwise_sdk::sampling::{ComposableSampler, SamplingIntent, SamplingParameters};
use spanwise_sdk::{Span as Recorded, SpanProcessor};
use spanwise_tracing::OpenTelemetrySpanExt as _;
use std::sync::mpsc::{Receiver as Channel, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use tracing_subscriber::prelude::*;

/// A sampler that runs code of the program.
struct Calls<F>(F);

impl<F> std::fmt::Debug for Calls<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Calls")
    }
}

impl<F: Fn(&str) + Send + Sync> ComposableSampler for Calls<F> {
    fn sampling_intent<'s>(&'s self, parameters: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        (self.0)(parameters.name);
        SamplingIntent::keep_without_threshold()
    }

    fn description(&self) -> String {
        "Calls".to_owned()
    }
}

struct OnStart<F>(F);

impl<F: Fn(&mut Recorded) + Send + Sync + 'static> SpanProcessor for OnStart<F> {
    fn on_start(&self, span: &mut Recorded, _: &opentelemetry::Context) {
        (self.0)(span);
    }
}

/// Runs `body` with a subscriber that records.
fn with_layer(receiver: &Receiver, body: impl FnOnce()) {
    let layer = spanwise_tracing::layer(&receiver.spanwise);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), body);
}

#[test]
fn a_processor_uses_the_span_that_starts() {
    let processor = OnStart(|_: &mut Recorded| {
        let span = tracing::Span::current();
        span.set_attribute("by.processor", 1);
        span.record("later", "recorded");
        span.record("otel.name", "renamed");
        span.add_event("event", Vec::new());
        span.set_status(opentelemetry::trace::Status::error("bad"));
        tracing::info!("logged");
        // The context does not exist yet, and the thread does not wait for itself.
        assert!(!span.context().has_active_span());
        tracing::info_span!(parent: &span, "inside")
            .in_scope(|| tracing::info!("in the inner span"));
        assert!(span.set_parent(opentelemetry::Context::new()).is_err());
    });
    let receiver = Receiver::with(|it| it.with_span_processor(processor));
    with_layer(&receiver, || {
        let span = tracing::info_span!(
            "outer",
            later = tracing::field::Empty,
            otel.name = tracing::field::Empty
        );
        span.in_scope(|| ());
    });
    let (spans, ledger) = receiver.finish();
    let span = named(&spans, "renamed");
    assert_eq!(span.attributes["by.processor"], "IntValue(1)");
    assert_eq!(span.attributes["later"], "StringValue(\"recorded\")");
    assert_eq!((span.status, span.message.as_str()), (2, "bad"));
    // The event of the log belongs to the span too: the thread is inside of it for `tracing`, and has not entered it for the layer.
    assert!(span.events.contains(&"event".to_owned()), "{span:?}");
    assert_eq!((spans.len(), ledger.created), (2, 2));
}

#[test]
fn a_sampler_that_logs_and_starts_spans_does_not_overflow_the_stack() {
    let sampler = Calls(|_: &str| {
        tracing::info!("sampled");
        tracing::info_span!("of the sampler").in_scope(|| tracing::info!("inside"));
    });
    let receiver = Receiver::with(|it| it.with_sampler(sampler));
    with_layer(&receiver, || {
        for _ in 0..3 {
            tracing::info_span!("outer").in_scope(|| tracing::info_span!("inner").in_scope(|| ()));
        }
    });
    let (spans, ledger) = receiver.finish();
    let named = |name| spans.iter().filter(|span| span.name == name).count();
    assert_eq!((named("outer"), named("inner")), (3, 3));
    // The spans of the innermost starts are counted as dropped.
    let dropped = ledger.dropped_total();
    assert!(dropped > 0);
    assert_eq!(ledger.created, spans.len() as u64 + dropped);
    assert!(spans.len() < 100, "{}", spans.len());
}

/// A sampler that waits for the test, in the span `slow`.
fn gated() -> (impl Fn(&str) + Send + Sync, Channel<()>, Sender<()>) {
    let (begin, has_begun) = channel();
    let (open, gate) = channel();
    let (begin, gate) = (Mutex::new(begin), Mutex::new(gate));
    let call = move |name: &str| {
        if name == "slow" {
            begin.lock().unwrap().send(()).unwrap();
            let _closed = gate.lock().unwrap().recv();
        }
    };
    (call, has_begun, open)
}

#[test]
fn no_change_is_lost_while_another_thread_starts_the_span() {
    let (call, has_begun, open) = gated();
    let receiver = Receiver::with(|it| it.with_sampler(Calls(call)));
    let layer = spanwise_tracing::layer(&receiver.spanwise);
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    let span = tracing::dispatcher::with_default(&dispatch, || {
        tracing::info_span!("slow", later = tracing::field::Empty, first = 1)
    });
    let (starter, in_starter) = (span.clone(), dispatch.clone());
    let starter = thread::spawn(move || {
        tracing::dispatcher::with_default(&in_starter, || starter.in_scope(|| ()));
    });
    has_begun.recv().unwrap();
    tracing::dispatcher::with_default(&dispatch, || {
        span.record("later", 2);
        span.set_attribute("by.other", 3);
        tracing::info!(parent: &span, "event");
        span.follows_from(&span);
        span.add_link(received::remote(true, &[]));
        // This thread waits no longer than a bound, because the sampler may wait for it.
        let child = tracing::info_span!(parent: &span, "child");
        assert!(!span.context().has_active_span());
        drop(child);
        for n in 0..2_000 {
            span.set_attribute("n", n);
        }
    });
    // A thread that waits gets the context of the span that starts meanwhile.
    let (waiter, in_waiter) = (span.clone(), dispatch.clone());
    let waiter = thread::spawn(move || {
        let context = tracing::dispatcher::with_default(&in_waiter, || waiter.context());
        context.span().span_context().clone()
    });
    open.send(()).unwrap();
    starter.join().unwrap();
    let waited = waiter.join().unwrap();
    drop(span);
    drop(dispatch);
    let (spans, ledger) = receiver.finish();
    let slow = named(&spans, "slow");
    assert_eq!(slow.attributes["later"], "IntValue(2)");
    assert_eq!(slow.attributes["by.other"], "IntValue(3)");
    assert_eq!(slow.attributes["first"], "IntValue(1)");
    assert_eq!(slow.events, ["event"]);
    assert_eq!(slow.links, [received::PARENT]);
    // Beyond a bound, the changes of the meantime are counted.
    assert!(slow.dropped_attributes > 1_000, "{slow:?}");
    assert_eq!((spans.len(), ledger.created), (2, 2));
    assert!(!waited.is_valid() || waited.span_id() == slow.span_id);
}

#[test]
fn a_span_that_waits_for_its_start_holds_no_more_than_a_bound() {
    let sampled = Arc::new(Mutex::new(Vec::new()));
    let seen = sampled.clone();
    let sampler = Calls(move |name: &str| seen.lock().unwrap().push(name.to_owned()));
    let receiver = Receiver::with(|it| it.with_sampler(sampler));
    with_layer(&receiver, || {
        let span = tracing::info_span!("large");
        for n in 0..10_000 {
            tracing::info!(parent: &span, n, "event");
        }
        assert_eq!(*sampled.lock().unwrap(), ["large"], "it started when it was full");
        let span = tracing::info_span!("long");
        span.set_attribute("text", "x".repeat(300 << 10));
        assert_eq!(sampled.lock().unwrap().len(), 2);
    });
    let (spans, _) = receiver.finish();
    assert_eq!(named(&spans, "large").events.len(), 128, "the limit of events");
}

#[test]
fn a_context_that_waits_for_another_start_does_not_deadlock() {
    // Each sampler asks for the context of the other span while it starts its own.
    let spans: Arc<Mutex<Vec<tracing::Span>>> = Arc::default();
    let others = spans.clone();
    let barrier = Arc::new(std::sync::Barrier::new(2));
    let both = barrier.clone();
    let sampler = Calls(move |name: &str| {
        let other = match name {
            "a" => 1,
            "b" => 0,
            _ => return,
        };
        both.wait();
        let other = others.lock().unwrap()[other].clone();
        let _context = other.context();
    });
    let receiver = Receiver::with(|it| it.with_sampler(sampler));
    let layer = spanwise_tracing::layer(&receiver.spanwise);
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&dispatch, || {
        spans.lock().unwrap().extend([tracing::info_span!("a"), tracing::info_span!("b")]);
    });
    thread::scope(|scope| {
        for index in 0..2 {
            let (dispatch, span) = (dispatch.clone(), spans.lock().unwrap()[index].clone());
            scope.spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || span.in_scope(|| ()));
            });
        }
    });
    spans.lock().unwrap().clear();
    drop(dispatch);
    let (spans, _) = receiver.finish();
    assert_eq!(spans.len(), 2);
}
