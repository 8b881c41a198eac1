//! Replacing a sampler while threads start spans.

use crate::support;

use proptest::prelude::*;
use spanwise_sampling::{
    ComposableSampler, DynamicSampler, FastDecision, Parent, ParentBased, RateLimited, Sampler,
    SamplingIntent, SamplingParameters, TraceIdRatioBased, TraceStateUpdate,
};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use support::Virtual;

fn samplers() -> Vec<Sampler> {
    let probability = |p| Sampler::probability(p).unwrap();
    vec![
        Sampler::always_on(),
        Sampler::always_off(),
        probability(0.5),
        probability(1e-12),
        probability(1.0),
        Sampler::default(),
        Sampler::always_off().parent_based(),
        probability(0.3).parent_based(),
        Sampler::default().parent_based(),
        TraceIdRatioBased::new(0.5).unwrap().into(),
        ParentBased::composite().unwrap().into(),
        RateLimited::new(1e9).unwrap().into(),
    ]
}

proptest! {
    #[test]
    fn the_fast_decision_agrees_with_the_sampler(
        which in 0usize..12,
        id in any::<u128>(),
        parent in proptest::option::of((any::<bool>(), any::<bool>(), 0usize..4)),
    ) {
        let live = DynamicSampler::new(samplers()[which].clone());
        let context = Virtual::new();
        let states = [None, Some("th:8"), Some("rv:00000000000000"), Some("x:1")];
        // The trace state of a local parent does not contradict its flag.
        let parent = parent.filter(|&(_, remote, state)| remote || state == 0);
        let has_state = parent.is_some_and(|(_, _, state)| state > 0);
        let params = SamplingParameters {
            parent: parent.map(|(sampled, remote, state)| Parent::new(sampled, remote, states[state])),
            ..SamplingParameters::root(id, "x", &context)
        };
        let (sampled, th) = live.should_sample(&params, |decision| (decision.sampled, decision.th));
        match live.fast_decision(parent.map(|(sampled, ..)| sampled)) {
            // The caller evaluates the sampler for such parents.
            _ if has_state => {}
            FastDecision::Keep => prop_assert_eq!((sampled, th), (true, TraceStateUpdate::Pass)),
            FastDecision::Drop => prop_assert_eq!((sampled, th), (false, TraceStateUpdate::Pass)),
            FastDecision::Threshold(threshold) => {
                prop_assert_eq!(sampled, threshold.keeps(params.randomness()));
                prop_assert!(!sampled || th == TraceStateUpdate::Write(threshold) || th == TraceStateUpdate::Pass);
            }
            FastDecision::Evaluate => prop_assert!(which >= 8),
        }
    }
}

#[test]
fn threads_decide_while_samplers_are_replaced() {
    let live = DynamicSampler::new(Sampler::always_on());
    let context = Virtual::new();
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                let params = SamplingParameters::root(1, "x", &context);
                while !done.load(Relaxed) {
                    live.should_sample(&params, |decision| std::hint::black_box(decision.sampled));
                    std::hint::black_box(live.fast_decision(None));
                }
            });
        }
        for round in 0..2_000 {
            let samplers = samplers();
            live.set(samplers[round % samplers.len()].clone());
        }
        live.set(Sampler::always_off());
        done.store(true, Relaxed);
    });
    assert_eq!(live.fast_decision(None), FastDecision::Drop);
    assert_eq!(live.to_string(), "AlwaysOffSampler");
    assert!(
        !live.should_sample(&SamplingParameters::root(1, "x", &context), |decision| decision
            .sampled)
    );
}

/// The destructor sets another sampler, and then panics.
#[test]
fn the_destructor_of_a_replaced_sampler_may_set_another_and_panic() {
    #[derive(Debug)]
    struct Back(DynamicSampler);
    impl ComposableSampler for Back {
        fn sampling_intent(&self, _: &SamplingParameters<'_>) -> SamplingIntent<'_> {
            SamplingIntent::keep_without_threshold()
        }
        fn description(&self) -> String {
            "Back".to_owned()
        }
    }
    impl Drop for Back {
        fn drop(&mut self) {
            self.0.set(Sampler::always_off());
            panic!("on purpose");
        }
    }
    let live = DynamicSampler::new(Sampler::always_on());
    live.set(Back(live.clone()));
    live.set(Sampler::always_on());
    assert_eq!(live.fast_decision(None), FastDecision::Drop, "the destructor ran last");
}
