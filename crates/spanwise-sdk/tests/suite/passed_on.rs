//! Trace state and flags of children, through the API and through the tracer's own methods.

use crate::reader;
use crate::support;

use opentelemetry::Context;
use opentelemetry::trace::{
    Span as _, SpanContext, TraceContextExt, TraceFlags, TraceState, Tracer as _,
};
use proptest::prelude::*;
use reader::{headers, may_leave, strict};
use spanwise_sdk::sampling::{
    Adaptive, AnnotatingSampler, ComposableSampler, ParentBased, RateLimited, Sampler,
    SamplingIntent, SamplingParameters, TraceIdRatioBased,
};
use spanwise_sdk::{SpanKind, Spanwise, Tracer};
use spanwise_transport::Outcome;
use std::str::FromStr;
use support::{bench, builder};

/// A provider whose sink drops all spans.
fn provider(sampler: Sampler) -> Spanwise {
    let builder = builder().with_sampler(sampler);
    builder
        .with_sink(|_| async { Outcome::Accepted { rejected: 0, message: None } })
        .build()
        .unwrap()
}

fn parent(id: u128, flags: u8, remote: bool, state: TraceState) -> SpanContext {
    SpanContext::new(id.into(), 9.into(), TraceFlags::new(flags), remote, state)
}

/// The child's context through the API and by the tracer's own method.
fn children(tracer: &Tracer, parent: &SpanContext) -> [SpanContext; 2] {
    let context = Context::new().with_remote_span_context(parent.clone());
    let native = tracer.child("child", SpanKind::Internal, parent).context().clone();
    [tracer.start_with_context("child", &context).span_context().clone(), native]
}

#[derive(Debug)]
struct Panics;

impl ComposableSampler for Panics {
    fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        std::panic::resume_unwind(Box::new("a sampler of the user's"))
    }

    fn description(&self) -> String {
        "Panics".to_owned()
    }
}

#[derive(Debug)]
struct Keeps;

impl ComposableSampler for Keeps {
    fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        SamplingIntent::keep_without_threshold()
    }

    fn description(&self) -> String {
        "Keeps".to_owned()
    }
}

/// Each sampler with a tracer, its threshold, and whether it may follow local and remote parents.
fn tracers() -> Vec<(String, Tracer, Option<u64>, bool, bool)> {
    let half = || Sampler::probability(0.5).unwrap();
    let samplers: Vec<(Sampler, Option<u64>, bool, bool)> = vec![
        (Sampler::default(), None, true, true),
        (half().parent_based(), None, true, true),
        (half(), Some(1 << 55), false, false),
        (Sampler::always_on(), None, false, false),
        (Sampler::always_off(), None, false, false),
        (TraceIdRatioBased::new(0.5).unwrap().into(), None, false, false),
        (RateLimited::new(1e3).unwrap().into(), None, true, false),
        (Adaptive::builder().with_traces_per_second(1e3).build().unwrap().into(), None, true, true),
        (
            ParentBased::new(half()).with_local_sampled(Sampler::always_off()).into(),
            None,
            true,
            true,
        ),
        (Keeps.into(), None, false, false),
        (Panics.into(), None, true, true),
        (
            AnnotatingSampler::new(Sampler::always_on()).with_member("ot", "th:4").into(),
            None,
            false,
            false,
        ),
    ];
    let tracer = |(sampler, th, local, remote): (Sampler, _, _, _)| {
        (sampler.to_string(), provider(sampler).tracer("test"), th, local, remote)
    };
    samplers.into_iter().map(tracer).collect()
}

#[test]
fn no_reader_finds_a_threshold_that_no_stage_wrote() {
    let tracers = tracers();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let cases = (headers(), any::<bool>(), any::<bool>(), any::<bool>());
    let checked = runner.run(&cases, |(header, high, sampled, remote)| {
        let Ok(state) = TraceState::from_str(&header) else { return Ok(()) };
        let before = state.header();
        let id = if high { 0xff << 48 } else { 1 };
        let parent = parent(id, u8::from(sampled), remote, state);
        for (name, tracer, own, local, far) in &tracers {
            let follows = if remote { *far } else { *local };
            for child in children(tracer, &parent) {
                let after = child.trace_state().header();
                let decision = (sampled, child.is_sampled());
                let legal = may_leave(&before, &after, id, decision, (*own, follows));
                prop_assert!(legal.is_ok(), "{name}: {before:?} -> {after:?}: {legal:?}");
            }
        }
        Ok(())
    });
    checked.unwrap();
}

/// Through the API, by the tracer's own method and as a pooled span.
#[test]
fn every_way_to_start_a_span_decides_alike() {
    let tracers = tracers();
    let mut pooled = spanwise_pool::PooledSpan::default();
    for header in ["ot=th:8", "ot=th:8,a=b,ot=th:c", "ot=th:8;th:8", "ot=x:1;th:c", "a=b", ""] {
        for (remote, flags) in [(true, 1), (true, 0), (false, 1), (false, 0)] {
            let parent = parent(0xff << 48, flags, remote, TraceState::from_str(header).unwrap());
            for (name, tracer, ..) in &tracers {
                let [api, native] = children(tracer, &parent);
                assert_eq!(api.trace_state(), native.trace_state(), "{name} {header}");
                assert_eq!(api.trace_flags(), native.trace_flags(), "{name} {header}");
                let sampled =
                    tracer.start_pooled(&mut pooled, "pooled", SpanKind::Internal, Some(&parent));
                assert_eq!(pooled.trace_state, api.trace_state().header(), "{name} {header}");
                assert_eq!(pooled.trace_flags, api.trace_flags().into(), "{name} {header}");
                assert_eq!(sampled, api.is_sampled(), "{name} {header}");
                assert_eq!(pooled.trace_id, api.trace_id().into(), "{name} {header}");
                assert_eq!(pooled.parent_span_id, parent.span_id().into(), "{name} {header}");
                assert_eq!(pooled.parent_is_remote, remote, "{name} {header}");
            }
        }
    }
}

#[test]
fn a_malformed_member_of_a_local_parent_is_removed() {
    let tracer = provider(Sampler::default()).tracer("test");
    for (header, after) in [
        ("a=b,ot=th:8;x:1", "a=b,ot=th:8;x:1"),
        // "used keys MUST be unique" (TraceState Handling).
        ("a=b,ot=th:8;th:c", "a=b"),
        // "Only one entry per key is allowed" (W3C Trace Context, section tracestate).
        ("ot=th:8,a=b,ot=th:c", "a=b"),
        // "should erase the threshold when it is apparently inconsistent" with the flag.
        ("a=b,ot=rv:00000000000000;th:8", "ot=rv:00000000000000,a=b"),
    ] {
        let parent = parent(0xff << 48, 1, false, TraceState::from_str(header).unwrap());
        for child in children(&tracer, &parent) {
            assert_eq!(child.trace_state().header(), after, "{header}");
            assert!(strict(after).0.is_none() || after == header);
        }
    }
}

#[test]
fn a_child_carries_the_flags_that_are_known_and_no_others() {
    // W3C Trace Context level 2, section Other Flags: "The behavior of other flags … is reserved
    // for future use; vendors MUST set those to zero." Section Random Trace ID Flag: a downstream
    // participant "MUST propagate it unchanged".
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("test");
    for flags in 0..=u8::MAX {
        for remote in [true, false] {
            for state in ["", "a=b", "ot=rv:ffffffffffffff"] {
                let state = TraceState::from_str(state).unwrap();
                let parent = parent(7, flags, remote, state);
                for child in children(&tracer, &parent) {
                    assert_eq!(child.trace_flags().to_u8(), flags & 0b11, "{flags:08b} {remote}");
                }
            }
        }
    }
    let mut pooled = spanwise_pool::PooledSpan::default();
    for flags in 0..=u8::MAX {
        let parent = parent(7, flags, true, TraceState::NONE);
        let kind = spanwise_sdk::SpanKind::Internal;
        tracer.start_pooled(&mut pooled, "pooled", kind, Some(&parent));
        assert_eq!(pooled.trace_flags.0, flags & 0b11);
    }
    let request = bench.finish();
    // The low eight bits of a span's flags are the W3C flags (OTLP, `SpanFlags`).
    assert!(spanwise_testkit::spans(&request).all(|span| span.flags & 0xff & !0b11 == 0));
}

#[test]
fn bare_samplers_sample_whole_traces() {
    for (name, sampler) in [
        ("limited", Sampler::from(RateLimited::new(7.0).unwrap())),
        ("adaptive", Adaptive::builder().with_traces_per_second(7.0).build().unwrap().into()),
        ("annotated", AnnotatingSampler::new(RateLimited::new(7.0).unwrap()).into()),
    ] {
        let bench = bench(|builder| builder.with_sampler(sampler));
        let tracer = bench.spanwise.tracer("test");
        for _ in 0..100 {
            let root = tracer.root("root", SpanKind::Server);
            for _ in 0..4 {
                tracer.child("child", SpanKind::Internal, root.context()).finish();
            }
            root.finish();
        }
        let request = bench.finish();
        let mut traces = std::collections::HashMap::new();
        for span in spanwise_testkit::spans(&request) {
            *traces.entry(span.trace_id.clone()).or_insert(0) += 1;
        }
        assert!(!traces.is_empty(), "{name}");
        assert!(traces.values().all(|&spans| spans == 5), "{name}: {traces:?}");
    }
}
