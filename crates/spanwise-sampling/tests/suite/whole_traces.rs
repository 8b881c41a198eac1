//! Samplers that decide by time or by their history sample whole traces without `ParentBased`.

use crate::support;

use spanwise_sampling::{
    Adaptive, AlwaysRecord, AnnotatingSampler, DynamicSampler, JaegerRemote, JaegerStrategy,
    Parent, ParentBased, RateLimited, RuleBased, Sampler, SamplingParameters, SpanPredicate,
    XrayPoller, XrayRemote, XraySettings,
};
use spanwise_testkit::SplitMix64;
use support::Virtual;

/// Samplers that each sample some of the traces of a second and drop others.
fn samplers() -> Vec<Sampler> {
    let limited = || RateLimited::new(7.0).unwrap();
    let remote = |strategy: JaegerStrategy| {
        let remote = JaegerRemote::new(Sampler::always_on());
        remote.apply(&strategy);
        remote
    };
    let operations = || JaegerStrategy::PerOperation {
        default: 0.05,
        lower_bound: 3.0,
        operations: vec![("child 1".to_owned(), 1.0), ("child 2".to_owned(), 0.0)],
    };
    let xray = XrayRemote::new();
    let mut poller = XrayPoller::new(&XraySettings::default(), "shop", xray.clone(), 1);
    poller.request(0, 1_700_000_000).unwrap();
    let rules = br#"{"SamplingRuleRecords":[{"SamplingRule":{"RuleName":"r","Priority":1,
        "FixedRate":0.1,"ReservoirSize":1,"ServiceName":"*","ServiceType":"*","Host":"*",
        "HTTPMethod":"*","URLPath":"*","ResourceARN":"*","Version":1}}]}"#;
    assert!(poller.answered(1, 1_700_000_000, rules).unwrap());
    let adaptive = || Adaptive::builder().with_traces_per_second(7.0).build().unwrap();
    vec![
        limited().into(),
        adaptive().into(),
        remote(JaegerStrategy::RateLimiting(7.0)).into(),
        remote(operations()).into(),
        JaegerRemote::new(limited()).into(),
        XrayRemote::new().into(),
        xray.into(),
        RuleBased::new().with_rule(SpanPredicate::any(), limited()).into(),
        RuleBased::new()
            .with_rule(SpanPredicate::any().name("child*"), limited())
            .with_rule(SpanPredicate::any(), adaptive())
            .into(),
        AnnotatingSampler::new(limited()).with_attribute("by", "rate").into(),
        AlwaysRecord::new(AnnotatingSampler::new(remote(operations()))).into(),
        Sampler::from(limited()).parent_based(),
        ParentBased::new(adaptive()).with_local_sampled(limited()).into(),
    ]
}

#[test]
fn traces_are_sampled_whole_within_a_process() {
    for sampler in samplers() {
        let (context, live, mut random) =
            (Virtual::new(), DynamicSampler::new(sampler.clone()), SplitMix64::new(5));
        let mut sampled_traces = 0;
        for trace in 0..100 {
            context.set_seconds(f64::from(trace) / 100.0);
            let id = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
            let root = live
                .should_sample(&SamplingParameters::root(id, "GET /", &context), |decision| {
                    decision.sampled
                });
            sampled_traces += u32::from(root);
            for child in 1..5 {
                context.set_seconds(f64::from(trace) / 100.0 + f64::from(child) / 1000.0);
                let parent = Some(Parent::new(root, false, None));
                let name = format!("child {child}");
                let params =
                    SamplingParameters { parent, ..SamplingParameters::root(id, &name, &context) };
                let sampled = live.should_sample(&params, |decision| decision.sampled);
                assert_eq!(sampled, root, "{sampler}: trace {trace}, span {child}");
            }
        }
        assert!((1..100).contains(&sampled_traces), "{sampler} sampled {sampled_traces} of 100");
    }
}

#[test]
fn a_limit_counts_traces_not_spans() {
    // Five spans per trace, seven traces per second: seven traces, not one and a half.
    let (context, sampler) = (Virtual::new(), Sampler::from(RateLimited::new(7.0).unwrap()));
    let mut sampled_traces = 0;
    for id in 0..100 {
        let root = sampler.should_sample(&SamplingParameters::root(id, "x", &context)).sampled;
        sampled_traces += u32::from(root);
        for _ in 0..4 {
            let parent = Some(Parent::new(root, false, None));
            let _ = sampler.should_sample(&SamplingParameters {
                parent,
                ..SamplingParameters::root(id, "y", &context)
            });
        }
    }
    assert_eq!(sampled_traces, 7);
}

#[test]
fn a_limit_applies_where_a_trace_enters_the_process() {
    // Without `ParentBased` the limit applies to roots and to children of remote parents.
    let context = Virtual::new();
    let below = |sampler: &Sampler, sampled, remote| {
        let parent = Some(Parent::new(sampled, remote, None));
        sampler
            .should_sample(&SamplingParameters {
                parent,
                ..SamplingParameters::root(1, "x", &context)
            })
            .sampled
    };
    let bare = Sampler::from(RateLimited::new(1.0).unwrap());
    assert!(below(&bare, false, true) && !below(&bare, true, true));
    assert!(below(&bare, true, false) && !below(&bare, false, false));
    let based = Sampler::from(RateLimited::new(1.0).unwrap()).parent_based();
    assert!(!below(&based, false, true) && below(&based, true, true));
}

/// The parent was sampled with an unknown probability, as by an older SDK. A ratio below it samples
/// all spans of a trace or none, in every process, and its share of the traces.
#[test]
fn a_ratio_below_an_unknown_probability_samples_whole_traces() {
    let half = || Sampler::probability(0.5).unwrap();
    let (context, mut random) = (Virtual::new(), SplitMix64::new(7));
    for remote in [true, false] {
        let branches = ParentBased::new(Sampler::always_on());
        let sampler: Sampler =
            branches.with_remote_sampled(half()).with_local_sampled(half()).into();
        let live = DynamicSampler::new(sampler.clone());
        let mut sampled_traces = 0;
        for _ in 0..1_000 {
            let id = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
            let parent = Some(Parent::new(true, remote, None));
            let params =
                SamplingParameters { parent, ..SamplingParameters::root(id, "GET /", &context) };
            let decide = || live.should_sample(&params, |decision| decision.sampled);
            let first = decide();
            sampled_traces += u32::from(first);
            for _ in 0..10 {
                assert_eq!(decide(), first, "{sampler}: trace {id:x}");
            }
        }
        assert!((400..600).contains(&sampled_traces), "{sampled_traces} of 1,000");
    }
}
