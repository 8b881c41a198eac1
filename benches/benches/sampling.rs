//! Sampling decisions of Spanwise and of the stock SDK, without recording.
//!
//! `sample-root-*` decides about root spans, `sample-child-*` about spans with a parent. Each row first
//! makes a million decisions and has to sample the expected ratio of them. `spanwise` calls a sampler
//! with its parameters, `spanwise-word` decides as `spanwise-sdk` does (one load, and the sampler only
//! if that does not suffice), `spanwise-plugged` goes through the stock SDK's trait.

#[path = "../profiler.rs"]
mod profiler;

use criterion::{Criterion, criterion_group, criterion_main};
use opentelemetry::trace::{
    SpanContext, SpanKind, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler as StockSampler, SamplingDecision, ShouldSample};
use spanwise_opentelemetry::OtelSampler;
use spanwise_sampling::{
    Adaptive, AdaptiveKey, DynamicSampler, FastDecision, NoAttributes, Parent, Randomness,
    RateLimited, RuleBased, Sampler, SamplerContext, SamplingParameters, SpanKind as OurKind,
    SpanPredicate,
};
use std::hint::black_box;
use std::str::FromStr as _;
use std::time::Instant;

const TENTH: f64 = 0.1;

#[expect(clippy::expect_used, reason = "a bench that cannot start must fail")]
fn decisions(criterion: &mut Criterion) {
    let tenth = Sampler::probability(TENTH).expect("a probability");
    let context = Clock(Instant::now());

    let all = Rivals { ours: Sampler::default(), theirs: StockSampler::AlwaysOn };
    roots(criterion, "sample-root-on", 1.0, &all, &context);
    let (ours, theirs) = (tenth.clone().parent_based(), StockSampler::TraceIdRatioBased(TENTH));
    roots(criterion, "sample-root-ratio", TENTH, &Rivals { ours, theirs }, &context);

    // Samplers without a rival.
    let adaptive = |key| Adaptive::builder().with_traces_per_second(1e3).with_key(key).build();
    let rules = RuleBased::new()
        .with_rule(SpanPredicate::any().name("GET /health*"), Sampler::always_off())
        .with_rule(SpanPredicate::any().attribute("tenant", "gold"), Sampler::always_on())
        .with_rule(SpanPredicate::any(), tenth.clone());
    for (name, sampler) in [
        ("sample-root-rules", rules.into()),
        ("sample-root-limited", RateLimited::new(1e3).expect("a rate").into()),
        ("sample-root-adaptive", Sampler::from(adaptive(AdaptiveKey::None).expect("a target"))),
        (
            "sample-root-adaptive-keyed",
            Sampler::from(adaptive(AdaptiveKey::Name).expect("a target")),
        ),
    ] {
        let mut group = criterion.benchmark_group(name);
        let mut ids = Ids(1);
        group.bench_function("spanwise", |b| {
            b.iter(|| sampler.should_sample(&params(ids.next(), None, &context)).sampled);
        });
        group.finish();
    }

    // Below a parent of this process, and below one that brought a threshold.
    let theirs = StockSampler::ParentBased(Box::new(StockSampler::TraceIdRatioBased(TENTH)));
    let based = Rivals { ours: tenth.parent_based(), theirs };
    children(criterion, "sample-child-local", &based, &context, (false, ""));
    children(criterion, "sample-child-remote", &based, &context, (true, "ot=th:8,a=b"));
}

/// A sampler of Spanwise and its equal of the stock SDK.
struct Rivals {
    ours: Sampler,
    theirs: StockSampler,
}

fn roots(
    criterion: &mut Criterion,
    name: &str,
    ratio: f64,
    Rivals { ours: sampler, theirs }: &Rivals,
    context: &Clock,
) {
    let live = DynamicSampler::new(sampler.clone());
    let plugged = OtelSampler::new(live.clone());
    let word = |id: u128| match live.fast_decision(None) {
        FastDecision::Keep => true,
        FastDecision::Drop => false,
        FastDecision::Threshold(threshold) => threshold.keeps(Randomness::of_trace(id)),
        FastDecision::Evaluate => sampler.should_sample(&params(id, None, context)).sampled,
    };
    let ours = |id: u128| sampler.should_sample(&params(id, None, context)).sampled;
    let stock = |sampler: &dyn ShouldSample, id: u128| ask(sampler, None, id);
    assert_ratio(ratio, ours);
    assert_ratio(ratio, word);
    assert_ratio(ratio, |id| stock(&plugged, id));
    assert_ratio(ratio, |id| stock(theirs, id));

    let mut group = criterion.benchmark_group(name);
    let mut ids = Ids(1);
    group.bench_function("otel-sdk", |b| b.iter(|| stock(theirs, ids.next())));
    group.bench_function("spanwise-plugged", |b| b.iter(|| stock(&plugged, ids.next())));
    group.bench_function("spanwise", |b| b.iter(|| ours(ids.next())));
    group.bench_function("spanwise-word", |b| b.iter(|| word(ids.next())));
    group.finish();
}

#[expect(clippy::expect_used, reason = "a bench that cannot start must fail")]
fn children(
    criterion: &mut Criterion,
    name: &str,
    Rivals { ours: sampler, theirs }: &Rivals,
    clock: &Clock,
    (remote, state): (bool, &str),
) {
    // A trace id that the threshold of the parent keeps.
    let id = u128::MAX;
    let trace_state = TraceState::from_str(state).expect("a trace state");
    let context = SpanContext::new(id.into(), 9.into(), TraceFlags::SAMPLED, remote, trace_state);
    let ot = context.trace_state().get("ot").map(str::to_owned);
    let parent_context = Context::new().with_remote_span_context(context.clone());
    let live = DynamicSampler::new(sampler.clone());
    let plugged = OtelSampler::new(live.clone());
    let ours = |id: u128| {
        let parent = Parent::new(true, remote, ot.as_deref());
        sampler.should_sample(&params(id, Some(parent), clock)).sampled
    };
    let has_threshold = remote && ot.is_some();
    let word = |id: u128| match live.fast_decision(Some(black_box(true))) {
        _ if has_threshold => ours(id),
        FastDecision::Keep => true,
        FastDecision::Drop | FastDecision::Threshold(_) | FastDecision::Evaluate => false,
    };
    assert!(ours(id) && word(id));
    assert!(ask(&plugged, Some(&parent_context), id) && ask(theirs, Some(&parent_context), id));

    let mut group = criterion.benchmark_group(name);
    group.bench_function("otel-sdk", |b| b.iter(|| ask(theirs, Some(&parent_context), id)));
    group.bench_function("spanwise-plugged", |b| {
        b.iter(|| ask(&plugged, Some(&parent_context), id));
    });
    group.bench_function("spanwise", |b| b.iter(|| ours(black_box(id))));
    group.bench_function("spanwise-word", |b| b.iter(|| word(black_box(id))));
    group.finish();
}

fn params<'a>(id: u128, parent: Option<Parent<'a>>, context: &'a Clock) -> SamplingParameters<'a> {
    let (name, kind, scope) = ("GET /api/users/{id}", OurKind::Server, "bench");
    SamplingParameters {
        trace_id: id,
        parent,
        name,
        kind,
        scope,
        attributes: &NoAttributes,
        context,
    }
}

/// Calls the stock SDK's trait. Its result owns a trace state, which is dropped with it.
fn ask(sampler: &dyn ShouldSample, parent: Option<&Context>, id: u128) -> bool {
    let (name, attributes): (_, &[KeyValue]) = ("GET /api/users/{id}", &[]);
    let id = TraceId::from(id);
    let answer = sampler.should_sample(parent, id, name, &SpanKind::Server, attributes, &[]);
    answer.decision == SamplingDecision::RecordAndSample
}

/// Asserts that the sampler samples `ratio` of a million traces; a time without that is worthless.
fn assert_ratio(ratio: f64, samples: impl Fn(u128) -> bool) {
    let mut ids = Ids(7);
    let sampled = (0..1_000_000).filter(|_| samples(ids.next())).count() as f64 / 1e6;
    assert!((sampled - ratio).abs() < 0.002, "samples {sampled}, not {ratio}");
}

/// Trace ids, at the cost of a multiplication.
struct Ids(u64);

impl Ids {
    fn next(&mut self) -> u128 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        u128::from(self.0) * 0xd134_2543_de82_ef95_d134_2543_de82_ef95
    }
}

struct Clock(Instant);

impl SamplerContext for Clock {
    fn now(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }

    fn random(&self) -> u64 {
        self.now()
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_profiler(profiler::Pprof::default());
    targets = decisions
}
criterion_main!(benches);
