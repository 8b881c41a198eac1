//! Two threads overload a queue that sheds by trace. The oracle is the receiver: it counts the spans of each
//! trace by its id.

use crate::support;

use opentelemetry::trace::{Span as _, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use spanwise_pool::PooledSpan;
use spanwise_receiver::{Answer, Collected, Receiver};
use spanwise_sdk::{DropReason, OnFull, Span, SpanKind, Spanwise, Tracer};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use support::{LONG, assert_idle, builder};

/// The traces that the threads make.
#[derive(Clone, Copy)]
struct Shape {
    spans: usize,
    is_deep: bool,
    span_bytes: usize,
    budget_bytes: usize,
}

const SHORT: Shape = Shape { spans: 5, is_deep: false, span_bytes: 50, budget_bytes: 1 << 20 };

/// A provider whose receiver answers 20 ms after each request.
fn slow(shape: Shape) -> (Spanwise, Receiver, Collected) {
    let collected = Collected::new(256 << 20);
    let store = collected.handler();
    let receiver = Receiver::builder()
        .with_handler(move |export| match store(export) {
            Answer::Accept => Answer::Accept.after(Duration::from_millis(20)),
            other => other,
        })
        .start()
        .unwrap();
    let spanwise = builder()
        .with_endpoint(receiver.http_endpoint())
        .with_budget_bytes(shape.budget_bytes)
        .with_on_full(OnFull::ShedByTrace)
        .build()
        .unwrap();
    (spanwise, receiver, collected)
}

/// Overloads the queue, and checks the traces that arrived.
fn check(shape: Shape, make_trace: impl Fn(&Tracer, Shape) + Sync) {
    let (spanwise, _receiver, collected) = slow(shape);
    let roots = AtomicU64::new(0);
    let patience = Instant::now() + LONG;
    let is_overloaded = || {
        let ledger = spanwise.ledger();
        ledger.dropped(DropReason::Shed) >= 1000 && ledger.exported >= 20 * shape.spans as u64
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let tracer = spanwise.tracer("whole traces");
                while !is_overloaded() {
                    (0..20).for_each(|_| make_trace(&tracer, shape));
                    roots.fetch_add(20, Relaxed);
                    assert!(Instant::now() < patience, "no overload: {:?}", spanwise.ledger());
                }
            });
        }
    });
    let mut roots = roots.into_inner();
    // The end of the overload: nothing is shed any more.
    let tracer = spanwise.tracer("whole traces");
    // Roots without children.
    let mut probes = 0;
    loop {
        spanwise.force_flush_timeout(LONG).unwrap();
        let root = tracer.root("root", SpanKind::Server);
        let is_calm = root.is_recording() && root.context().trace_state().get("ot").is_none();
        probes += usize::from(root.is_recording());
        drop(root);
        if is_calm {
            break;
        }
        assert!(Instant::now() < patience, "traces are still shed");
    }
    spanwise.force_flush_timeout(LONG).unwrap();
    let before = by_trace(&collected);
    let calm = 10;
    for _ in 0..calm {
        make_trace(&tracer, shape);
        roots += 1;
        spanwise.force_flush_timeout(LONG).unwrap();
    }
    let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
    assert_idle(&ledger);
    assert_eq!(ledger.exported, collected.spans());
    let traces = by_trace(&collected);
    assert_eq!(traces.len(), before.len() + calm, "each trace after the last rise is accepted");
    for (trace, spans) in &traces {
        assert!(before.contains_key(trace) || *spans == shape.spans, "and it is complete");
    }
    let incomplete = traces.values().filter(|&&spans| spans != shape.spans).count();
    let incomplete = incomplete.saturating_sub(probes) as u64;
    let lost = ledger.dropped(DropReason::QueueBytes);
    assert_eq!(ledger.dropped_total(), ledger.dropped(DropReason::Shed) + lost);
    assert!(incomplete <= lost, "{incomplete} traces lack spans, {lost} spans were lost");
    assert!(incomplete * 100 <= roots, "{incomplete} of {roots}");
}

/// Numbers of spans by trace id.
fn by_trace(collected: &Collected) -> HashMap<[u8; 16], usize> {
    let mut traces = HashMap::new();
    for (trace_id, _) in collected.span_ids() {
        *traces.entry(trace_id).or_default() += 1;
    }
    traces
}

fn native(tracer: &Tracer, shape: Shape) {
    let text = "v".repeat(shape.span_bytes);
    let mut open = vec![tracer.root("root", SpanKind::Server)];
    for _ in 1..shape.spans {
        let mut span: Span =
            tracer.child("child", SpanKind::Internal, open.last().unwrap().context());
        span.attribute("text", text.as_str());
        if shape.is_deep {
            open.push(span);
        }
    }
    while open.pop().is_some() {}
}

fn api(tracer: &Tracer, shape: Shape) {
    let text = "v".repeat(shape.span_bytes);
    let mut contexts =
        vec![Context::new().with_span(tracer.start_with_context("root", &Context::new()))];
    for _ in 1..shape.spans {
        let parent = contexts.last().unwrap();
        let mut span = tracer.start_with_context("child", parent);
        span.set_attribute(KeyValue::new("text", text.clone()));
        if shape.is_deep {
            contexts.push(parent.with_span(span));
        }
    }
    while contexts.pop().is_some() {}
}

fn pooled(tracer: &Tracer, shape: Shape) {
    let text = "v".repeat(shape.span_bytes);
    let root = tracer.root("root", SpanKind::Server);
    let mut span = PooledSpan::default();
    for _ in 1..shape.spans {
        tracer.start_pooled(&mut span, "child", SpanKind::Internal, Some(root.context()));
        span.set_attribute("text", text.clone());
        let _finished = tracer.finish_pooled(&span).unwrap();
    }
}

#[test]
fn wide_traces_arrive_complete() {
    check(SHORT, native);
    check(Shape { spans: 100, ..SHORT }, native);
}

#[test]
fn deep_traces_arrive_complete() {
    check(Shape { is_deep: true, ..SHORT }, native);
    check(Shape { is_deep: true, spans: 100, ..SHORT }, native);
}

#[test]
fn traces_of_the_api_arrive_complete() {
    check(SHORT, api);
    check(Shape { is_deep: true, spans: 20, ..SHORT }, api);
}

#[test]
fn traces_with_pooled_spans_arrive_complete() {
    check(SHORT, pooled);
}

#[test]
fn traces_of_spans_that_are_larger_than_a_chunk_arrive_complete() {
    check(Shape { span_bytes: 70_000, budget_bytes: 16 << 20, ..SHORT }, native);
}
