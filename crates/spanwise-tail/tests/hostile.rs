//! Hostile bytes and shapes: no panic, no memory beyond the bound, and every span accounted for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must fail"
)]

mod support;

use std::time::Instant;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValueList};
use proptest::prelude::*;
use spanwise_tail::{
    Decision, LatencyPolicy, NumericAttributePolicy, OttlConditionPolicy, Policy, PolicyKind,
    SampledRequest, StringAttributePolicy, TailOutput, TailSampler, TailSamplingConfig,
    TraceStatePolicy,
};
use spanwise_wire::read::TraceRequest;
use support::*;

/// Policies that read every part of a span.
fn curious() -> TailSamplingConfig {
    let conditions = [
        r#"Len(attributes) == 99 or name == "x" or status.message == "x" or trace_state["a"] == "b""#,
        r#"String(attributes) == "x" or attributes["k"]["k"][0] == 1 or resource.attributes["k"] == 1"#,
        r#"scope.name == "x" or scope.version == "x" or scope.attributes["scope.key"] == attributes["k"]"#,
    ];
    let ottl = OttlConditionPolicy::span(conditions)
        .or_span_event(["name == \"x\"", "attributes[\"k\"] == 1"])
        .with_error_mode(spanwise_tail::ErrorMode::Ignore);
    config(vec![
        Policy::new("ottl", ottl),
        Policy::new("string", StringAttributePolicy::new("k", ["x"]).with_regex()),
        Policy::new("number", NumericAttributePolicy::new("k", 5, 6)),
        Policy::new("state", TraceStatePolicy::new("a", ["b"])),
        Policy::new("latency", LatencyPolicy::above(1).with_upper_threshold_ms(2)),
        Policy::new("flags", PolicyKind::TraceFlags),
    ])
    .with_max_memory_bytes(20 << 20)
}

/// A valid request with some bytes replaced.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let valid = || {
        let event = vec![attribute("k", 1i64)];
        let spans = (1..=4).map(|id| {
            let mut span = with_event(with(span(7, id), "k", "v"), "event", event.clone());
            span.trace_state = "a=c,ot=th:8".to_owned();
            with_status(span, 2)
        });
        request(spans.collect())
    };
    let len = valid().len();
    prop::collection::vec((0..len, any::<u8>()), 0..12).prop_map(move |changes| {
        let mut bytes = valid();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes
    })
}

/// Counts the forwarded spans by the framing of the requests: damaged spans leave as they came.
#[derive(Default)]
struct Framed(u64);

impl TailOutput for Framed {
    fn request(&mut self, request: SampledRequest<'_>) {
        assert_eq!(TraceRequest::new(request.bytes).count_spans(), Ok(request.spans));
        self.0 += request.spans;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn damaged_requests_are_refused_or_accounted_for(
        requests in prop::collection::vec(prop_oneof![
            4 => damaged(),
            1 => prop::collection::vec(any::<u8>(), 0..200),
        ], 1..6),
    ) {
        let start = Instant::now();
        let mut sampler = TailSampler::new(&curious(), start).unwrap();
        let mut output = Framed::default();
        let mut received = 0;
        for request in &requests {
            let before = sampler.counts();
            match sampler.append(start, request, &mut output) {
                Ok(appended) => received += appended.spans,
                Err(_) => prop_assert_eq!(sampler.counts(), before),
            }
            prop_assert!(sampler.counts().is_balanced());
            prop_assert_eq!(sampler.counts().received_spans, received);
        }
        sampler.tick(start + DECIDED, &mut output);
        let counts = sampler.counts();
        prop_assert!(counts.is_balanced());
        prop_assert_eq!((counts.pending_spans, counts.sampled_spans), (0, output.0));
    }

    #[test]
    fn no_condition_panics(text in "[a-z\\[\\]().,\"0-9=<>+*/ A-Z_-]{0,60}") {
        let settings = config(vec![policy(OttlConditionPolicy::span([text]))]);
        if let Ok(mut sampler) = TailSampler::new(&settings, Instant::now()) {
            let mut output = Collected::default();
            let _all = sampler.append(Instant::now(), &request(vec![with(span(1, 1), "k", 1i64)]), &mut output).unwrap();
            sampler.shutdown(Instant::now(), &mut output);
        }
    }

    #[test]
    fn no_file_panics(text in "[a-z_:{}\\[\\], \n#0-9\"-]{0,200}") {
        for text in [text.clone(), format!("tail_sampling:\n  policies:\n    - {text}"), format!("tail_sampling: {{{text}}}")] {
            if let Ok(document) = spanwise_config::Document::parse("c.yaml", text.as_bytes(), |_| None) {
                let _read = TailSamplingConfig::from_document(&document, None);
            }
        }
    }
}

#[test]
fn memory_stays_bounded_under_a_flood_of_distinct_resources() {
    let settings = config(vec![policy(PolicyKind::AlwaysSample)])
        .with_max_memory_bytes(4 << 20)
        .with_max_request_bytes(100_000)
        .with_num_traces(5_000);
    let mut world = World::new(&settings);
    for trace in 0..20_000u128 {
        let resource = vec![attribute("k", format!("{trace:0200}").as_str())];
        world.append(&resource_request(resource, vec![span(trace, 1)]));
        assert!(world.sampler.memory_bytes() <= 4 << 20);
    }
    world.shutdown();
    assert_eq!(world.output.traces().len(), 20_000);
}

#[test]
fn a_span_larger_than_the_memory_is_dropped_and_others_are_not() {
    let settings = config(vec![policy(PolicyKind::AlwaysSample)])
        .with_max_memory_bytes(1 << 20)
        .with_max_request_bytes(10_000);
    let mut world = World::new(&settings);
    world.append(&request(vec![span(1, 1)]));
    world.append(&request(vec![with(span(2, 1), "k", "x".repeat(2 << 20).as_str())]));
    world.append(&request(vec![span(3, 1)]));
    // No trace is decided early for the sake of a span that has no place in any case.
    assert_eq!(world.sampler.counts().evicted_traces, 0);
    world.shutdown();
    assert_eq!(world.output.traces(), [1, 3]);
    assert_eq!(world.sampler.counts().dropped_spans.span_too_large, 1);
}

#[test]
fn a_late_span_with_a_large_resource_stays_within_the_memory() {
    let settings = config(vec![policy(PolicyKind::AlwaysSample)])
        .with_max_memory_bytes(4 << 20)
        .with_max_request_bytes(10_000);
    let mut world = World::new(&settings);
    world.append(&request(vec![span(1, 1)]));
    world.pass(DECIDED);
    let resource = |bytes| vec![attribute("k", "x".repeat(bytes).as_str())];
    // One that fits, and one that does not.
    for (trace, bytes) in [(2, 200_000), (3, 8 << 20)] {
        // Traces that are already in memory give way.
        world.append(&request(vec![with(span(trace, 1), "k", "x".repeat(900_000).as_str())]));
        world.append(&resource_request(resource(bytes), vec![span(1, 2)]));
        assert!(world.sampler.memory_bytes() <= 4 << 20, "{bytes}");
    }
    let counts = world.sampler.counts();
    assert!(counts.is_balanced());
    assert_eq!((counts.late_sampled_spans, counts.dropped_spans.span_too_large), (1, 1));
    // Late spans of one request, whose resources fit one after the other.
    let large = (1..=9).map(|id| {
        let value = format!("{id}{}", "x".repeat(300_000));
        resource_spans(vec![attribute("k", value.as_str())], vec![("scope", vec![span(1, id)])])
    });
    world.append(&encode(large.collect()));
    let counts = world.sampler.counts();
    assert_eq!((counts.late_sampled_spans, counts.dropped_spans.span_too_large), (10, 1));
}

#[test]
fn spans_without_a_usable_id_are_dropped_and_counted() {
    let mut world = World::new(&config(vec![policy(PolicyKind::AlwaysSample)]));
    let mut short = span(1, 1);
    short.trace_id.truncate(8);
    let mut none = span(1, 2);
    none.trace_id.clear();
    // resource_spans { scope_spans { spans { kind as a string } } }
    let malformed = [0x0a, 6, 0x12, 4, 0x12, 2, 0x32, 0];
    world.append(&request(vec![short, none, span(2, 1)]));
    world.append(&malformed);
    world.shutdown();
    assert_eq!(world.output.traces(), [2]);
    let dropped = world.sampler.counts().dropped_spans;
    assert_eq!((dropped.invalid_id, dropped.malformed), (2, 1));
}

#[test]
fn a_trace_of_many_spans_is_decided_whole() {
    let settings = curious()
        .with_max_memory_bytes(64 << 20)
        .with_policy(Policy::new("last", OttlConditionPolicy::span(["name == \"span 29999\""])));
    let mut world = World::new(&settings);
    for batch in 0..30 {
        world.append(&request((0..1_000).map(|id| span(1, batch * 1_000 + id)).collect()));
    }
    world.pass(DECIDED);
    assert_eq!(world.output.decisions[0].2.as_deref(), Some("last"));
    let names: Vec<String> = world.output.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names.len(), 30_000);
    assert!(names.iter().enumerate().all(|(id, name)| *name == format!("span {id}")));
}

/// Traces without a root wait long between traces that are decided early: their segments are compacted, also repeatedly.
#[test]
fn traces_that_wait_long_pin_no_memory_of_others() {
    let settings = config(vec![policy(PolicyKind::AlwaysSample)])
        .with_decision_wait(std::time::Duration::from_secs(600))
        .with_decision_wait_after_root_received(std::time::Duration::from_millis(100))
        .with_num_traces(2_000);
    let mut world = World::new(&settings);
    let base = world.sampler.memory_bytes();
    let long_span = |trace: u128, round: u64| span(trace + 1, round + 2);
    let mut most = 0;
    for round in 0..60u64 {
        for trace in 0..50u128 {
            let short = u128::from(round) * 100 + trace + 1_000;
            let spans = (1..=4).map(|id| with(span(short, id), "k", "x".repeat(100).as_str()));
            world.append(&request(spans.chain([long_span(trace, round)]).collect()));
        }
        world.pass(std::time::Duration::from_millis(200));
        most = most.max(world.sampler.memory_bytes() - base);
    }
    // 3,000 spans of long traces have some 400 KB, and 12,000 others had 3 MB.
    assert!(most < 1_500_000, "{most}");
    let counts = world.sampler.counts();
    assert_eq!(
        (counts.pending_traces, counts.sampled_traces, counts.evicted_traces),
        (50, 3_000, 0)
    );
    world.output.requests.clear();
    world.shutdown();
    let spans = world.output.spans();
    assert_eq!(spans.len(), 3_000);
    for trace in 0..50u128 {
        let id = (trace + 1).to_be_bytes();
        let of_trace: Vec<_> = spans.iter().filter(|span| span.trace_id == id).cloned().collect();
        let expected: Vec<_> = (0..60).map(|round| long_span(trace, round)).collect();
        assert_eq!(of_trace, expected, "{trace}");
    }
}

/// A condition whose errors are counted.
fn condition_of(condition: &str) -> OttlConditionPolicy {
    OttlConditionPolicy::span([condition]).with_error_mode(spanwise_tail::ErrorMode::Propagate)
}

#[test]
fn conditions_over_enormous_values_stay_cheap() {
    let map = |entries: usize| {
        let values = (0..entries).map(|key| attribute(&format!("{key:08}"), 1i64)).collect();
        Any(Value::KvlistValue(KeyValueList { values }))
    };
    let list = |elements: usize| {
        let values = vec![AnyValue { value: Some(Value::IntValue(1)) }; elements];
        Any(Value::ArrayValue(ArrayValue { values }))
    };
    let check = |value: Any, condition: &str, expected: Option<Decision>| {
        let mut world = World::new(&config(vec![policy(condition_of(condition))]));
        world.append(&request(vec![with(span(1, 1), "v", value)]));
        world.pass(DECIDED);
        let failed = world.sampler.counts().policy_evaluation_errors > 0;
        let decision = (!failed).then(|| world.output.decisions[0].1);
        assert_eq!(decision, expected, "{condition}");
    };
    let (sampled, not) = (Some(Decision::Sampled), Some(Decision::NotSampled));
    check(map(10_000), "attributes[\"v\"] == attributes[\"v\"]", sampled);
    check(map(10_001), "attributes[\"v\"] == attributes[\"v\"]", not);
    check(map(10_000), "IsMatch(attributes[\"v\"], \"^.\\\"00000000\\\":1,\")", sampled);
    // Beyond the bounds of a text.
    check(map(10_001), "IsMatch(attributes[\"v\"], \"x\")", None);
    check(list(600_000), "IsMatch(attributes[\"v\"], \"x\")", None);
    check(
        list(600_000),
        "Len(attributes[\"v\"]) == 600000 and attributes[\"v\"][599999] == 1",
        sampled,
    );
    check(list(600_000), "attributes[\"v\"] == attributes[\"v\"]", sampled);
    check(list(600_000), "ContainsValue(attributes[\"v\"], 2)", not);
}
