//! Decisions do not allocate.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_sampling::{
    Adaptive, AdaptiveKey, AnnotatingSampler, DynamicSampler, JaegerRemote, JaegerStrategy, Parent,
    ParentBased, RateLimited, RuleBased, Sampler, SamplingParameters, SpanPredicate,
    TraceIdRatioBased, XrayPoller, XrayRemote, XraySettings,
};
use spanwise_testkit::SplitMix64;
use spanwise_testkit::{CountingAllocator, allocator};
use support::{Virtual, child};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn no_sampler_allocates_after_its_first_decisions() {
    let half = || Sampler::probability(0.5).unwrap();
    let adaptive =
        |key| Adaptive::builder().with_traces_per_second(1e3).with_key(key).build().unwrap();
    let remote = JaegerRemote::new(half());
    let operations = vec![("GET /a".to_owned(), 0.5)];
    remote.apply(&JaegerStrategy::PerOperation { default: 0.1, lower_bound: 1.0, operations });
    let rules = RuleBased::new()
        .with_rule(SpanPredicate::any().name("GET /health*"), Sampler::always_off())
        .with_rule(SpanPredicate::any(), half());
    let xray = XrayRemote::new();
    let mut poller = XrayPoller::new(&XraySettings::default(), "shop", xray.clone(), 1);
    poller.request(0, 0).unwrap();
    let records = br#"{"SamplingRuleRecords":[{"SamplingRule":{"RuleName":"a","Priority":1,
        "FixedRate":0.5,"ReservoirSize":1,"URLPath":"/a*?","HTTPMethod":"*"}}]}"#;
    assert_eq!(poller.answered(0, 0, records), Ok(true));
    let samplers: Vec<Sampler> = vec![
        Sampler::default(),
        half(),
        TraceIdRatioBased::new(0.5).unwrap().into(),
        ParentBased::composite().unwrap().into(),
        rules.into(),
        AnnotatingSampler::new(half()).with_attribute("a", "b").into(),
        RateLimited::new(100.0).unwrap().into(),
        adaptive(AdaptiveKey::None).into(),
        adaptive(AdaptiveKey::Name).into(),
        remote.into(),
        xray.into(),
    ];
    let context = Virtual::new();
    for sampler in samplers {
        let live = DynamicSampler::new(sampler.clone());
        let mut random = SplitMix64::new(1);
        let mut decide = |rounds: u32| {
            for round in 0..rounds {
                // Twenty periods of the adaptive samplers.
                context.set_seconds(f64::from(round) / 1e3);
                let id = u128::from(random.next_u64());
                for name in ["GET /a", "GET /b"] {
                    live.should_sample(&SamplingParameters::root(id, name, &context), |decision| {
                        decision.sampled
                    });
                }
                let parent = Parent::new(true, true, Some("rv:ffffffffffffff;th:8;x:1"));
                let _ = sampler.should_sample(&child(&context, id, parent));
                let _ = live.fast_decision(Some(true));
            }
        };
        decide(1_000);
        let counts = allocator::allocations_on_this_thread(|| decide(20_000));
        assert_eq!(counts.allocations, 0, "{sampler}");
    }
}
