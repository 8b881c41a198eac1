//! Consistency over a million ids: ratios nest, adjusted counts add up, thresholds hold along chains.

use crate::support;

use spanwise_sampling::{
    Parent, ParentThreshold, Sampler, SamplingParameters, Threshold, TraceStateUpdate,
};
use spanwise_testkit::SplitMix64;
use support::Virtual;

const IDS: u32 = 1_000_000;

fn id(random: &mut SplitMix64) -> u128 {
    u128::from(random.next_u64()) << 64 | u128::from(random.next_u64())
}

#[test]
fn traces_of_a_smaller_probability_are_a_subset_of_those_of_a_larger_one() {
    let probabilities = [1e-9, 1e-4, 0.01, 0.1, 0.3, 0.5, 0.9, 1.0];
    let samplers = probabilities.map(|probability| Sampler::probability(probability).unwrap());
    let (context, mut random) = (Virtual::new(), SplitMix64::new(1));
    let mut counts = [0u32; 8];
    for _ in 0..IDS {
        let params = SamplingParameters::root(id(&mut random), "x", &context);
        let decisions = samplers.each_ref().map(|sampler| sampler.should_sample(&params).sampled);
        assert!(decisions.is_sorted(), "{params:?}: {decisions:?}");
        for (count, decision) in counts.iter_mut().zip(decisions) {
            *count += u32::from(decision);
        }
    }
    for (count, probability) in counts.into_iter().zip(probabilities) {
        let expected = probability * f64::from(IDS);
        let scatter = 5.0 * expected.sqrt() + 1.0;
        // Four digits of the threshold are accurate to one part in 10,000.
        assert!(
            (f64::from(count) - expected).abs() < scatter + expected / 5e3,
            "{count} {probability}"
        );
    }
    assert_eq!(counts[7], IDS);
    for id in [0, u128::MAX, 1 << 56] {
        assert!(samplers[7].should_sample(&SamplingParameters::root(id, "x", &context)).sampled);
    }
}

#[test]
fn adjusted_counts_estimate_the_offered_roots() {
    let context = Virtual::new();
    let mut mean = 0.0;
    for seed in 0..200 {
        let mut random = SplitMix64::new(1000 + seed);
        // Ten services, each with its own probability.
        let samplers: Vec<Sampler> =
            (1..=10).map(|tenth| Sampler::probability(0.002 * f64::from(tenth)).unwrap()).collect();
        let roots = if seed == 0 { IDS } else { 20_000 };
        let mut estimate = 0.0;
        for root in 0..roots {
            let params = SamplingParameters::root(id(&mut random), "x", &context);
            let decision = samplers[root as usize % 10].should_sample(&params);
            if let (true, TraceStateUpdate::Write(threshold)) = (decision.sampled, decision.th) {
                estimate += threshold.adjusted_count();
            }
        }
        let ratio = estimate / f64::from(roots);
        assert!(roots < IDS || (ratio - 1.0).abs() < 0.05, "{ratio}");
        mean += ratio / 200.0;
    }
    assert!((mean - 1.0f64).abs() < 0.01, "{mean}");
}

#[test]
fn thresholds_never_fall_along_a_chain_of_services() {
    // A service that decides, one that follows, and one that may sample fewer traces.
    let first = Sampler::probability(0.3).unwrap().parent_based();
    let second = Sampler::from(ParentThreshold::new(Sampler::always_on()));
    let third = |probability| {
        let strict = Sampler::probability(probability).unwrap();
        Sampler::from(
            spanwise_sampling::ParentBased::new(Sampler::always_off()).with_remote_sampled(strict),
        )
    };
    let (context, mut random) = (Virtual::new(), SplitMix64::new(2));
    for step in 0..100_000u32 {
        let trace_id = id(&mut random);
        let mut before: Option<(bool, String, Threshold)> = None;
        let last = third(if step % 2 == 0 { 0.1 } else { 0.6 });
        for sampler in [&first, &second, &last] {
            let received = before.as_ref().map(|(_, member, _)| member.as_str());
            let mut params = SamplingParameters::root(trace_id, "x", &context);
            params.parent = before.as_ref().map(|(sampled, member, _)| {
                Parent::new(*sampled, true, Some(member.as_str()).filter(|m| !m.is_empty()))
            });
            let decision = sampler.should_sample(&params);
            let mut member = String::new();
            match decision.th {
                TraceStateUpdate::Pass => member.push_str(received.unwrap_or_default()),
                change => {
                    change.write_member(&params, &mut member);
                }
            }
            let floor = before.as_ref().map_or(Threshold::KEEP_ALL, |(_, _, th)| *th);
            let now = member.strip_prefix("th:").map_or(floor, |th| Threshold::parse(th).unwrap());
            assert!(now >= floor);
            assert!(!decision.sampled || now.keeps(params.randomness()), "{member}");
            before = Some((decision.sampled, member, now));
        }
    }
}
