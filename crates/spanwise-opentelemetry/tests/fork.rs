//! A forked child has a random generator of its own.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use opentelemetry::trace::{SpanKind, TraceId};
use opentelemetry_sdk::trace::{SamplingDecision, ShouldSample};
use spanwise_opentelemetry::OtelSampler;
use spanwise_sampling::{
    ComposableSampler, Sampler, SamplingIntent, SamplingParameters, Threshold,
};
use spanwise_testkit::in_forked_child;

/// A sampler that samples half of the spans by a random number for each span, and not by the trace.
#[derive(Debug)]
struct Coin;

impl ComposableSampler for Coin {
    fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        let half = Threshold::new(1 << 55);
        SamplingIntent { threshold: half, adjusted_count_reliable: false, ..SamplingIntent::DROP }
    }

    fn description(&self) -> String {
        "Coin".to_owned()
    }
}

/// 64 decisions, one bit each.
fn draws(sampler: &OtelSampler) -> u64 {
    (0..64).fold(0, |bits, _| {
        let id = TraceId::from(1);
        let result = sampler.should_sample(None, id, "x", &SpanKind::Internal, &[], &[]);
        bits << 1 | u64::from(result.decision == SamplingDecision::RecordAndSample)
    })
}

fn draws_of_a_child(sampler: &OtelSampler) -> u64 {
    let bytes = in_forked_child(|out| out.write_all(&draws(sampler).to_ne_bytes()).unwrap());
    u64::from_ne_bytes(bytes.try_into().unwrap())
}

#[test]
fn two_processes_draw_different_random_numbers() {
    let sampler = OtelSampler::from(Sampler::from(Coin));
    let before = draws(&sampler);
    let children = [draws_of_a_child(&sampler), draws_of_a_child(&sampler)];
    let mut all = vec![before, draws(&sampler)];
    all.extend(children);
    for bits in &all {
        assert!((8..=56).contains(&bits.count_ones()), "{bits:064b}");
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 4);
}
