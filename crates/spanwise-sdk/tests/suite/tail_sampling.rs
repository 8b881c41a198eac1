//! Tail sampling in the application, by a function. The oracles are a receiver that decodes with prost, the numbers of spans
//! that a test started, and a provider without tail sampling for what is propagated.

use crate::support;

use opentelemetry::trace::{Span as _, SpanContext, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use spanwise_pool::PooledSpan;
use spanwise_sampling::Sampler;
use spanwise_sdk::{Finished, LocalTrace, Span, SpanKind, SpanProcessor, TailDecision, Tracer};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::full_queue::remote;
use support::{Bench, assert_idle, bench};

/// One percent by the trace id, errors, and slow traces.
fn errors_slow_and_one_percent(trace: &LocalTrace<'_>) -> bool {
    trace.has_error() || trace.duration() >= SLOW || trace.is_in_ratio(0.01)
}

const SLOW: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Usual,
    Error,
    Slow,
}

/// A trace of three spans; the root ends last.
fn trace(tracer: &Tracer, kind: Kind) -> u128 {
    let mut root = tracer.root("GET /orders", SpanKind::Server);
    root.attribute("http.request.method", "GET");
    let child = tracer.child("handler", SpanKind::Internal, root.context());
    let mut query = tracer.child("SELECT", SpanKind::Client, child.context());
    query.attribute("db.system.name", "postgresql");
    if kind == Kind::Error {
        query.error("deadlock");
    }
    query.finish();
    child.finish();
    let id = u128::from_be_bytes(root.context().trace_id().to_bytes());
    if kind == Kind::Slow {
        root.end_with_timestamp(std::time::SystemTime::now() + SLOW + SLOW);
    } else {
        root.finish();
    }
    id
}

/// The names of the received spans by their trace id.
fn received(bench: &Bench) -> HashMap<u128, Vec<String>> {
    let mut traces = HashMap::<u128, Vec<String>>::new();
    for span in spanwise_testkit::spans(&bench.received()) {
        let id = u128::from_be_bytes(span.trace_id.as_slice().try_into().unwrap());
        traces.entry(id).or_default().push(span.name.clone());
    }
    traces.values_mut().for_each(|names| names.sort());
    traces
}

#[test]
fn errors_and_slow_traces_survive_one_percent_and_every_trace_is_whole() {
    // With the usual budget, a thread that waits for a processor may have its trace decided early.
    let bench = bench(|builder| {
        builder.with_budget_bytes(64 << 20).with_tail_sampling(errors_slow_and_one_percent)
    });
    let made: Vec<(u128, Kind)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let tracer = bench.spanwise.tracer("tail");
                    let kind = |number| match number % 100 {
                        7 => Kind::Error,
                        13 => Kind::Slow,
                        _ => Kind::Usual,
                    };
                    let traces = (0..5_000).map(|number| {
                        let kind = kind(number);
                        (trace(&tracer, kind), kind)
                    });
                    traces.collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    bench.finish();
    let traces = received(&bench);
    for names in traces.values() {
        assert_eq!(*names, ["GET /orders", "SELECT", "handler"], "whole traces");
    }
    // The randomness is that of W3C Trace Context level 2: the low 56 bits of the trace id.
    let is_random = |id: u128| id as u64 & ((1 << 56) - 1) >= (0.99 * (1u64 << 56) as f64) as u64;
    let expected: HashSet<u128> = made
        .iter()
        .filter(|(id, kind)| *kind != Kind::Usual || is_random(*id))
        .map(|(id, _)| *id)
        .collect();
    assert!(expected.len() > 400 && expected.len() < 800, "{}", expected.len());
    let exported: HashSet<u128> = traces.keys().copied().collect();
    let different: Vec<_> = exported.symmetric_difference(&expected).collect();
    let ledger = bench.spanwise.ledger();
    assert!(different.is_empty(), "{different:?} {ledger}");
    assert_idle(&ledger);
    assert_eq!(ledger.created, 60_000);
    assert_eq!(ledger.exported, 3 * expected.len() as u64);
    assert_eq!(ledger.tail_not_sampled, 60_000 - ledger.exported);
    assert_eq!((ledger.sampled_out, ledger.dropped_total(), ledger.tail_dropped), (0, 0, 0));
}

/// The contexts of a root, of a child and of children of remote parents, as the traces of `tracer` propagate them; without
/// their ids.
fn propagated(tracer: &Tracer) -> Vec<(u8, String)> {
    let mut contexts = Vec::new();
    let mut add = |span: &SpanContext| {
        contexts.push((span.trace_flags().to_u8(), span.trace_state().header()));
    };
    let root = tracer.root("root", SpanKind::Server);
    let below = tracer.child("child", SpanKind::Internal, root.context());
    add(root.context());
    add(below.context());
    for (id, sampled, header) in [
        (0xff_ffff_ffff_ffff, true, "ot=th:8,vendor=1"),
        (0x10_0000_0000_0000, false, ""),
        (0x10_0000_0000_0000, false, "vendor=1,ot=rv:20000000000000"),
        (0xff_ffff_ffff_ffff, true, ""),
    ] {
        let parent = remote(id, sampled, header);
        add(tracer.child("native", SpanKind::Server, &parent).context());
        let cx = Context::new().with_remote_span_context(parent);
        add(tracer.start_with_context("api", &cx).span_context());
    }
    contexts
}

#[test]
fn what_is_propagated_is_the_samplers_flag_and_threshold_alone() {
    let samplers = [
        Sampler::always_off().parent_based(),
        Sampler::always_on().parent_based(),
        Sampler::probability(1.0).unwrap().parent_based(),
        Sampler::probability(0.001).unwrap().parent_based(),
    ];
    for sampler in samplers {
        let plain = bench(|builder| builder.with_sampler(sampler.clone()));
        let tail = bench(|builder| {
            builder.with_sampler(sampler.clone()).with_tail_sampling(|_: &LocalTrace<'_>| true)
        });
        let tracer = tail.spanwise.tracer("tail");
        // A root of a small ratio is sampled one time in a thousand.
        let alike =
            (0..20).any(|_| propagated(&plain.spanwise.tracer("tail")) == propagated(&tracer));
        assert!(alike, "{sampler:?}");
        tail.finish();
        plain.finish();
        let ledger = tail.spanwise.ledger();
        assert_eq!((ledger.sampled_out, ledger.exported), (0, ledger.created), "all recorded");
    }
}

#[test]
fn what_the_tail_adds_leaves_with_the_flags_it_had_and_without_a_threshold() {
    let bench = bench(|builder| {
        builder.with_sampling_ratio(0.25).with_tail_sampling(|_: &LocalTrace<'_>| true)
    });
    let tracer = bench.spanwise.tracer("tail");
    let sampled = (0..400).filter(|_| {
        let root = tracer.root("root", SpanKind::Server);
        assert!(root.is_recording());
        root.context().is_sampled()
    });
    let sampled = sampled.count();
    let request = bench.finish();
    let (mut with, mut without) = (0, 0);
    for span in spanwise_testkit::spans(&request) {
        match (span.flags & 1, span.trace_state.as_str()) {
            (1, "ot=th:c") => with += 1,
            (0, "") => without += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((with, without), (sampled, 400 - sampled));
    assert!(with > 40 && without > 200, "{with} {without}");
}

#[test]
fn the_function_reads_the_local_trace_in_place() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let bench = bench(|builder| {
        builder
            .with_service_name("shop")
            .with_sampler(Sampler::always_off().parent_based())
            .with_tail_sampling(move |trace: &LocalTrace<'_>| {
                let root = trace.local_root().unwrap();
                let spans: Vec<String> = trace.spans().map(|span| span.name().to_owned()).collect();
                let key = |key| root.attribute(key).and_then(|value| value.as_str());
                let service = root.view().and_then(|view| view.resource_attribute("service.name"));
                log.lock().unwrap().push(format!(
                    "{} {:?} {:?} {} {} {:?} {:?} {spans:?}",
                    root.name(),
                    root.kind(),
                    key("http.request.method"),
                    trace.has_error(),
                    trace.has_sampled_flag(),
                    trace.span_count(),
                    service.and_then(|value| value.as_str()),
                ));
                TailDecision::Dropped
            })
    });
    trace(&bench.spanwise.tracer("tail"), Kind::Error);
    assert_eq!(spanwise_testkit::spans(&bench.finish()).count(), 0);
    let expected = r#"GET /orders Server Some("GET") true false 3 Some("shop") ["SELECT", "handler", "GET /orders"]"#;
    assert_eq!(*seen.lock().unwrap(), [expected]);
    let ledger = bench.spanwise.ledger();
    assert_eq!((ledger.created, ledger.tail_dropped), (3, 3));
}

#[test]
fn pooled_spans_are_recorded_too() {
    let names = |trace: &LocalTrace<'_>| trace.spans().any(|span| span.name() == "sampled");
    let bench = bench(|builder| {
        builder.with_sampler(Sampler::always_off().parent_based()).with_tail_sampling(names)
    });
    let tracer = bench.spanwise.tracer("pooled");
    let mut span = PooledSpan::default();
    for name in ["sampled", "other"] {
        assert!(tracer.start_pooled(&mut span, name, SpanKind::Server, None), "recorded");
        assert!(!span.trace_flags.is_sampled(), "and not sampled");
        assert_eq!(tracer.finish_pooled(&span).unwrap(), Finished::Recorded);
    }
    // A provider without tail sampling exports no span that its sampler leaves out.
    let plain = support::bench(|builder| builder.with_sampler(Sampler::always_off()));
    assert!(tracer.start_pooled(&mut span, "sampled", SpanKind::Server, None));
    let finished = plain.spanwise.tracer("pooled").finish_pooled(&span).unwrap();
    assert_eq!(finished, Finished::SampledOut);
    assert_eq!(spanwise_testkit::spans(&plain.finish()).count(), 0);
    assert_eq!(spanwise_testkit::spans(&bench.finish()).count(), 1);
    assert_eq!(bench.spanwise.ledger().tail_not_sampled, 1);
}

#[test]
fn suppressed_spans_stay_out() {
    let bench = bench(|builder| builder.with_tail_sampling(|_: &LocalTrace<'_>| true));
    let tracer = bench.spanwise.tracer("tail");
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    assert!(!tracer.root("root", SpanKind::Server).is_recording());
    assert!(!tracer.start("api").is_recording());
    drop(_suppressed);
    bench.finish();
    assert_eq!(bench.spanwise.ledger().created, 0);
}

#[test]
fn the_api_makes_local_traces_too() {
    let bench = bench(|builder| {
        builder
            .with_sampler(Sampler::always_off().parent_based())
            .with_tail_sampling(|trace: &LocalTrace<'_>| trace.has_error())
    });
    let tracer = bench.spanwise.tracer("api");
    for is_error in [false, true] {
        tracer.in_span("root", |cx| {
            assert!(cx.span().is_recording() && !cx.span().span_context().is_sampled());
            tracer.in_span("child", |cx| {
                cx.span().set_attribute(KeyValue::new("key", "value"));
                if is_error {
                    cx.span().set_status(Status::error("no stock"));
                }
            });
        });
    }
    let request = bench.finish();
    let mut names: Vec<_> = spanwise_testkit::spans(&request).map(|it| it.name.clone()).collect();
    names.sort();
    assert_eq!(names, ["child", "root"]);
    assert_eq!(bench.spanwise.ledger().tail_not_sampled, 2);
}

#[test]
fn processors_see_every_recorded_span() {
    struct Counts(Arc<AtomicU64>);
    impl SpanProcessor for Counts {
        fn on_start(&self, span: &mut Span, _: &Context) {
            span.attribute("processor", true);
            self.0.fetch_add(1, Relaxed);
        }
    }
    let count = Arc::new(AtomicU64::new(0));
    let bench = bench(|builder| {
        builder
            .with_sampler(Sampler::always_off().parent_based())
            .with_span_processor(Counts(count.clone()))
            .with_tail_sampling(|trace: &LocalTrace<'_>| {
                trace.spans().all(|span| span.attribute("processor").is_some())
            })
    });
    trace(&bench.spanwise.tracer("tail"), Kind::Usual);
    assert_eq!(spanwise_testkit::spans(&bench.finish()).count(), 3);
    assert_eq!(count.load(Relaxed), 3);
}
