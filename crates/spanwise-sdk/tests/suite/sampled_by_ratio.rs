//! The trace states of spans that are sampled by a ratio: a record retains one from span to span, and no
//! span gets that of another.

use crate::support;

use opentelemetry::trace::{Span as _, SpanContext, TraceFlags, TraceState, Tracer as _};
use spanwise_sdk::sampling::Sampler;
use spanwise_sdk::{Span, SpanKind, Tracer};
use spanwise_testkit::{SplitMix64, spans};
use std::collections::HashMap;
use std::str::FromStr;
use support::{Bench, bench};

/// Probabilities with their `th`: the first four digits of (1 - p) * 2^56 in hexadecimal, without trailing
/// zeros (specification, *TraceState: Probability Sampling*). `None` is always on.
const RATIOS: [(Option<f64>, &str); 6] = [
    (Some(0.5), "ot=th:8"),
    (Some(0.25), "ot=th:c"),
    (Some(1.0), "ot=th:0"),
    (Some(0.75), "ot=th:4"),
    (Some(0.1), "ot=th:e666"),
    (None, ""),
];

fn sampler(ratio: Option<f64>) -> Sampler {
    ratio.map_or(Sampler::always_on(), |it| Sampler::probability(it).unwrap()).parent_based()
}

fn header(context: &SpanContext) -> String {
    context.trace_state().header()
}

/// A remote parent whose trace id passes every threshold of this file.
fn remote(header: &str) -> SpanContext {
    let state = TraceState::from_str(header).unwrap();
    SpanContext::new(u128::MAX.into(), 9.into(), TraceFlags::SAMPLED, true, state)
}

/// A sampled root: starts roots until one is.
fn sampled_root(tracer: &Tracer, through_api: bool) -> Span {
    loop {
        let root =
            if through_api { tracer.start("root") } else { tracer.root("root", SpanKind::Server) };
        assert_eq!(root.context().is_sampled(), root.is_recording());
        if root.is_recording() {
            return root;
        }
        // The trace state of a dropped root is that of its absent parent.
        assert_eq!(root.context().trace_state(), &TraceState::NONE);
    }
}

/// The trace states that spans must have on the wire, by span id.
#[derive(Default)]
struct Expected(HashMap<Vec<u8>, String>);

impl Expected {
    fn add(&mut self, span: &Span, trace_state: &str) {
        assert_eq!(header(span.context()), trace_state);
        let id = span.context().span_id().to_bytes().to_vec();
        assert!(self.0.insert(id, trace_state.to_owned()).is_none());
    }

    /// Compares with the spans that the providers' receivers got, decoded by prost.
    fn check(mut self, benches: &[&Bench]) {
        for bench in benches {
            for span in spans(&bench.finish()) {
                let expected = self.0.remove(&span.span_id);
                assert_eq!(Some(&span.trace_state), expected.as_ref(), "{}", span.name);
            }
        }
        assert!(self.0.is_empty(), "{} spans did not arrive", self.0.len());
    }
}

#[test]
fn each_span_has_the_threshold_of_the_present_sampler() {
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("test");
    let mut expected = Expected::default();
    for round in 0..20 {
        for (ratio, trace_state) in RATIOS {
            bench.spanwise.set_sampler(sampler(ratio));
            let mut root = sampled_root(&tracer, round % 2 == 0);
            expected.add(&root, trace_state);
            let child = tracer.child("child", SpanKind::Client, root.context());
            expected.add(&child, trace_state);
            if round % 3 == 0 {
                // The child's parent has a threshold that the present sampler does not have.
                bench.spanwise.set_sampler(Sampler::default());
                let late = tracer.child("late", SpanKind::Client, root.context());
                expected.add(&late, trace_state);
                expected.add(&sampled_root(&tracer, false), "");
            }
            child.finish();
            root.end();
            // The context stays readable after the end.
            assert_eq!(header(root.span_context()), trace_state);
        }
    }
    expected.check(&[&bench]);
}

#[test]
fn a_child_has_the_members_of_other_vendors() {
    let bench = bench(|builder| builder.with_sampler(sampler(Some(0.5))));
    let tracer = bench.spanwise.tracer("test");
    let mut expected = Expected::default();
    for _ in 0..10 {
        for trace_state in [
            "a=b",
            "a=b,ot=th:8",
            "ot=th:8",
            "ot=th:8;x:1",
            "ot=th:c",
            "ot=rv:ffffffffffffff;th:8",
            "",
        ] {
            let child = tracer.child("child", SpanKind::Server, &remote(trace_state));
            expected.add(&child, trace_state);
            let grandchild = tracer.child("grandchild", SpanKind::Server, child.context());
            expected.add(&grandchild, trace_state);
            drop(child);
            expected.add(&sampled_root(&tracer, true), "ot=th:8");
        }
        // A bare list of 32 members does not stay with the record.
        let long = (0..32).map(|at| format!("k{at}=v")).collect::<Vec<_>>().join(",");
        expected.add(&tracer.child("long", SpanKind::Server, &remote(&long)), &long);
    }
    expected.check(&[&bench]);
}

/// Threads share records; on one thread, several providers do.
#[test]
fn records_of_several_providers_and_threads_do_not_mix_trace_states() {
    let benches = RATIOS.map(|(ratio, _)| bench(|builder| builder.with_sampler(sampler(ratio))));
    let tracers = benches.each_ref().map(|bench| bench.spanwise.tracer("test"));
    let mut expected = Expected::default();
    let mut random = SplitMix64::new(7);
    let mut open: Vec<(usize, Span)> = Vec::new();
    let mut clones: Vec<(usize, SpanContext)> = Vec::new();
    for step in 0..4_000 {
        let at = random.next_u64() as usize % RATIOS.len();
        match random.next_u64() % 8 {
            0..=2 => open.push((at, sampled_root(&tracers[at], step % 2 == 0))),
            3 | 4 if !open.is_empty() => {
                let (of, parent) = &open[random.next_u64() as usize % open.len()];
                // A provider that did not start the trace continues it by the trace's threshold.
                let child = tracers[at].child("child", SpanKind::Client, parent.context());
                open.push((*of, child));
            }
            5 => expected.add(&sampled_root(&tracers[at], false), RATIOS[at].1),
            6 if !open.is_empty() => {
                let (of, span) = open.swap_remove(random.next_u64() as usize % open.len());
                clones.push((of, span.context().clone()));
                expected.add(&span, RATIOS[of].1);
                std::thread::spawn(move || span.finish()).join().unwrap();
            }
            _ => {
                if let Some((of, span)) = open.pop() {
                    clones.push((of, span.context().clone()));
                    expected.add(&span, RATIOS[of].1);
                    span.finish();
                }
            }
        }
        for (of, span) in &open {
            assert_eq!(header(span.context()), RATIOS[*of].1);
        }
    }
    for (of, span) in open {
        expected.add(&span, RATIOS[of].1);
    }
    for (of, context) in clones {
        assert_eq!(header(&context), RATIOS[of].1);
    }
    expected.check(&benches.each_ref());
}

#[test]
fn a_span_with_a_threshold_is_written_whole() {
    let bench = bench(|builder| builder.with_sampler(sampler(Some(1.0))));
    let tracer = bench.spanwise.tracer("test");
    for name in ["short", &"long".repeat(100)] {
        let mut span = tracer.root(name, SpanKind::Server);
        span.attribute("key", 1).attribute("other", "text").attribute("key", 2);
        span.event("event", &[]).error("failed");
        span.rename("renamed").attribute("other", "new").attribute("last", true);
        span.finish();
        tracer.root(name, SpanKind::Server).finish();
    }
    let request = bench.finish();
    let all: Vec<_> = spans(&request).collect();
    assert_eq!(all.len(), 4);
    for span in all {
        assert_eq!(span.trace_state, "ot=th:0");
        if span.name == "renamed" {
            let keys: Vec<_> = span.attributes.iter().map(|pair| pair.key.as_str()).collect();
            assert_eq!(keys, ["key", "other", "last"]);
            assert_eq!((span.events.len(), span.status.as_ref().unwrap().code), (1, 2));
        } else {
            assert!(span.attributes.is_empty() && span.status.is_none(), "{}", span.name);
        }
    }
}
