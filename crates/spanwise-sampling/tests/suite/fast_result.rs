//! The fast results equal those of evaluating the sampler.

use crate::support;

use opentelemetry::trace::{SpanContext, TraceFlags, TraceState};
use proptest::prelude::*;
use spanwise_sampling::{
    Adaptive, ApiAttributes, DynamicSampler, FastResult, ParentBased, RateLimited, Sampler,
    SamplingParameters, Threshold, TraceIdRatioBased, parent_of, trace_state_of,
};
use spanwise_wire::SpanKind;
use support::Virtual;

/// The thresholds of parents and samplers, so that both often are equal.
fn threshold() -> impl Strategy<Value = Threshold> {
    prop_oneof![
        3 => prop::sample::select(vec![0, 1 << 55, 0xe666 << 40, 0xfd7 << 44, 1, (1 << 56) - 1]),
        1 => 0..1u64 << 56,
    ]
    .prop_map(|value| Threshold::new(value).unwrap())
}

/// A header with one `ot` member as samplers write it, or with members that are in the way.
fn header() -> impl Strategy<Value = String> {
    let fixed = [
        "",
        "a=b",
        "ot=",
        "ot=th:8;th:8",
        "ot=th:80",
        "ot=th:00",
        "ot=th:",
        "ot=th",
        "ot=th8",
        "ot=TH:8",
        "ot=th:8;",
        "ot=th:g",
        "ot=th:0123456789abcde",
        "ot=x:1;th:8",
        "ot=th:8;x:1",
        "ot=rv:ffffffffffffff",
        "ot=rv:00000000000000;th:8",
        "ot=th:8,ot=th:8",
        "ot=th:8,a=b",
        "a=b,ot=th:8",
        "ott=th:8",
        "o=th:8",
    ];
    prop_oneof![
        4 => threshold().prop_map(|threshold| format!("ot=th:{threshold}")),
        1 => (threshold(), threshold()).prop_map(|(a, b)| format!("ot=th:{a},a=b,ot=th:{b}")),
        2 => prop::sample::select(fixed.map(String::from).to_vec()),
    ]
}

/// Parents whose trace state is as propagated, also an empty list.
fn trace_state() -> impl Strategy<Value = TraceState> {
    header().prop_map(|header| match &*header {
        // `delete` leaves a list without members, which differs from no list.
        "ott=th:8" => "a=b".parse::<TraceState>().unwrap().delete("a").unwrap(),
        header => header.parse().unwrap_or_default(),
    })
}

/// A trace id whose randomness is far from, or at, a threshold.
fn trace_id() -> impl Strategy<Value = u128> {
    let at = (threshold(), -1i64..2).prop_map(|(threshold, by)| {
        u128::from(threshold.value().wrapping_add_signed(by) & ((1 << 56) - 1)) | 1 << 100
    });
    prop_oneof![at, 1..=u128::MAX]
}

fn sampler() -> impl Strategy<Value = Sampler> {
    let own = |(threshold, parent_based): (Threshold, bool)| {
        // The least probability that a sampler accepts is 2^-56.
        let sampler = Sampler::probability(threshold.probability()).unwrap();
        if parent_based { sampler.parent_based() } else { sampler }
    };
    let others: Vec<Sampler> = vec![
        Sampler::default(),
        Sampler::always_on(),
        Sampler::always_off(),
        Sampler::always_off().parent_based(),
        TraceIdRatioBased::new(0.5).unwrap().into(),
        Sampler::from(TraceIdRatioBased::new(0.5).unwrap()).parent_based(),
        ParentBased::new(Sampler::always_on()).with_local_sampled(Sampler::always_off()).into(),
        RateLimited::new(10.0).unwrap().into(),
        Adaptive::builder().with_traces_per_second(10.0).build().unwrap().into(),
    ];
    prop_oneof![
        3 => (threshold(), any::<bool>()).prop_map(own),
        1 => prop::sample::select(others),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_fast_result_is_the_result_of_the_sampler(
        sampler in sampler(),
        id in trace_id(),
        parent in prop::option::weighted(0.8, (trace_state(), 0u8..4, any::<bool>())),
    ) {
        let live = DynamicSampler::new(sampler.clone());
        let parent = parent.map(|(state, flags, remote)| {
            SpanContext::new(id.into(), 9.into(), TraceFlags::new(flags), remote, state)
        });
        let result = live.fast_result(parent.as_ref(), id);
        let context = Virtual::new();
        let params = SamplingParameters {
            trace_id: id,
            parent: parent.as_ref().and_then(parent_of),
            name: "span",
            kind: SpanKind::Internal,
            scope: "",
            attributes: &ApiAttributes(&[]),
            context: &context,
        };
        let inherited = parent.as_ref().map(SpanContext::trace_state);
        let expected = sampler.should_sample(&params);
        let state = trace_state_of(inherited, &params, &expected)
            .unwrap_or_else(|| inherited.cloned().unwrap_or_default());
        let (sampled, written) = match result {
            FastResult::Keep => (true, TraceState::NONE),
            FastResult::Drop => (false, TraceState::NONE),
            FastResult::KeepWithThreshold(threshold) => {
                let member = [("ot", format!("th:{threshold}"))];
                (true, TraceState::from_key_value(member).unwrap())
            }
            FastResult::Evaluate => {
                let by_threshold = sampler.to_string().contains("ProbabilitySampler");
                prop_assert!(parent.is_some() || !by_threshold, "{}", sampler);
                return Ok(());
            }
        };
        prop_assert_eq!(sampled, expected.sampled, "{} below {:?}", sampler, parent);
        prop_assert_eq!(written, state, "{} below {:?}", sampler, parent);
        prop_assert!(!expected.malformed && expected.annotations.is_empty());
        prop_assert!(!expected.randomness_assumed, "{} below {:?}", sampler, parent);
    }
}

#[test]
fn a_trace_of_one_threshold_needs_no_evaluation() {
    let (low, high) = (1u128 << 100 | 1, 1u128 << 100 | 0xff << 48);
    let half = || Sampler::probability(0.5).unwrap();
    for sampler in [half(), half().parent_based()] {
        let live = DynamicSampler::new(sampler);
        assert_eq!(live.fast_result(None, low), FastResult::Drop);
        let threshold = match live.fast_result(None, high) {
            FastResult::KeepWithThreshold(threshold) => threshold,
            other => panic!("{other:?}"),
        };
        assert_eq!(threshold.value(), 1 << 55);
        for remote in [false, true] {
            for flags in [TraceFlags::SAMPLED, TraceFlags::new(3)] {
                let state: TraceState = "ot=th:8".parse().unwrap();
                let parent = SpanContext::new(high.into(), 9.into(), flags, remote, state);
                let below = live.fast_result(Some(&parent), high);
                assert_eq!(below, FastResult::KeepWithThreshold(threshold), "{parent:?}");
            }
        }
    }
    // The default sampler follows the thresholds of its callers.
    let follower = DynamicSampler::new(Sampler::default());
    for th in ["0", "8", "e666", "00000000000001"] {
        let state: TraceState = format!("ot=th:{th}").parse().unwrap();
        let parent = SpanContext::new(high.into(), 9.into(), TraceFlags::SAMPLED, true, state);
        let expected = FastResult::KeepWithThreshold(Threshold::parse(th).unwrap());
        assert_eq!(follower.fast_result(Some(&parent), high), expected);
    }
}
