//! Agreement with the samplers of `opentelemetry_sdk`.
#![cfg(feature = "opentelemetry")]

use crate::support;

use opentelemetry::trace::{SpanContext, TraceFlags, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler as StockSampler, SamplingDecision, ShouldSample};
use spanwise_sampling::{
    ApiAttributes, Attributes, Sampler, SamplingParameters, TraceIdRatioBased, Value, parent_of,
    trace_state_of,
};
use spanwise_testkit::SplitMix64;
use std::str::FromStr;
use support::Virtual;

#[test]
fn the_older_ratio_sampler_agrees_with_the_stock_sampler() {
    let (context, mut random) = (Virtual::new(), SplitMix64::new(1));
    for ratio in [0.0, 1e-18, 1e-9, 0.001, 0.1, 0.25, 1.0 / 3.0, 0.5, 0.75, 0.999_999_999, 1.0] {
        let ours = Sampler::from(TraceIdRatioBased::new(ratio).unwrap());
        let theirs = StockSampler::TraceIdRatioBased(ratio);
        let edge = u128::from((ratio * (1u64 << 63) as f64) as u64) << 1;
        let edges =
            [0, 1, edge.saturating_sub(2), edge.saturating_sub(1), edge, edge + 1, edge + 2];
        let random = (0..20_000)
            .map(|_| u128::from(random.next_u64()) << 64 | u128::from(random.next_u64()));
        for id in edges.into_iter().chain([u128::MAX]).chain(random) {
            let kind = opentelemetry::trace::SpanKind::Internal;
            let stock = theirs.should_sample(None, id.into(), "x", &kind, &[], &[]).decision;
            let sampled = ours.should_sample(&SamplingParameters::root(id, "x", &context)).sampled;
            assert_eq!(sampled, stock == SamplingDecision::RecordAndSample, "{ratio} {id:032x}");
        }
    }
}

#[test]
fn a_decision_edits_the_trace_state() {
    let clock = Virtual::new();
    let edited = |sampler: &Sampler, sampled: bool, id: u128, state: &str| {
        let flags = TraceFlags::default().with_sampled(sampled);
        let state = TraceState::from_str(state).unwrap();
        let context = SpanContext::new(id.into(), 9.into(), flags, true, state);
        let params = SamplingParameters {
            parent: parent_of(&context),
            ..SamplingParameters::root(id, "x", &clock)
        };
        let decision = sampler.should_sample(&params);
        trace_state_of(Some(context.trace_state()), &params, &decision).map(|state| state.header())
    };
    let half = Sampler::probability(0.5).unwrap();
    let high = 0x80_0000_0000_0000;
    assert_eq!(edited(&half, true, high, "a=b,ot=th:c;x:1"), Some("ot=th:8;x:1,a=b".into()));
    assert_eq!(edited(&half, true, 1, "a=b,ot=th:c"), Some("a=b".into()));
    assert_eq!(edited(&half, true, 1, "a=b"), None);
    assert_eq!(edited(&Sampler::default(), true, high, "a=b,ot=th:8"), None);
    assert_eq!(edited(&Sampler::default(), true, 1, "a=b,ot=th:8"), Some("a=b".into()));
    // A header has at most 32 members: the last one is removed.
    let full: Vec<String> = (0..32).map(|i| format!("k{i}=v")).collect();
    let state = edited(&half, true, high, &full.join(",")).unwrap();
    assert!(state.starts_with("ot=th:8,k0=v") && state.ends_with("k30=v"), "{state}");
}

#[test]
fn an_invalid_context_is_no_parent_and_attributes_are_found_by_key() {
    assert_eq!(parent_of(&SpanContext::NONE), None);
    let attributes = [KeyValue::new("a", 1), KeyValue::new("b", "two")];
    assert!(matches!(ApiAttributes(&attributes).get("b"), Some(Value::Str("two"))));
    assert!(ApiAttributes(&attributes).get("c").is_none());
    let _unused = Context::new();
}

#[test]
fn samplers_read_attributes_of_the_api_of_every_kind() {
    use opentelemetry::{Array, Value as ApiValue};
    let attributes = [
        KeyValue::new("text", "gold"),
        KeyValue::new("number", 7),
        KeyValue::new("list", ApiValue::Array(Array::I64(vec![1, 2]))),
    ];
    let attributes = ApiAttributes(&attributes);
    assert_eq!(attributes.get("text"), Some(Value::Str("gold")));
    assert_eq!(attributes.get("number"), Some(Value::I64(7)));
    assert_eq!(attributes.get("list"), Some(Value::I64s(&[1, 2])));
    assert_eq!(attributes.get("none"), None);
}
