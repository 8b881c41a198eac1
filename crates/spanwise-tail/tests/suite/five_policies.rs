//! A usual configuration of the Collector, from its file to its decisions.

use crate::support;

use spanwise_config::Document;
use spanwise_tail::{Decision, TailSamplingConfig};
use support::*;

/// Errors, slow traces, important services, a tenth of the rest, and up to 100 spans per second.
const FIVE_POLICIES: &str = "
processors:
  tail_sampling:
    decision_wait: 10s
    num_traces: 100000
    expected_new_traces_per_sec: 10000
    policies:
      - name: error-traces
        type: status_code
        status_code: {status_codes: [ERROR]}
      - name: slow-traces
        type: latency
        latency: {threshold_ms: 1000}
      - name: important-service
        type: string_attribute
        string_attribute: {key: service.name, values: [payment-service, auth-service]}
      - name: random-sample
        type: probabilistic
        probabilistic: {sampling_percentage: 10}
      - name: rate-limiting
        type: rate_limiting
        rate_limiting: {spans_per_second: 100}
";

#[test]
fn the_usual_five_policies_decide_as_documented() {
    let document = Document::parse("collector.yaml", FIVE_POLICIES.as_bytes(), |_| None).unwrap();
    let read = TailSamplingConfig::from_document(&document, None).unwrap();
    assert!(read.warnings.is_empty());
    let mut world = World::new(&read.value);
    let service =
        |name: &str, span| resource_request(vec![attribute("service.name", name)], vec![span]);
    // More spans than the burst of the rate: only the other policies sample them.
    let large = |trace: u128| {
        let spans = (1..=201).map(|id| span(trace, id)).collect();
        resource_request(vec![attribute("service.name", "shop")], spans)
    };
    world.append(&service("shop", with_status(span(1, 1), 2)));
    world.append(&service("shop", with_times(span(2, 1), 0, 1_001)));
    world.append(&service("payment-service", span(3, 1)));
    world.append(&service("auth-service", span(4, 1)));
    let ids = (1..=300u128).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    for trace in ids {
        world.append(&large(trace));
    }
    world.append(&service("shop", span(5, 1)));
    world.pass(DECIDED);
    let by = |trace: u128| {
        let decided = world.output.decisions.iter().find(|(id, ..)| *id == trace);
        decided.map(|(_, decision, policy)| (*decision, policy.clone().unwrap_or_default()))
    };
    assert_eq!(by(1), Some((Decision::Sampled, "error-traces".to_owned())));
    assert_eq!(by(2), Some((Decision::Sampled, "slow-traces".to_owned())));
    assert_eq!(by(3), Some((Decision::Sampled, "important-service".to_owned())));
    assert_eq!(by(4), Some((Decision::Sampled, "important-service".to_owned())));
    assert_eq!(by(5), Some((Decision::Sampled, "rate-limiting".to_owned())));
    let random = world
        .output
        .decisions
        .iter()
        .filter(|(_, _, policy)| policy.as_deref() == Some("random-sample"));
    let random = random.count();
    assert!((15..=45).contains(&random), "{random}");
    assert_eq!(world.sampler.counts().sampled_traces as usize, random + 5);
}
