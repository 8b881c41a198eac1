//! The behaviour of the sampler over time: the cases of the Collector's own tests, and the limits.

use crate::support;

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use spanwise_tail::{
    Decision, LatencyPolicy, Policy, PolicyKind, ProbabilisticPolicy, SamplingStrategy,
    ShardedTailSampler, SpanCountPolicy, StringAttributePolicy, TailSampler, TailSamplingConfig,
};
use spanwise_wire::StatusCode;
use support::*;

fn all() -> TailSamplingConfig {
    config(vec![policy(PolicyKind::AlwaysSample)])
}

fn errors() -> Policy {
    Policy::new("errors", PolicyKind::StatusCode(vec![StatusCode::Error]))
}

#[test]
fn a_trace_is_decided_when_its_wait_is_over() {
    let mut world = World::new(&all());
    world.append(&request(vec![span(1, 1)]));
    world.pass(Duration::from_secs(5));
    world.append(&request(vec![span(1, 2)]));
    world.pass(Duration::from_millis(4_999));
    assert!(world.output.decisions.is_empty());
    assert_eq!(world.sampler.next_tick(), Some(world.now + Duration::from_millis(1)));
    world.pass(Duration::from_millis(1));
    assert_eq!(world.output.decisions, [(1, Decision::Sampled, Some("p".to_owned()))]);
    let names: Vec<String> = world.output.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["span 1", "span 2"]);
    assert_eq!(world.sampler.next_tick(), None);
}

#[test]
fn a_wait_below_a_second_is_as_exact() {
    let mut world = World::new(&all().with_decision_wait(Duration::from_millis(500)));
    world.append(&request(vec![span(1, 1)]));
    world.pass(Duration::from_millis(499));
    assert!(world.output.decisions.is_empty());
    world.pass(Duration::from_millis(51));
    assert_eq!(world.output.traces(), [1]);
}

#[test]
fn the_parts_of_a_trace_leave_together() {
    let mut world = World::new(&all());
    // One, two and three requests for the traces.
    for part in 1..=3u64 {
        let traces = u128::from(part)..=3;
        world.append(&request(traces.map(|trace| span(trace, part)).collect()));
        world.pass(Duration::from_secs(1));
    }
    assert!(world.output.requests.is_empty());
    world.pass(DECIDED);
    let [request] = world.output.requests.as_slice() else { panic!("one request") };
    let mut spans: Vec<(u8, u8)> = Vec::new();
    for resource in decode(request).resource_spans {
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push((span.trace_id[15], span.span_id[7]));
        }
    }
    // Each trace is whole before the next one begins.
    assert_eq!(spans, [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)]);
}

#[test]
fn the_root_shortens_the_wait_and_never_extends_it() {
    let config = all().with_decision_wait_after_root_received(Duration::from_secs(2));
    let mut world = World::new(&config);
    world.append(&request(vec![span(1, 2), span(2, 2)]));
    world.pass(Duration::from_secs(1));
    world.append(&request(vec![span(1, 1)]));
    world.pass(Duration::from_millis(2_050));
    assert_eq!(world.output.traces(), [1]);
    world.pass(Duration::from_secs(6));
    // Less than two seconds of the wait are left.
    world.append(&request(vec![span(2, 1)]));
    world.pass(Duration::from_secs(1));
    assert_eq!(world.output.traces(), [1, 2]);
    // A parent id of zeros is a root, too.
    let zeros = Span { parent_span_id: vec![0; 8], ..span(3, 9) };
    world.append(&request(vec![zeros]));
    world.pass(Duration::from_millis(2_050));
    assert_eq!(world.output.traces(), [1, 2, 3]);
}

#[test]
fn resources_and_scopes_are_preserved_and_written_once() {
    let mut world = World::new(&all());
    let attributes = || vec![attribute("service.name", "shop")];
    let group = |first: u64| {
        let spans = |id: u64| vec![span(1, id), span(2, id), span(3, id)];
        resource_spans(attributes(), vec![("a", spans(first)), ("b", spans(first + 1))])
    };
    world.append(&encode(vec![group(1)]));
    world.append(&encode(vec![
        group(3),
        resource_spans(vec![attribute("k", 1i64)], vec![("a", vec![span(1, 9)])]),
    ]));
    world.pass(DECIDED);
    let [request] = world.output.requests.as_slice() else { panic!("one request") };
    let mut decoded = decode(request);
    decoded.resource_spans.sort_by_key(|resource| resource.scope_spans.len());
    let [small, large] = decoded.resource_spans.as_slice() else { panic!("two resources") };
    assert_eq!(
        small.clone(),
        resource_spans(vec![attribute("k", 1i64)], vec![("a", vec![span(1, 9)])])
    );
    let of = |id: u64, next: u64| {
        let trace = |trace: u128| vec![span(trace, id), span(trace, next)];
        [trace(1), trace(2), trace(3)].concat()
    };
    assert_eq!(*large, resource_spans(attributes(), vec![("a", of(1, 3)), ("b", of(2, 4))]));
}

#[test]
fn late_spans_follow_the_decision() {
    let mut world = World::new(&config(vec![errors()]));
    world.append(&request(vec![with_status(span(1, 1), 2), span(2, 1)]));
    world.pass(DECIDED);
    assert_eq!(world.output.traces(), [1]);
    // Not evaluated again, although this span would be sampled.
    world.append(&request(vec![span(1, 2), with_status(span(2, 2), 2)]));
    assert_eq!(world.output.spans().len(), 2);
    assert_eq!(world.output.decisions.len(), 2);
    let counts = world.sampler.counts();
    assert_eq!((counts.late_sampled_spans, counts.late_not_sampled_spans), (1, 1));
    assert_eq!(counts.pending_traces, 0);
}

#[test]
fn a_forgotten_decision_is_made_anew() {
    let mut world = World::new(&config(vec![errors()]).with_decision_cache(1, 1));
    world.append(&request(vec![span(1, 1), span(2, 1)]));
    world.pass(DECIDED);
    world.append(&request(vec![with_status(span(1, 2), 2), with_status(span(2, 2), 2)]));
    world.pass(DECIDED);
    assert_eq!(world.output.traces(), [1]);
}

#[test]
fn the_first_match_ends_the_evaluation() {
    let failing = |name: &str| {
        let condition = spanwise_tail::OttlConditionPolicy::span(["Len(1) == 1"])
            .with_error_mode(spanwise_tail::ErrorMode::Propagate);
        Policy::new(name, condition)
    };
    let policies = vec![failing("a"), policy(PolicyKind::AlwaysSample), failing("b")];
    for (first_match, errors) in [(true, 1), (false, 2)] {
        let mut world =
            World::new(&config(policies.clone()).with_sample_on_first_match(first_match));
        world.append(&request(vec![span(1, 1)]));
        world.pass(DECIDED);
        assert_eq!(world.output.traces(), [1]);
        assert_eq!(world.sampler.counts().policy_evaluation_errors, errors);
    }
}

#[test]
fn a_drop_policy_outweighs_policies_before_it() {
    let metrics = Policy::new("metrics", StringAttributePolicy::new("url.path", ["/metrics"]));
    let drop = Policy::new("drop", PolicyKind::Drop(vec![metrics]));
    let mut world = World::new(&config(vec![policy(PolicyKind::AlwaysSample), drop]));
    let path = |trace, path: &str| with(span(trace, 1), "url.path", path);
    world.append(&request(vec![path(1, "/metrics"), path(2, "/health")]));
    world.pass(DECIDED);
    assert_eq!(world.output.traces(), [2]);
    assert!(world.output.decisions.contains(&(1, Decision::Dropped, Some("drop".to_owned()))));
    assert_eq!(world.sampler.counts().dropped_spans.drop_policy, 1);
}

#[test]
fn many_traces_of_all_sizes_arrive_whole() {
    let mut world = World::new(&all());
    for trace in 0..128u64 {
        let spans = (0..=trace).map(|id| span(trace.into(), id)).collect();
        world.append(&request(spans));
    }
    world.pass(DECIDED);
    assert_eq!(world.output.traces().len(), 128);
    assert_eq!(world.output.spans().len(), 128 * 129 / 2);
}

#[test]
fn a_full_table_decides_the_oldest_trace_early() {
    let config = config(vec![errors()]).with_num_traces(100);
    let mut world = World::new(&config);
    for trace in 0..210 {
        let code = if trace % 2 == 0 { 2 } else { 0 };
        world.append(&request(vec![with_status(span(trace, 1), code)]));
        assert!(world.sampler.counts().pending_traces <= 100);
    }
    let decided: Vec<u128> = world.output.decisions.iter().map(|(trace, ..)| *trace).collect();
    assert_eq!(decided, (0..110).collect::<Vec<u128>>());
    world.shutdown();
    // None is lost: every even trace was sampled.
    assert_eq!(world.output.traces(), (0..210).step_by(2).collect::<Vec<u128>>());
    assert_eq!(world.sampler.counts().evicted_traces, 110);
}

#[test]
fn a_full_table_that_blocks_refuses_the_rest() {
    let config = all().with_num_traces(2).with_block_on_overflow(true);
    let mut world = World::new(&config);
    let request = request(vec![span(1, 1), span(2, 1), span(1, 2), span(3, 1), span(1, 3)]);
    let appended = world.sampler.append(world.now, &request, &mut world.output).unwrap();
    assert_eq!((appended.spans, appended.is_blocked), (3, true));
    world.check();
    let again = world.sampler.append_from(world.now, &request, 3, &mut world.output).unwrap();
    assert_eq!((again.spans, again.is_blocked), (3, true));
    world.pass(DECIDED);
    let last = world.sampler.append_from(world.now, &request, 3, &mut world.output).unwrap();
    assert_eq!((last.spans, last.is_blocked), (5, false));
    world.pass(DECIDED);
    assert_eq!(world.output.spans().len(), 5);
    assert_eq!(world.sampler.counts().received_spans, 5);
}

#[test]
fn a_trace_that_is_too_large_is_dropped_at_once() {
    let large = |trace| {
        request((0..40).map(|id| with(span(trace, id), "k", "x".repeat(60).as_str())).collect())
    };
    let mut world = World::new(&all().with_maximum_trace_size_bytes(1_024));
    world.append(&large(1));
    assert_eq!(world.output.decisions, [(1, Decision::Dropped, None)]);
    world.append(&request(vec![span(1, 50)]));
    world.pass(DECIDED);
    assert!(world.output.requests.is_empty());
    let counts = world.sampler.counts();
    assert_eq!(counts.dropped_spans.trace_too_large + counts.not_sampled_spans, 41);
    assert_eq!(counts.evicted_traces, 0);
    let mut world = World::new(&all().with_maximum_trace_size_bytes(1 << 20));
    world.append(&large(1));
    world.pass(DECIDED);
    assert_eq!(world.output.spans().len(), 40);
}

#[test]
fn a_trace_with_too_many_spans_is_decided_at_once() {
    let mut world = World::new(&all().with_max_spans_per_trace(3));
    world.append(&request((0..5).map(|id| span(1, id)).collect()));
    assert_eq!(world.output.spans().len(), 5);
    assert_eq!(world.sampler.counts().late_sampled_spans, 2);
}

#[test]
fn a_shutdown_decides_or_drops() {
    let trace = request(vec![with_status(span(1, 1), 2), span(2, 1)]);
    let mut world = World::new(&config(vec![errors()]));
    world.append(&trace);
    world.shutdown();
    assert_eq!(world.output.traces(), [1]);
    let settings = config(vec![errors()]).with_drop_pending_traces_on_shutdown(true);
    let mut world = World::new(&settings);
    world.append(&trace);
    world.shutdown();
    assert!(world.output.requests.is_empty());
    assert_eq!(world.sampler.counts().dropped_spans.shutdown, 2);
}

#[test]
fn half_of_the_traces_are_sampled_after_their_root() {
    let settings = config(vec![policy(ProbabilisticPolicy::new(50.0))])
        .with_decision_wait(Duration::from_secs(60))
        .with_decision_wait_after_root_received(Duration::from_secs(1));
    let mut world = World::new(&settings);
    for trace in 1..=128u64 {
        world.append(&request(vec![span(u128::from(trace) << 64 | u128::from(trace), 1)]));
    }
    world.pass(Duration::from_secs(2));
    let sampled = world.output.traces().len();
    assert!((51..=77).contains(&sampled), "{sampled}");
}

#[test]
fn new_policies_decide_from_the_next_tick() {
    let mut world = World::new(&config(vec![policy(LatencyPolicy::above(1_000))]));
    world.append(&request(vec![span(1, 1)]));
    world.sampler.set_policies(&[policy(PolicyKind::AlwaysSample)]).unwrap();
    assert!(world.sampler.set_policies(&[]).is_err());
    world.pass(DECIDED);
    assert_eq!(world.output.traces(), [1]);
}

#[test]
fn each_policy_has_its_table_of_decisions() {
    let failing = spanwise_tail::OttlConditionPolicy::span(["name == \"span 1\" and Len(1) == 1"])
        .with_error_mode(spanwise_tail::ErrorMode::Propagate);
    let metrics = Policy::new("metrics", StringAttributePolicy::new("url.path", ["/metrics"]));
    let policies = vec![
        errors(),
        Policy::new("two", SpanCountPolicy::at_least(2)),
        Policy::new("failing", failing),
        Policy::new("drop", PolicyKind::Drop(vec![metrics])),
    ];
    let settings = config(policies).with_num_shards(3).with_max_memory_bytes(1 << 30);
    let now = std::time::Instant::now();
    let mut sampler = ShardedTailSampler::new(&settings, now).unwrap();
    let mut output = Collected::default();
    let failed = |trace, id| with_status(span(trace, id), 2);
    let spans = vec![
        failed(1, 1),
        failed(1, 2),
        failed(2, 3),
        span(3, 4),
        span(3, 5),
        span(4, 6),
        with(failed(5, 7), "url.path", "/metrics"),
    ];
    let _all = sampler.append(now, &request(spans), &mut output).unwrap();
    sampler.tick(now + WAIT, &mut output);
    let counts = sampler.policy_counts().into_iter().map(|counts| {
        let votes = [counts.sampled, counts.not_sampled, counts.dropped, counts.errors];
        (counts.name, votes, counts.decided, counts.agreed)
    });
    let counts: Vec<_> = counts.collect();
    let row = |name: &str, votes, decided, agreed| (name.to_owned(), votes, decided, agreed);
    assert_eq!(
        counts,
        [
            row("drop", [0, 4, 1, 0], 1, 2),
            row("errors", [2, 2, 0, 0], 2, 3),
            // The traces 1 and 3; the trace 1 was decided by the policy before.
            row("two", [2, 2, 0, 0], 1, 3),
            row("failing", [0, 3, 0, 1], 0, 1),
        ]
    );
}

#[test]
fn shards_share_the_work_and_the_tokens() {
    let settings =
        config(vec![policy(spanwise_tail::RateLimitingPolicy::new(10).with_burst_capacity(10))])
            .with_num_shards(4)
            .with_max_memory_bytes(1 << 30);
    let now = std::time::Instant::now();
    let mut sampler = ShardedTailSampler::new(&settings, now).unwrap();
    let mut output = Collected::default();
    let spans = (1..=100).map(|trace| span(trace, 1)).collect();
    let appended = sampler.append(now, &request(spans), &mut output).unwrap();
    assert_eq!(appended.spans, 100);
    sampler.tick(now + DECIDED, &mut output);
    assert_eq!(output.spans().len(), 10);
    let counts = sampler.counts();
    assert!(counts.is_balanced());
    assert_eq!((counts.sampled_traces, counts.not_sampled_traces), (10, 90));
}

#[test]
fn each_shard_has_its_traces() {
    let settings = all().with_num_shards(4).with_max_memory_bytes(1 << 30);
    let now = std::time::Instant::now();
    let mut sampler = ShardedTailSampler::new(&settings, now).unwrap();
    let mut output = Collected::default();
    for id in 1..=2 {
        let spans = (1..=100).map(|trace| span(trace, id)).collect();
        let _all = sampler.append(now, &request(spans), &mut output).unwrap();
    }
    assert_eq!(sampler.next_tick(), Some(now + WAIT));
    sampler.tick(now + WAIT, &mut output);
    // One request of each shard, with some 50 spans.
    let sizes = output
        .requests
        .iter()
        .map(|request| decode(request).resource_spans[0].scope_spans[0].spans.len());
    let sizes: Vec<usize> = sizes.collect();
    assert!(sizes.len() == 4 && sizes.iter().all(|spans| (30..70).contains(spans)), "{sizes:?}");
    assert_eq!(output.traces().len(), 100);
}

#[test]
fn requests_have_at_most_their_size() {
    let mut world = World::new(&all().with_max_request_bytes(2_000));
    let spans = (0..200).map(|id| span(id.into(), id)).collect();
    world.append(&request(spans));
    let large = with(span(999, 1), "k", "x".repeat(5_000).as_str());
    world.append(&request(vec![large]));
    world.pass(DECIDED);
    let (large, small): (Vec<_>, Vec<_>) =
        world.output.requests.iter().partition(|request| request.len() > 2_000);
    assert_eq!(large.len(), 1);
    assert!(small.len() > 5 && small.len() < 15, "{}", small.len());
    assert_eq!(world.output.spans().len(), 201);
}

#[test]
fn settings_out_of_range_are_errors_with_their_name() {
    let check = |config: TailSamplingConfig, expected: &str| {
        let error =
            TailSampler::new(&config, std::time::Instant::now()).err().map(|e| e.to_string());
        let error = error.unwrap_or_default();
        assert!(error.starts_with(expected), "{error:?} instead of {expected:?}");
    };
    check(config(vec![]), "at least one policy is required");
    check(all().with_policy(policy(PolicyKind::AlwaysSample)), "duplicate policy name \"p\"");
    check(config(vec![Policy::new("", PolicyKind::AlwaysSample)]), "policy name cannot be empty");
    check(all().with_num_traces(0), "num_traces: 0 is out of range");
    check(
        all().with_decision_wait(Duration::from_secs(90_000)),
        "decision_wait: 90000s is too long",
    );
    check(all().with_max_memory_bytes(1), "max_memory_bytes: 1 is too small");
    check(all().with_max_request_bytes(1), "max_request_bytes: 1 is too small");
    check(all().with_max_spans_per_trace(0), "max_spans_per_trace: 0 is out of range");
    let limit = policy(spanwise_tail::RateLimitingPolicy::new(1));
    let and = policy(PolicyKind::And(vec![limit]));
    let ingest = config(vec![and]).with_sampling_strategy(SamplingStrategy::SpanIngest);
    check(
        ingest,
        "sampling_strategy: `span-ingest` requires all policies to be stateless, but policy \"p\" is stateful",
    );
    let nested = |kind| policy(PolicyKind::And(vec![Policy::new("inner", kind)]));
    check(
        config(vec![nested(PolicyKind::Drop(vec![]))]),
        "policy \"p\": policy \"inner\": `drop` cannot be a sub-policy of `and`",
    );
    check(
        config(vec![nested(PolicyKind::StatusCode(vec![]))]),
        "policy \"p\": policy \"inner\": expected at least one status code to filter on",
    );
    let limit = spanwise_tail::RateLimitingPolicy::new;
    check(
        config(vec![policy(limit(-1))]),
        "policy \"p\": `spans_per_second` is -1; accepted is 0 or more",
    );
    check(
        config(vec![policy(limit(1).with_burst_capacity(-1))]),
        "policy \"p\": `burst_capacity` is -1; accepted is 0 or more",
    );
    check(
        config(vec![policy(spanwise_tail::BytesLimitingPolicy::new(-1))]),
        "policy \"p\": `bytes_per_second` is -1; accepted is 0 or more",
    );
}
