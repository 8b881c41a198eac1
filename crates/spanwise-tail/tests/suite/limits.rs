//! The decisions of policies that count or hash: the cases of the Collector's own tests as tables.

use crate::support;

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use spanwise_tail::{
    BytesLimitingPolicy, Compat, CompositePolicy, Decision, NumericAttributePolicy, Policy,
    PolicyKind, ProbabilisticPolicy, RateLimitingPolicy,
};
use support::*;

const S: Decision = Decision::Sampled;
const N: Decision = Decision::NotSampled;

/// Sends one trace of `spans` spans after another, each decided at `times` seconds after the start.
fn decisions_at(
    kind: impl Into<PolicyKind>,
    compat: Compat,
    traces: &[(f64, u64)],
) -> Vec<Decision> {
    let settings =
        config(vec![policy(kind)]).with_compat(compat).with_decision_wait(Duration::ZERO);
    let mut world = World::new(&settings);
    let start = world.now;
    for (trace, (seconds, spans)) in (1..).zip(traces) {
        let at = start + Duration::from_secs_f64(*seconds);
        world.now = world.now.max(at);
        world.append(&request((1..=*spans).map(|id| span(trace, id)).collect()));
        world.pass(Duration::from_millis(50));
    }
    world.output.decisions.iter().map(|(_, decision, _)| *decision).collect()
}

#[test]
fn rate_limiting_is_a_token_bucket() {
    let limit = RateLimitingPolicy::new(3).with_burst_capacity(3);
    let at = |policy, traces: &[_]| decisions_at(policy, Compat::LATEST, traces);
    assert_eq!(at(limit, &[(0.0, 3), (0.0, 1)]), [S, N]);
    assert_eq!(at(limit.with_burst_capacity(2), &[(0.0, 3)]), [N]);
    assert_eq!(at(limit, &[(0.0, 4), (0.0, 3), (1.1, 3), (1.2, 1), (1.6, 1)]), [N, S, S, N, S]);
    // Twice the rate by default.
    assert_eq!(at(RateLimitingPolicy::new(3), &[(0.0, 6), (0.0, 1)]), [S, N]);
    assert_eq!(at(RateLimitingPolicy::new(3), &[(0.0, 7)]), [N]);
    // One trace each 50 ms: the eleventh gets the token of half a second.
    let eleven = at(RateLimitingPolicy::new(2), &[(0.0, 1); 11]);
    assert_eq!(eleven, [[S; 4].as_slice(), &[N; 6], &[S]].concat());
}

#[test]
fn rate_limiting_counted_seconds_before_v0_153() {
    let at =
        |limit, traces: &[_]| decisions_at(RateLimitingPolicy::new(limit), Compat::v0(152), traces);
    // The limit itself is excluded.
    assert_eq!(at(3, &[(0.1, 10), (0.2, 3), (0.3, 2), (0.4, 1)]), [N, N, S, N]);
    assert_eq!(at(3, &[(0.1, 2), (0.5, 2), (1.5, 2)]), [S, N, S]);
}

#[test]
fn bytes_limiting_measures_the_encoded_trace() {
    let size = request(vec![span(1, 1)]).len() as i64;
    // The size is exact up to the framing of the groups.
    let slack = 12;
    for (per_second, burst, times, expected) in [
        (size, size * 2, &[0.0][..], &[S][..]),
        (size, size + slack, &[0.0], &[S]),
        (size, size - slack, &[0.0], &[N]),
        (size, size * 3, &[0.0, 0.0], &[S, S]),
        (size, size + 2 * slack, &[0.0, 0.0], &[S, N]),
        // Twice the rate by default.
        (size + slack, 0, &[0.0, 0.0, 0.0], &[S, S, N]),
        (size * 2, size * 2 + 2 * slack, &[0.0, 0.0, 0.0, 0.6], &[S, S, N, S]),
    ] {
        let policy = BytesLimitingPolicy::new(per_second).with_burst_capacity(burst);
        let traces: Vec<_> = times.iter().map(|seconds| (*seconds, 1)).collect();
        let decisions = decisions_at(policy, Compat::LATEST, &traces);
        assert_eq!(decisions, expected, "{per_second} {burst} {times:?}");
    }
}

#[test]
fn probabilistic_samples_its_percentage() {
    let mut state = 123;
    let requests: Vec<Vec<u8>> = (0..100)
        .map(|_| {
            let ids: Vec<u128> = (0..1_000).map(|_| random_trace(&mut state)).collect();
            request(ids.into_iter().map(|id| span(id, 1)).collect())
        })
        .collect();
    for (percentage, salt, expected) in [
        (100.0, "", 100.0),
        (0.0, "", 0.0),
        (25.0, "", 25.0),
        (33.0, "", 33.0),
        (33.0, "test-salt", 33.0),
        (-50.0, "", 0.0),
        (150.0, "", 100.0),
    ] {
        let policy = ProbabilisticPolicy::new(percentage).with_hash_salt(salt);
        let mut world = World::new(&config(vec![support::policy(policy)]));
        for request in &requests {
            world.append(request);
            world.pass(DECIDED);
        }
        let sampled = world.sampler.counts().sampled_traces as f64 / 1_000.0;
        assert!((sampled - expected).abs() <= 0.2, "{percentage} {salt}: {sampled}");
    }
}

#[test]
fn probabilistic_hashes_as_the_collector() {
    // FNV-1a over the salt and the id, computed by an independent implementation.
    let reference = |salt: &str, id: u128| {
        let mut hash = 14_695_981_039_346_656_037u64;
        for byte in salt.bytes().chain(id.to_be_bytes()) {
            hash ^= u64::from(byte);
            hash = hash.wrapping_mul(1_099_511_628_211);
        }
        hash
    };
    for (salt, effective) in [("", "default-hash-seed"), ("a", "a")] {
        for id in [1, 2, 3, u128::MAX, 1 << 100] {
            let hash = reference(effective, id);
            let share = hash as f64 / u64::MAX as f64 * 100.0;
            let decision = |percentage: f64| {
                let policy = ProbabilisticPolicy::new(percentage).with_hash_salt(salt);
                decide(policy, &request(vec![span(id, 1)]))
            };
            assert_eq!(decision(share * (1.0 + 1e-12)), S, "{salt} {id}");
            assert_eq!(decision(share * (1.0 - 1e-12)), N, "{salt} {id}");
        }
    }
}

#[test]
fn probabilistic_by_trace_state_compares_randomness() {
    let decision = |percentage: f64, states: &[&str]| {
        let spans = states.iter().zip(1..).map(|(state, id)| Span {
            trace_state: (*state).to_owned(),
            ..span(0x40_0000_0000_0000, id)
        });
        let policy = policy(ProbabilisticPolicy::new(percentage));
        decide_by(&config(vec![policy]).with_use_trace_state(true), &request(spans.collect()))
    };
    let rv = "ot=rv:ffffffffffffff";
    for (percentage, states, expected) in [
        (50.0, &[rv][..], S),
        (50.0, &["ot=rv:40000000000000"], N),
        (0.0, &[rv], N),
        (100.0, &["ot=rv:00000000000000"], S),
        (100.0, &["ot=th:8"], S),
        (0.0, &["ot=th:0"], N),
        (50.0, &["", rv], S),
        // With a threshold, the low 56 bits of the trace id.
        (50.0, &["", "ot=th:c"], N),
        (80.0, &["ot=th:c"], S),
        // Without sampling information, the hash decides, which is 0.55 of its range for this id.
        (56.0, &[""], S),
        (55.0, &["vendor=1"], N),
        // A malformed trace state counts as none.
        (50.0, &["ot=th:zz", rv], S),
        (56.0, &["ot=rv:xyz"], S),
        (55.0, &["ot=rv:1"], N),
        (60.0, &["ot=rv:xyz", "ot=th:0"], N),
        // Below the least probability of a threshold.
        (1e-16, &[rv], N),
    ] {
        assert_eq!(decision(percentage, states), expected, "{percentage} {states:?}");
    }
}

#[test]
fn probabilistic_by_trace_state_samples_its_percentage() {
    let policy = policy(ProbabilisticPolicy::new(25.0));
    let mut world = World::new(&config(vec![policy]).with_use_trace_state(true));
    let mut state = 7;
    for request_number in 0..50u128 {
        // The ids count up, so that only the explicit randomness decides.
        let spans = (1..=1_000).map(|trace| Span {
            trace_state: format!("ot=rv:{:014x}", random(&mut state) >> 8),
            ..span(request_number * 1_000 + trace, 1)
        });
        let spans = spans.collect();
        world.append(&request(spans));
        world.pass(DECIDED);
    }
    let sampled = world.sampler.counts().sampled_traces as f64 / 500.0;
    assert!((sampled - 25.0).abs() <= 0.5, "{sampled}");
}

/// A composite policy of `[tag 0 to 100, tag 200 to 1,000]` with these allocations in percent.
fn composite(total: i64, first: i64, second: i64) -> CompositePolicy {
    let tag = Policy::new("first", NumericAttributePolicy::new("tag", 0, 100));
    let all = Policy::new("second", NumericAttributePolicy::new("tag", 200, 1_000));
    CompositePolicy::new(total, vec![tag, all])
        .with_allocation("first", first)
        .with_allocation("second", second)
}

/// The decisions about traces of one span with a tag, at seconds after the start.
fn tagged(policy: CompositePolicy, compat: Compat, traces: &[(f64, i64)]) -> Vec<Decision> {
    let settings = config(vec![support::policy(policy)])
        .with_compat(compat)
        .with_decision_wait(Duration::ZERO);
    let mut world = World::new(&settings);
    let start = world.now;
    for (trace, (seconds, tag)) in (1..).zip(traces) {
        world.now = start + Duration::from_secs_f64(*seconds);
        world.append(&request(vec![with(span(trace, 1), "tag", *tag)]));
        world.pass(Duration::ZERO);
    }
    world.output.decisions.iter().map(|(_, decision, _)| *decision).collect()
}

#[test]
fn composite_asks_in_order_and_limits_each_second() {
    let latest = Compat::LATEST;
    let mut both: Vec<(f64, i64)> = vec![(0.0, 50); 6];
    both.extend([(0.0, 300); 6]);
    both.extend([(1.0, 50); 6]);
    let five = |decision| [decision; 5];
    let mut expected = Vec::new();
    for _ in 0..3 {
        expected.extend(five(S));
        expected.push(N);
    }
    assert_eq!(tagged(composite(10, 50, 50), latest, &both), expected);
    // No sub-policy matches.
    assert_eq!(tagged(composite(10, 50, 50), latest, &[(0.0, 150)]), [N]);
    // The total is compared with each sub-policy alone.
    assert_eq!(
        tagged(composite(2, 100, 100), latest, &[(0.0, 50), (0.0, 50), (0.0, 300)]),
        [S, S, S]
    );
    let ten = |decision| [decision; 10];
    let bursts = [[(0.0, 50); 20].as_slice(), &[(1.0, 50); 10]].concat();
    assert_eq!(tagged(composite(10, 100, 0), latest, &bursts), [ten(S), ten(N), ten(S)].concat());
    let quiet = [(0.0, 50), (0.0, 300), (1.0, 150)];
    assert_eq!(tagged(composite(2, 50, 50), latest, &quiet), [S, S, N]);
    // A share without a percentage is an equal one.
    assert_eq!(tagged(composite(2, 0, 0), latest, &[(0.0, 50), (0.0, 50)]), [S, N]);
}

#[test]
fn composite_shares_are_named_or_equal() {
    let mut policy = composite(4, 50, 50);
    policy.rate_allocation.pop();
    let traces = [(0.0, 300), (0.0, 300), (0.0, 300)];
    assert_eq!(tagged(policy.clone(), Compat::v0(158), &traces), [N, N, N]);
    assert_eq!(tagged(policy, Compat::v0(159), &traces), [S, S, N]);
}

#[test]
fn an_exhausted_sub_policy_does_not_fall_through() {
    let all = Policy::new("all", PolicyKind::AlwaysSample);
    let first = Policy::new("first", NumericAttributePolicy::new("tag", 0, 100));
    let policy = CompositePolicy::new(10, vec![first, all])
        .with_allocation("first", 10)
        .with_allocation("all", 90);
    assert_eq!(tagged(policy, Compat::LATEST, &[(0.0, 1), (0.0, 1), (0.0, 500)]), [S, N, S]);
}
