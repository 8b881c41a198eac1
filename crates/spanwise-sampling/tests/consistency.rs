//! Over a million ids: ratios nest, counts add up, chains keep their word.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_sampling::{
    Parent, ParentThreshold, Sampler, SamplingParameters, Threshold, TraceStateUpdate,
};
use spanwise_testkit::SplitMix64;
use support::Virtual;

const IDS: u32 = 1_000_000;

fn id(dice: &mut SplitMix64) -> u128 {
    u128::from(dice.next_u64()) << 64 | u128::from(dice.next_u64())
}

#[test]
fn smaller_probabilities_keep_a_part_of_what_larger_ones_keep() {
    let probabilities = [1e-9, 1e-4, 0.01, 0.1, 0.3, 0.5, 0.9, 1.0];
    let samplers = probabilities.map(|probability| Sampler::probability(probability).unwrap());
    let (host, mut dice) = (Virtual::new(), SplitMix64::new(1));
    let mut kept = [0u32; 8];
    for _ in 0..IDS {
        let params = SamplingParameters::root(id(&mut dice), "x", &host);
        let decisions = samplers.each_ref().map(|sampler| sampler.should_sample(&params).sampled);
        assert!(decisions.is_sorted(), "{params:?}: {decisions:?}");
        for (kept, decision) in kept.iter_mut().zip(decisions) {
            *kept += u32::from(decision);
        }
    }
    for (kept, probability) in kept.into_iter().zip(probabilities) {
        let expected = probability * f64::from(IDS);
        let scatter = 5.0 * expected.sqrt() + 1.0;
        // Four digits of the threshold are good for one part in 10,000.
        assert!(
            (f64::from(kept) - expected).abs() < scatter + expected / 5e3,
            "{kept} {probability}"
        );
    }
    assert_eq!(kept[7], IDS);
    for id in [0, u128::MAX, 1 << 56] {
        assert!(samplers[7].should_sample(&SamplingParameters::root(id, "x", &host)).sampled);
    }
}

#[test]
fn adjusted_counts_estimate_what_was_offered() {
    let host = Virtual::new();
    let mut mean = 0.0;
    for seed in 0..200 {
        let mut dice = SplitMix64::new(1000 + seed);
        // Ten services, each with its own probability.
        let samplers: Vec<Sampler> =
            (1..=10).map(|tenth| Sampler::probability(0.002 * f64::from(tenth)).unwrap()).collect();
        let roots = if seed == 0 { IDS } else { 20_000 };
        let mut estimate = 0.0;
        for root in 0..roots {
            let params = SamplingParameters::root(id(&mut dice), "x", &host);
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
fn along_a_chain_thresholds_do_not_fall_and_are_kept() {
    // A service that decides, one that follows, and one that may keep less.
    let first = Sampler::probability(0.3).unwrap().parent_based();
    let second = Sampler::from(ParentThreshold::new(Sampler::always_on()));
    let third = |probability| {
        let strict = Sampler::probability(probability).unwrap();
        Sampler::from(
            spanwise_sampling::ParentBased::new(Sampler::always_off()).with_remote_sampled(strict),
        )
    };
    let (host, mut dice) = (Virtual::new(), SplitMix64::new(2));
    for step in 0..100_000u32 {
        let trace_id = id(&mut dice);
        let mut before: Option<(bool, String, Threshold)> = None;
        let last = third(if step % 2 == 0 { 0.1 } else { 0.6 });
        for sampler in [&first, &second, &last] {
            let told = before.as_ref().map(|(_, member, _)| member.as_str());
            let mut params = SamplingParameters::root(trace_id, "x", &host);
            params.parent = before.as_ref().map(|(sampled, member, _)| {
                Parent::new(*sampled, true, Some(member.as_str()).filter(|m| !m.is_empty()))
            });
            let decision = sampler.should_sample(&params);
            let mut member = String::new();
            match decision.th {
                TraceStateUpdate::Pass => member.push_str(told.unwrap_or_default()),
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
