//! Samplers inside the stock SDK.

use opentelemetry::trace::{
    SpanContext, SpanKind, TraceContextExt, TraceFlags, TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData, SpanProcessor};
use spanwise_opentelemetry::OtelSampler;
use spanwise_sampling::{
    AlwaysRecord, AnnotatingSampler, ComposableSampler, DynamicSampler, JaegerRemote,
    JaegerStrategy, RateLimited, RuleBased, Sampler, SamplingIntent, SamplingParameters,
    SpanPredicate, Threshold, XrayRemote,
};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

struct Stock {
    provider: SdkTracerProvider,
    exporter: InMemorySpanExporter,
}

fn stock(sampler: impl Into<OtelSampler>) -> Stock {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .with_sampler(sampler.into())
        .build();
    Stock { provider, exporter }
}

impl Stock {
    fn start(&self, name: &'static str, parent: &Context) -> SpanContext {
        let tracer = self.provider.tracer("test");
        let builder = tracer.span_builder(name).with_kind(SpanKind::Server);
        let builder = builder.with_attributes([KeyValue::new("tenant", "gold")]);
        let span = builder.start_with_context(&tracer, parent);
        opentelemetry::trace::Span::span_context(&span).clone()
    }

    fn exported(&self) -> Vec<SpanData> {
        self.exporter.get_finished_spans().unwrap()
    }
}

fn remote(sampled: bool, id: u128, state: &str) -> Context {
    let flags = TraceFlags::default().with_sampled(sampled);
    let state = TraceState::from_str(state).unwrap();
    Context::new().with_remote_span_context(SpanContext::new(
        id.into(),
        9.into(),
        flags,
        true,
        state,
    ))
}

#[test]
fn a_sampled_root_writes_its_threshold() {
    let stock = stock(Sampler::probability(0.25).unwrap().parent_based());
    let threshold = Threshold::from_probability(0.25).unwrap().unwrap();
    let mut sampled_roots = 0;
    for _ in 0..1_000 {
        let context = stock.start("GET /", &Context::new());
        let id = u128::from_be_bytes(context.trace_id().to_bytes());
        let sampled = threshold.keeps(spanwise_sampling::Randomness::of_trace(id));
        assert_eq!(context.is_sampled(), sampled);
        assert_eq!(context.trace_state().header(), if sampled { "ot=th:c" } else { "" });
        sampled_roots += usize::from(sampled);
    }
    assert_eq!(stock.exported().len(), sampled_roots);
}

#[test]
fn children_follow_and_a_contradicting_threshold_is_erased() {
    let stock = stock(Sampler::probability(0.5).unwrap().parent_based());
    let high = 0x80_0000_0000_0000;
    for (sampled, id, state, after) in [
        (true, high, "a=b,ot=th:8", "a=b,ot=th:8"),
        (true, 1, "a=b,ot=th:8", "a=b"),
        (false, 1, "a=b,ot=th:8", "a=b,ot=th:8"),
        (false, high, "ot=th:8;x:1", "ot=x:1"),
        (true, 1, "", ""),
    ] {
        let context = stock.start("GET /", &remote(sampled, id, state));
        assert_eq!((context.is_sampled(), &*context.trace_state().header()), (sampled, after));
    }
}

#[test]
fn a_repeated_or_malformed_member_is_removed() {
    let half = || Sampler::probability(0.5).unwrap();
    for (sampler, sampled, own) in [
        (half().parent_based(), true, ""),
        (half(), true, "ot=th:8,"),
        (Sampler::always_on(), true, ""),
        (Sampler::always_off(), false, ""),
        (RateLimited::new(1e3).unwrap().into(), true, ""),
    ] {
        let stock = stock(sampler.clone());
        for state in [
            // "Only one entry per key is allowed" (W3C Trace Context, section tracestate).
            "ot=th:8,a=b,ot=th:c",
            "ot=x:1,ot=th:8,a=b,ot=th:8",
            // "the used keys MUST be unique" (OpenTelemetry, TraceState Handling).
            "a=b,ot=th:8;th:c",
            "a=b,ot=th:8;",
        ] {
            for remote in [true, false] {
                let context = SpanContext::new(
                    0x80_0000_0000_0000_u128.into(),
                    9.into(),
                    TraceFlags::SAMPLED,
                    remote,
                    TraceState::from_str(state).unwrap(),
                );
                let parent = Context::new().with_remote_span_context(context);
                let child = stock.start("GET /", &parent);
                let after = format!("{own}a=b");
                assert_eq!(child.trace_state().header(), after, "{sampler} {state} {remote}");
                assert_eq!(child.is_sampled(), sampled);
            }
        }
    }
}

#[test]
fn bare_samplers_sample_whole_traces() {
    let adaptive =
        spanwise_sampling::Adaptive::builder().with_traces_per_second(7.0).build().unwrap();
    let remote = JaegerRemote::new(Sampler::always_on());
    remote.apply(&JaegerStrategy::RateLimiting(7.0));
    for sampler in [
        Sampler::from(RateLimited::new(7.0).unwrap()),
        adaptive.into(),
        remote.into(),
        XrayRemote::new().into(),
        AnnotatingSampler::new(RateLimited::new(7.0).unwrap()).into(),
    ] {
        let stock = stock(sampler.clone());
        let tracer = stock.provider.tracer("test");
        for _ in 0..100 {
            let context = Context::new().with_span(tracer.start("root"));
            for _ in 0..4 {
                drop(tracer.start_with_context("child", &context));
            }
        }
        let mut traces = std::collections::HashMap::new();
        for span in stock.exported() {
            *traces.entry(span.span_context.trace_id()).or_insert(0) += 1;
        }
        assert!(!traces.is_empty(), "{sampler}");
        assert!(traces.values().all(|&spans| spans == 5), "{sampler}: {traces:?}");
    }
}

#[test]
fn attributes_decide_and_are_added() {
    let gold =
        SpanPredicate::any().attribute("tenant", "gold").kind(spanwise_sampling::SpanKind::Server);
    let marked = AnnotatingSampler::new(Sampler::always_on())
        .with_attribute("sampled.by", "rule")
        .with_attribute("weight", 2)
        .with_member("vendor", "x");
    let stock = stock(Sampler::from(RuleBased::new().with_rule(gold, marked)));
    let context = stock.start("GET /", &remote(true, 1, "a=b"));
    assert_eq!(context.trace_state().header(), "vendor=x,a=b");
    let spans = stock.exported();
    assert!(spans[0].attributes.contains(&KeyValue::new("sampled.by", "rule")));
    assert!(spans[0].attributes.contains(&KeyValue::new("weight", 2)));
}

#[test]
fn a_recorded_span_that_is_not_sampled_is_not_exported() {
    #[derive(Debug, Clone, Default)]
    struct Counting(Arc<AtomicUsize>);
    impl SpanProcessor for Counting {
        fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &Context) {}
        fn on_end(&self, span: SpanData) {
            assert!(!span.span_context.is_sampled());
            self.0.fetch_add(1, SeqCst);
        }
        fn force_flush(&self) -> opentelemetry_sdk::error::OTelSdkResult {
            Ok(())
        }
        fn shutdown_with_timeout(
            &self,
            _: std::time::Duration,
        ) -> opentelemetry_sdk::error::OTelSdkResult {
            Ok(())
        }
    }
    let (counting, exporter) = (Counting::default(), InMemorySpanExporter::default());
    let provider = SdkTracerProvider::builder()
        .with_span_processor(counting.clone())
        .with_simple_exporter(exporter.clone())
        .with_sampler(OtelSampler::from(Sampler::from(AlwaysRecord::new(Sampler::always_off()))))
        .build();
    drop(provider.tracer("test").start("x"));
    assert_eq!(counting.0.load(SeqCst), 1);
    assert!(exporter.get_finished_spans().unwrap().is_empty());
}

#[test]
fn the_sampler_can_be_exchanged() {
    let live = DynamicSampler::new(Sampler::always_off());
    let stock = stock(OtelSampler::new(live.clone()));
    assert!(!stock.start("x", &Context::new()).is_sampled());
    live.set(Sampler::always_on());
    assert!(stock.start("x", &Context::new()).is_sampled());
}

#[test]
fn an_adaptive_sampler_meets_its_target_by_the_roots_alone() {
    let adaptive =
        spanwise_sampling::Adaptive::builder().with_traces_per_second(20.0).build().unwrap();
    let stock = stock(Sampler::from(adaptive.clone()).parent_based());
    for _ in 0..5_000 {
        stock.start("GET /", &Context::new());
    }
    // A moment's burst is at most a second's worth, whatever time this machine takes.
    let state = adaptive.state();
    assert_eq!(state.sampled as usize, stock.exported().len());
    assert!(state.sampled > 0 && state.sampled < 5_000, "{state:?}");
}

/// As in `spanwise-sdk`: the panic of a user's sampler is not the caller's.
#[test]
fn a_span_follows_its_parent_when_the_sampler_panics() {
    #[derive(Debug)]
    struct Panicking;
    impl ComposableSampler for Panicking {
        fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
            std::panic::resume_unwind(Box::new("a sampler of the user's"))
        }
        fn description(&self) -> String {
            "Panicking".to_owned()
        }
    }
    let stock = stock(Sampler::from(Panicking));
    assert!(!stock.start("root", &Context::new()).is_sampled());
    for (sampled, state) in [(true, "a=b"), (false, "a=b"), (true, "")] {
        let child = stock.start("child", &remote(sampled, 7, state));
        assert_eq!((child.is_sampled(), &*child.trace_state().header()), (sampled, state));
    }
}
