//! A sampling decision, ours beside the stock SDK's, nothing recorded.
//!
//! `sample-root-*` decides traces that start here, `sample-child-*` spans below a parent. Each row
//! first answers a million questions and is held to the share it should keep. `spanwise` asks a
//! sampler with an params, `spanwise-word` asks as `spanwise-sdk` does (one load, and the sampler
//! only where that is not enough), `spanwise-plugged` goes through the stock SDK's trait.

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

#[expect(clippy::expect_used, reason = "a bench that cannot start has nothing to say")]
fn decisions(criterion: &mut Criterion) {
    let tenth = Sampler::probability(TENTH).expect("a probability");
    let context = Clock(Instant::now());

    roots(criterion, "sample-root-on", 1.0, &Sampler::default(), StockSampler::AlwaysOn, &context);
    let theirs = StockSampler::TraceIdRatioBased(TENTH);
    roots(criterion, "sample-root-ratio", TENTH, &tenth.clone().parent_based(), theirs, &context);

    // Samplers that nobody else has: no rival.
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
    let based = tenth.parent_based();
    let theirs = StockSampler::ParentBased(Box::new(StockSampler::TraceIdRatioBased(TENTH)));
    children(criterion, "sample-child-local", &based, &theirs, &context, false, "");
    children(criterion, "sample-child-remote", &based, &theirs, &context, true, "ot=th:8,a=b");
}

fn roots(
    criterion: &mut Criterion,
    name: &str,
    share: f64,
    sampler: &Sampler,
    theirs: StockSampler,
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
    holds(share, ours);
    holds(share, word);
    holds(share, |id| stock(&plugged, id));
    holds(share, |id| stock(&theirs, id));

    let mut group = criterion.benchmark_group(name);
    let mut ids = Ids(1);
    group.bench_function("otel-sdk", |b| b.iter(|| stock(&theirs, ids.next())));
    group.bench_function("spanwise-plugged", |b| b.iter(|| stock(&plugged, ids.next())));
    group.bench_function("spanwise", |b| b.iter(|| ours(ids.next())));
    group.bench_function("spanwise-word", |b| b.iter(|| word(ids.next())));
    group.finish();
}

#[expect(clippy::expect_used, reason = "a bench that cannot start has nothing to say")]
fn children(
    criterion: &mut Criterion,
    name: &str,
    sampler: &Sampler,
    theirs: &StockSampler,
    clock: &Clock,
    remote: bool,
    state: &str,
) {
    // An id that a half keeps, as the threshold says.
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
    let told = remote && ot.is_some();
    let word = |id: u128| match live.fast_decision(Some(black_box(true))) {
        _ if told => ours(id),
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

/// The stock SDK's question. Its answer owns a trace state, which is dropped with it.
fn ask(sampler: &dyn ShouldSample, parent: Option<&Context>, id: u128) -> bool {
    let (name, attributes): (_, &[KeyValue]) = ("GET /api/users/{id}", &[]);
    let id = TraceId::from(id);
    let answer = sampler.should_sample(parent, id, name, &SpanKind::Server, attributes, &[]);
    answer.decision == SamplingDecision::RecordAndSample
}

/// Keeps this share of a million traces, else its time says nothing.
fn holds(share: f64, keeps: impl Fn(u128) -> bool) {
    let mut ids = Ids(7);
    let kept = (0..1_000_000).filter(|_| keeps(ids.next())).count() as f64 / 1e6;
    assert!((kept - share).abs() < 0.002, "keeps {kept}, not {share}");
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

criterion_group!(benches, decisions);
criterion_main!(benches);
