//! Samplers: they decide at the start of a span, and children follow.

use crate::context::current;
use crate::harness::{assert_balanced, bench, named};
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};
use spanwise_sdk::sampling::{
    ComposableSampler, RuleBased, Sampler, SamplingIntent, SamplingParameters, SpanPredicate,
};
use spanwise_sdk::{SpanKind, SpanLimits};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tracing::info_span;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;

/// A sampler that logs its parameters and keeps spans of the kind server.
#[derive(Debug, Clone, Default)]
struct Servers(Arc<Mutex<Vec<String>>>);

impl ComposableSampler for Servers {
    fn sampling_intent<'s>(&'s self, parameters: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        let route = parameters.attributes.get("http.route").is_some();
        let (name, kind) = (parameters.name, parameters.kind);
        let scope = parameters.scope;
        self.0.lock().unwrap().push(format!("{name} {kind:?} {route} of {scope}"));
        match kind {
            SpanKind::Server => SamplingIntent::keep_without_threshold(),
            _ => SamplingIntent::DROP,
        }
    }

    fn description(&self) -> String {
        "Servers".to_owned()
    }
}

#[test]
fn a_sampler_of_the_program_sees_name_kind_and_fields() {
    let sampler = Servers::default();
    let bench = bench(|builder| builder.with_sampler(sampler.clone()));
    bench.within(|| {
        let span = info_span!("a", otel.kind = "server", http.route = "/a");
        span.in_scope(|| assert!(current().is_sampled()));
        let span = info_span!("b", otel.name = "named");
        span.in_scope(|| assert!(!current().is_sampled() && current().is_valid()));
        // It is never entered.
        drop(info_span!("c", otel.kind = "server"));
    });
    let seen = sampler.0.lock().unwrap().clone();
    let expected = [
        "a Server true of tracing",
        "named Internal false of tracing",
        "c Server false of tracing",
    ];
    assert_eq!(seen, expected);
    let spans = bench.finish();
    assert_eq!(spans.len(), 2);
    named(&spans, "a");
    named(&spans, "c");
}

#[test]
fn rules_on_fields_decide_about_spans() {
    let health = SpanPredicate::any().attribute("http.route", "/health");
    let rules = RuleBased::new().with_rule(health, Sampler::always_off());
    let sampler = rules.with_rule(SpanPredicate::any(), Sampler::always_on());
    let bench = bench(|builder| builder.with_sampler(sampler.parent_based()));
    bench.within(|| {
        for route in ["/health", "/orders", "/health"] {
            info_span!("request", http.route = route).in_scope(|| {
                info_span!("below").in_scope(|| tracing::info!("event"));
            });
        }
    });
    let ledger = bench.spanwise.ledger();
    assert_eq!((ledger.created, ledger.sampled_out), (6, 4));
    assert_eq!(bench.finish().len(), 2);
}

/// The threshold of a context, by the specification: up to 14 hexadecimal digits.
fn threshold(context: &SpanContext) -> Option<u64> {
    let member = context.trace_state().get("ot")?;
    let digits = member.split(';').find_map(|pair| pair.strip_prefix("th:"))?;
    Some(u64::from_str_radix(&format!("{digits:0<14}"), 16).unwrap())
}

#[test]
fn the_threshold_of_a_ratio_is_in_the_activated_context_and_in_children() {
    for activation in [true, false] {
        let bench = bench(|builder| builder.with_sampling_ratio(0.25));
        let layer = spanwise_tracing::layer(&bench.spanwise).with_context_activation(activation);
        let subscriber = tracing_subscriber::registry().with(layer);
        let sampled = tracing::subscriber::with_default(subscriber, || {
            let trace = |_: &i32| {
                let root = info_span!("root");
                let _entered = root.enter();
                let of = |span: &tracing::Span| {
                    let context = spanwise_tracing::OpenTelemetrySpanExt::context(span);
                    context.span().span_context().clone()
                };
                let (root, child) = (of(&root), of(&info_span!("child")));
                assert_eq!(activation, current() == root);
                assert_eq!(root.is_sampled(), child.is_sampled());
                assert_eq!(root.trace_id(), child.trace_id());
                let randomness = u128::from_be_bytes(root.trace_id().to_bytes()) as u64;
                let randomness = randomness & ((1 << 56) - 1);
                assert_eq!(root.is_sampled(), randomness >= (3 << 54));
                let expected = root.is_sampled().then_some(3 << 54);
                assert_eq!((threshold(&root), threshold(&child)), (expected, expected));
                root.is_sampled()
            };
            (0..400).filter(trace).count()
        });
        assert!((50..150).contains(&sampled), "{sampled}");
        let spans = bench.finish();
        assert_eq!(spans.len(), 2 * sampled);
        assert!(spans.iter().all(|span| span.trace_state.contains("th:c")));
    }
}

/// A remote parent with explicit randomness.
#[test]
fn the_randomness_of_a_parent_passes_through() {
    let bench = bench(|builder| builder.with_sampling_ratio(0.5));
    let parent = SpanContext::new(
        7.into(),
        9.into(),
        opentelemetry::TraceFlags::SAMPLED,
        true,
        "ot=rv:fffffffffffffe;th:8,vendor=x".parse().unwrap(),
    );
    bench.within(|| {
        let _attached = Context::new().with_remote_span_context(parent).attach();
        info_span!("server").in_scope(|| {
            let state = current().trace_state().header();
            assert!(state.contains("rv:fffffffffffffe") && state.contains("vendor=x"), "{state}");
        });
    });
    let spans = bench.finish();
    let state = &named(&spans, "server").trace_state;
    assert!(state.contains("rv:fffffffffffffe") && state.contains("vendor=x"), "{state}");
}

#[test]
fn limits_count_what_they_drop() {
    let limits = SpanLimits::default().with_attributes(2).with_events(1).with_links(1);
    let bench = bench(|builder| builder.with_span_limits(limits));
    bench.within(|| {
        let before = [info_span!("linked"), info_span!("linked")];
        let span = info_span!("span", a = 1, b = 2, c = ?3, d = tracing::field::Empty);
        span.record("d", 4);
        before.iter().for_each(|before| _ = span.follows_from(before));
        span.in_scope(|| (0..3).for_each(|_| tracing::info!("event")));
        let cx = spanwise_tracing::OpenTelemetrySpanExt::context(&span);
        cx.span().set_attribute(KeyValue::new("e", 5));
    });
    let spans = bench.finish();
    let span = named(&spans, "span");
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (2, 3));
    assert_eq!((span.events.len(), span.dropped_events_count), (1, 2));
    assert_eq!((span.links.len(), span.dropped_links_count), (1, 1));
}

/// A filter of the layer removes spans before they start; their children have the next parent.
#[test]
fn spans_that_a_filter_removes_are_not_created() {
    let bench = bench(|builder| builder);
    let layer = spanwise_tracing::layer(&bench.spanwise)
        .with_filter(tracing_subscriber::filter::LevelFilter::INFO);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("outer").in_scope(|| {
            tracing::debug_span!("hidden").in_scope(|| {
                tracing::debug!("hidden");
                info_span!("inner").in_scope(|| {});
            });
        });
    });
    assert_eq!(bench.spanwise.ledger().created, 2);
    let spans = bench.finish();
    crate::harness::assert_child(named(&spans, "inner"), named(&spans, "outer"));
}

#[test]
fn a_sampler_that_is_exchanged_decides_about_the_next_spans() {
    let bench = bench(|builder| builder);
    let mut expected = HashMap::new();
    bench.within(|| {
        let rules = Servers::default();
        let samplers: [(&str, Sampler, u64); 4] = [
            ("on", Sampler::always_on(), 1),
            ("off", Sampler::always_off(), 0),
            ("servers", rules.into(), 0),
            ("on again", Sampler::always_on(), 1),
        ];
        for (name, sampler, exported) in samplers {
            let open = info_span!("open", otel.kind = "server", sampler = name);
            bench.spanwise.set_sampler(sampler);
            open.in_scope(|| info_span!(parent: None, "span", sampler = name).in_scope(|| {}));
            expected.insert(name, exported);
        }
    });
    let ledger = bench.spanwise.ledger();
    let spans = bench.finish();
    assert_balanced(&bench.spanwise.ledger());
    assert_eq!(ledger.created, 8);
    for (name, count) in expected {
        let of_name = spans.iter().filter(|span| {
            span.name == "span"
                && crate::harness::attribute(span, "sampler") == crate::harness::text(name)
        });
        assert_eq!(of_name.count() as u64, count, "{name}");
    }
}
