//! `OTEL_TRACES_EXPORTER=none`: the provider exports no spans. Ids, propagation, sampling and log
//! correlation still work.

use crate::support;

use bytes::Bytes;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{Span as _, SpanContext, TraceContextExt as _, TraceFlags, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use spanwise_pool::PooledSpan;
use spanwise_receiver::Receiver;
use spanwise_sdk::sampling::{
    ComposableSampler, JaegerSettings, Sampler, SamplingIntent, SamplingParameters,
};
use spanwise_sdk::{Exporter, Finished, SpanKind, Spanwise, SpanwiseBuilder};
use spanwise_transport::Outcome;
use std::collections::{HashMap, HashSet};
use std::future::ready;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use support::{DiagnosticLog, LONG, builder};

/// One builder for each way to choose the exporter `none`.
fn none() -> [SpanwiseBuilder; 3] {
    let variable = |value: &'static str| {
        builder()
            .with_environment(move |name| (name == "OTEL_TRACES_EXPORTER").then(|| value.into()))
    };
    [variable("none"), variable(" None "), builder().with_exporter(Exporter::None)]
}

fn remote(trace_id: u128, flags: TraceFlags, trace_state: &str) -> Context {
    let state = trace_state.parse().unwrap();
    let parent = SpanContext::new(trace_id.into(), 9u64.into(), flags, true, state);
    Context::new().with_remote_span_context(parent)
}

/// Specification, *Exporter selection*: `none` is "no automatically configured exporter for
/// traces". *SpanContext*: a span has a trace id and a span id that are not zero, the trace id its
/// parent's; *ParentBased*: the flag follows the parent's.
#[test]
fn spans_have_ids_and_flags_and_nothing_is_sent_or_counted() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    for builder in none() {
        let spanwise = builder.with_endpoint(receiver.http_endpoint()).build().unwrap();
        let tracer = spanwise.tracer("x");
        let mut seen = HashSet::new();
        for _ in 0..1000 {
            let mut root = tracer.start("root");
            root.set_attribute(KeyValue::new("key", "value"));
            let context = root.span_context().clone();
            assert!(context.is_valid() && context.is_sampled() && !context.is_remote());
            assert!(!root.is_recording());
            root.end();
            let child = tracer.child("child", SpanKind::Client, &context);
            assert_eq!(child.context().trace_id(), context.trace_id());
            assert!(child.context().is_sampled());
            assert!(seen.insert(context.span_id()) && seen.insert(child.context().span_id()));
        }
        let below = tracer.start_with_context("x", &remote(7, TraceFlags::NOT_SAMPLED, "a=b"));
        assert_eq!(below.span_context().trace_id(), 7u128.into());
        assert_ne!(below.span_context().span_id(), 9u64.into());
        assert!(!below.span_context().is_sampled());
        assert_eq!(below.span_context().trace_state().header(), "a=b");
        drop(below);

        spanwise.force_flush_timeout(LONG).unwrap();
        let ledger = spanwise.ledger();
        assert_eq!((ledger.created, ledger.in_flight, ledger.dropped_total()), (0, 0, 0));
        assert_eq!(spanwise.buffered_bytes(), (0, 0));
        spanwise.shutdown_timeout(LONG).unwrap();
        // Specification, *Shutdown*: the provider returns no-op spans afterwards.
        assert!(!tracer.start("late").span_context().is_valid());
    }
    assert_eq!((collected.spans(), receiver.stats().connections), (0, 0));
}

/// W3C Trace Context, *traceparent*: version, trace id, parent id, flags.
#[test]
fn another_propagator_injects_the_context_of_the_span() {
    let [spanwise, ..] = none().map(|builder| builder.build().unwrap());
    let tracer = spanwise.tracer("x");
    for (flags, shown) in [(TraceFlags::SAMPLED, "01"), (TraceFlags::NOT_SAMPLED, "00")] {
        let span = tracer.start_with_context("x", &remote(0xabc, flags, "a=b"));
        let span_id = span.span_context().span_id();
        let mut headers = HashMap::new();
        let cx = Context::new().with_span(span);
        TraceContextPropagator::new().inject_context(&cx, &mut headers);
        let expected = format!("00-{:032x}-{span_id}-{shown}", 0xabc);
        assert_eq!(headers["traceparent"], expected);
        assert_eq!(headers["tracestate"], "a=b");
    }
}

/// Specification, *Sampling*: the sampler decides the flag. It samples half of the traces, and writes
/// the threshold into their trace state.
#[test]
fn the_sampler_decides_and_can_be_exchanged() {
    for builder in none() {
        let spanwise = builder.with_sampling_ratio(0.5).build().unwrap();
        let tracer = spanwise.tracer("x");
        let roots: Vec<_> =
            (0..2000).map(|_| tracer.start("root").span_context().clone()).collect();
        let sampled = roots.iter().filter(|context| context.is_sampled()).count();
        // Ten standard deviations.
        assert!((776..=1224).contains(&sampled), "{sampled}");
        for context in roots.iter().filter(|context| context.is_sampled()) {
            assert_eq!(context.trace_state().header(), "ot=th:8");
        }
        spanwise.set_sampler(Sampler::always_off());
        assert!(!tracer.start("root").span_context().is_sampled());
    }
}

#[test]
fn a_root_whose_sampler_panics_is_not_sampled() {
    #[derive(Debug)]
    struct Panics;
    impl ComposableSampler for Panics {
        fn sampling_intent(&self, _: &SamplingParameters<'_>) -> SamplingIntent<'_> {
            resume_unwind(Box::new("on purpose"))
        }
        fn description(&self) -> String {
            "Panics".to_owned()
        }
    }
    let [builder, ..] = none();
    let spanwise = builder.with_sampler(Panics).build().unwrap();
    let span = spanwise.tracer("x").start("root");
    assert!(span.span_context().is_valid() && !span.span_context().is_sampled());
}

/// A pooled span has ids for propagation, and the tracer does not record it.
#[test]
fn pooled_spans_have_ids_and_are_not_recorded() {
    for builder in none() {
        let spanwise = builder.build().unwrap();
        let tracer = spanwise.tracer("x");
        let mut span = PooledSpan::default();
        assert!(tracer.start_pooled(&mut span, "x", SpanKind::Internal, None));
        assert!(span.trace_id.is_valid() && span.span_id.is_valid());
        assert_eq!(tracer.finish_pooled(&span), Ok(Finished::Disabled));
        assert_eq!(spanwise.ledger().created, 0);
    }
}

/// `with_exporter` precedes the variable, and the variable disables a sink too.
#[test]
fn code_precedes_the_variable() {
    for (exporter, expected) in [(None, 0), (Some(Exporter::Otlp), 1)] {
        let [mut builder, ..] = none();
        if let Some(exporter) = exporter {
            builder = builder.with_exporter(exporter);
        }
        let taken = Arc::new(AtomicU64::new(0));
        let count = taken.clone();
        let builder = builder.with_sink(move |_: Bytes| {
            count.fetch_add(1, SeqCst);
            ready(Outcome::Accepted { rejected: 0, message: None })
        });
        let spanwise = builder.build().unwrap();
        drop(spanwise.tracer("x").start("span"));
        spanwise.shutdown_timeout(LONG).unwrap();
        assert_eq!(taken.load(SeqCst), expected);
    }
}

/// Without a worker the provider polls no collector: it reports that, and the initial rate is in force.
#[test]
fn remote_sampling_without_a_worker_is_reported() {
    let log = DiagnosticLog::default();
    let settings = JaegerSettings::default().with_initial_probability(1.0).unwrap();
    let builder = log.attach(builder()).with_exporter(Exporter::None);
    let spanwise = builder.with_remote_sampling(settings).build().unwrap();
    assert!(log.lines()[0].contains("with_remote_sampling"), "{:?}", log.lines());
    assert!(spanwise.tracer("x").start("root").span_context().is_sampled());
}

/// Specification, *Exporter selection*: the value is a comma-separated list. *Enum*: the SDK warns of
/// an unknown value and ignores it.
#[test]
fn an_unsupported_exporter_is_reported_and_ignored() {
    for (value, exports, reported) in [
        ("otlp", true, ""),
        ("OTLP", true, ""),
        (",", true, ""),
        ("console", true, "console"),
        ("pigeon", true, "pigeon"),
        ("otlp,console", true, "console"),
        ("console , NONE", false, "console"),
        ("zipkin,jaeger", true, "zipkin,jaeger"),
        ("none,otlp", true, "none"),
    ] {
        let log = DiagnosticLog::default();
        let builder = log.attach(Spanwise::builder()).with_environment(move |name| {
            (name == "OTEL_TRACES_EXPORTER").then(|| value.to_owned())
        });
        let spanwise = builder.build().unwrap();
        assert_eq!(spanwise.tracer("x").start("root").is_recording(), exports, "{value}");
        let lines = log.lines();
        let ignored = lines.iter().any(|line| line.contains(&format!("`{reported}` is ignored")));
        assert_eq!(
            (lines.len(), ignored),
            (usize::from(!reported.is_empty()), !reported.is_empty())
        );
        drop(spanwise.shutdown_timeout(std::time::Duration::ZERO));
    }
}
