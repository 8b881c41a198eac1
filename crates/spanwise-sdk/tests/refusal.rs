//! A full queue refuses spans at their start. The oracles are the numbers of spans that a test started,
//! and the specification: *SpanContext* ("IsSampled"), *ParentBased*, *TraceState* (a threshold agrees
//! with the sampled flag).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry::trace::{Span as _, TraceContextExt as _, TraceState, Tracer as _};
use opentelemetry::{Context, KeyValue};
use spanwise_pool::PooledSpan;
use spanwise_receiver::Receiver;
use spanwise_sampling::Sampler;
use spanwise_sdk::{DropReason, Finished, OnFull, Span, SpanKind};
use spanwise_testkit::{Fault, FaultProxy, in_own_process};
use std::time::{Duration, Instant};
use support::full_queue::{
    check_forked_child, check_shutdown, remote, stuck, unrecorded_root, until,
};
use support::{LONG, assert_idle, builder, wait_until_idle};

#[test]
fn a_refused_root_is_not_sampled_and_its_children_follow_it() {
    for (reason, size) in [(DropReason::QueueBytes, None), (DropReason::QueueFull, Some(100))] {
        let spanwise = stuck(|builder| match size {
            Some(size) => builder.with_max_queue_size(size),
            None => builder,
        });
        let tracer = spanwise.tracer("refusal");
        let mut root = unrecorded_root(&tracer);
        let context = root.context().clone();
        assert!(context.is_valid() && !context.is_sampled() && !context.is_remote());
        assert_eq!(context.trace_flags().to_u8(), 2, "the random flag stays");
        assert_eq!(*context.trace_state(), TraceState::NONE);
        root.attribute("key", 1).event("event", &[]).rename("other").ok();
        assert_eq!(spanwise.ledger().sampled_out, 0);

        let native = tracer.child("child", SpanKind::Internal, &context);
        let below = tracer.child("grandchild", SpanKind::Internal, native.context());
        let parent = Context::new().with_remote_span_context(context.clone());
        let api = tracer.start_with_context("child", &parent);
        for child in [&native, &below, &api] {
            assert!(!child.is_recording() && !child.context().is_sampled());
            assert_eq!(child.context().trace_id(), context.trace_id());
            assert_ne!(child.context().span_id(), context.span_id());
        }
        drop((api, below, native, root));
        let ledger = spanwise.ledger();
        assert_eq!(ledger.sampled_out, 3, "children of a parent that is not sampled");
        assert!(ledger.dropped(reason) > 0);
        assert_eq!(ledger.dropped(reason), ledger.dropped_total());
        assert_eq!(ledger.created, 3 + ledger.dropped_total() + ledger.in_flight);
        let _timed_out = spanwise.shutdown_timeout(Duration::from_millis(10));
        assert_idle(&wait_until_idle(&spanwise));
    }
}

#[test]
fn a_builder_starts_a_refused_span_too() {
    let spanwise = stuck(|builder| builder);
    let tracer = spanwise.tracer("refusal");
    let start = || {
        tracer
            .span_builder("root")
            .with_attributes([KeyValue::new("key", "value")])
            .with_start_time(std::time::SystemTime::now())
            .start(&tracer)
    };
    let mut span = until(start, |span| !span.is_recording());
    assert!(span.span_context().is_valid() && !span.span_context().is_sampled());
    span.end();
}

/// A sampler that does not follow the parent samples the child of a refused root: the queue refuses the
/// child too.
#[test]
fn a_child_is_refused_on_its_own_where_the_sampler_samples_it() {
    let spanwise = stuck(|builder| builder.with_sampler(Sampler::always_on()));
    let tracer = spanwise.tracer("refusal");
    let start = || {
        let root = unrecorded_root(&tracer);
        tracer.child("child", SpanKind::Internal, root.context())
    };
    let child = until(start, |child| !child.is_recording());
    assert!(!child.context().is_sampled());
    assert_eq!(spanwise.ledger().sampled_out, 0, "both count as dropped");
}

/// A threshold that keeps the trace contradicts the flag of a refused span; all else stays.
#[test]
fn a_refused_span_has_no_threshold() {
    let ratio = || Sampler::probability(0.999).unwrap().parent_based();
    let spanwise = stuck(|builder| builder.with_sampler(ratio()));
    let tracer = spanwise.tracer("refusal");
    let is_refused = |span: &Span| !span.is_recording();
    let none = |name: &str| (name == "OTEL_TRACES_EXPORTER").then(|| "none".to_owned());
    let service = builder().with_environment(none).with_sampler(ratio()).build().unwrap();
    // A root that the sampler drops has no threshold either: the count proves that one was refused.
    let patience = Instant::now() + LONG;
    while spanwise.ledger().dropped_total() < 1000 {
        let root = tracer.root("root", SpanKind::Server);
        assert_eq!(root.is_recording(), root.context().is_sampled());
        let threshold = root.context().trace_state().get("ot").map(str::to_owned);
        assert_eq!(threshold.is_some(), root.is_recording(), "{threshold:?}");
        assert!(Instant::now() < patience);
    }
    for (parent, propagated) in [
        ("a=1,ot=th:8;rv:fffffffffffffe,b=2", &["ot=rv:fffffffffffffe", "a=1", "b=2"][..]),
        ("ot=th:0", &[]),
        ("ot=th:0;x:y", &["ot=x:y"]),
        ("a=1", &["a=1"]),
        ("ot=rv:fffffffffffffe", &["ot=rv:fffffffffffffe"]),
    ] {
        let parent = remote(u128::MAX, true, parent);
        let start = || tracer.child("child", SpanKind::Server, &parent);
        let child = until(start, is_refused);
        assert!(!child.context().is_sampled());
        let header = child.context().trace_state().header();
        let mut members: Vec<_> = header.split(',').filter(|member| !member.is_empty()).collect();
        let mut expected = propagated.to_vec();
        members.sort_unstable();
        expected.sort_unstable();
        assert_eq!(members, expected);
        // Another service follows, and finds nothing to repair.
        let next = service.tracer("next").child("next", SpanKind::Server, child.context());
        assert!(!next.context().is_sampled());
        assert_eq!(next.context().trace_state().header(), header);
    }
}

#[test]
fn a_pooled_span_is_refused_at_its_start_and_counted_at_its_end() {
    let spanwise = stuck(|builder| builder);
    let tracer = spanwise.tracer("refusal");
    drop(unrecorded_root(&tracer));
    let start = || {
        let mut span = PooledSpan::default();
        let sampled = tracer.start_pooled(&mut span, "pooled", SpanKind::Internal, None);
        if sampled {
            assert_eq!(tracer.finish_pooled(&span), Ok(Finished::Recorded));
        }
        (sampled, span)
    };
    let (_, mut span) = until(start, |(sampled, _)| !sampled);
    assert!(span.trace_id.is_valid() && span.span_id.is_valid());
    assert!(!span.trace_flags.is_sampled());
    let before = spanwise.ledger();
    assert_eq!(tracer.finish_pooled(&span), Ok(Finished::Refused));
    let since = spanwise.ledger().since(&before);
    assert_eq!((since.created, since.dropped_total(), since.sampled_out), (1, 1, 0));

    // The same object for a span that the sampler drops.
    assert!(!tracer.start_pooled(
        &mut span,
        "pooled",
        SpanKind::Internal,
        Some(&remote(u128::MAX, false, ""))
    ));
    assert_eq!(tracer.finish_pooled(&span), Ok(Finished::SampledOut));
}

/// Within their deadlines, and every span has an outcome.
#[test]
fn a_shutdown_of_a_full_queue_accounts_for_every_span() {
    check_shutdown(&stuck(|builder| builder));
}

#[test]
fn a_caller_that_waits_is_refused_no_start() {
    let wait = OnFull::Wait(Duration::from_millis(1));
    let spanwise = stuck(|builder| builder.with_max_queue_size(16).with_on_full(wait));
    let tracer = spanwise.tracer("refusal");
    while spanwise.ledger().dropped(DropReason::QueueFull) < 10 {
        assert!(tracer.root("root", SpanKind::Server).is_recording());
    }
}

/// The receiver refuses connections until the queue refuses spans; then it answers, and later spans
/// arrive.
#[test]
fn spans_are_accepted_again_once_the_receiver_answers() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let proxy = FaultProxy::start(receiver.address()).unwrap();
    proxy.set(Fault::Refuse);
    let spanwise = builder()
        .with_endpoint(proxy.endpoint())
        .with_budget_bytes(1 << 20)
        .with_attempt_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let tracer = spanwise.tracer("refusal");
    let mut started = 0;
    for round in 0..2 {
        proxy.set(Fault::Refuse);
        proxy.reset_open_connections();
        let patience = Instant::now() + LONG;
        // Refused for a while, not only until the first request ends.
        let mut in_a_row = 0;
        while in_a_row < 10_000 {
            started += 1;
            let is_refused = !tracer.root("root", SpanKind::Server).is_recording();
            in_a_row = if is_refused { in_a_row + 1 } else { 0 };
            assert!(Instant::now() < patience, "round {round}: no span was refused");
        }
        proxy.set(Fault::Pass);
        let before = collected.spans();
        let patience = Instant::now() + LONG;
        while !tracer.root("again", SpanKind::Server).is_recording() {
            started += 1;
            assert!(Instant::now() < patience, "round {round}: spans are still refused");
            std::thread::sleep(Duration::from_millis(1));
        }
        started += 1;
        spanwise.force_flush_timeout(LONG).unwrap();
        assert!(collected.spans() > before);
    }
    let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
    assert_idle(&ledger);
    assert_eq!(ledger.created, started);
    assert_eq!(ledger.exported + ledger.dropped_total(), started);
    assert!(ledger.dropped(DropReason::QueueBytes) >= 20_000);
    assert!(collected.spans() >= ledger.exported, "a receiver may get a span twice");
    let again = collected.bodies().iter().any(|body| {
        let request = spanwise_testkit::decode(body);
        spanwise_testkit::spans(&request).any(|span| span.name == "again")
    });
    assert!(again, "a span that started after the outage arrived");
}

#[cfg(unix)]
#[test]
fn a_forked_child_of_a_full_queue_counts_its_spans_as_its_own() {
    in_own_process("a_forked_child_of_a_full_queue_counts_its_spans_as_its_own", || {
        check_forked_child(&stuck(|builder| builder));
    });
}
