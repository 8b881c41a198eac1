//! Hostile requests, measured at the allocator: whatever they have, the sampler takes no more than its budget, and a bounded time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must fail"
)]

mod support;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prost::encoding::WireType::{self, LengthDelimited};
use prost::encoding::{encode_key, encode_varint};
use spanwise_tail::{
    AdaptiveThroughput, ErrorMode, OttlConditionPolicy, Policy, PolicyKind, ProbabilisticPolicy,
    RateLimitingPolicy, Rule, SampledRequest, SamplingStrategy, StressRelief,
    StringAttributePolicy, TailOutput, TailSampler, TailSamplingConfig,
};
use spanwise_testkit::{CountingAllocator, allocator};
use support::{DECIDED, attribute, config as settings, resource_request, span, with};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Tests run one at a time: the allocator counts the whole process.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

const BUDGET: usize = 8 << 20;
/// A text that a condition makes of a value has at most 1 MiB, and grows by doubling.
const EVALUATION: u64 = 2 << 20;
/// Far above the time that a slow machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Counts what leaves, without memory of its own.
#[derive(Default)]
struct Sum(u64);

impl TailOutput for Sum {
    fn request(&mut self, request: SampledRequest<'_>) {
        self.0 += request.spans;
    }
}

fn limited(config: TailSamplingConfig) -> TailSamplingConfig {
    config.with_num_traces(2_000).with_max_memory_bytes(BUDGET).with_max_request_bytes(100_000)
}

fn policies() -> Vec<Policy> {
    let conditions = [
        r#"attributes["k"] == attributes["m"]"#,
        r#"String(attributes["k"]) == "x""#,
        "Len(attributes) == 7",
    ];
    let ottl = OttlConditionPolicy::span(conditions)
        .or_span_event(["attributes[\"k\"] == 1"])
        .with_error_mode(ErrorMode::Ignore);
    vec![
        Policy::new("ottl", ottl),
        Policy::new("string", StringAttributePolicy::new("k", ["x+"]).with_regex()),
        Policy::new("half", ProbabilisticPolicy::new(50.0)),
    ]
}

/// Samplers of each kind.
fn samplers() -> Vec<(&'static str, TailSamplingConfig)> {
    let adaptive = AdaptiveThroughput::new(10)
        .with_fingerprint_attribute(r#"any.attributes["k"]"#)
        .with_fingerprint_attribute(r#"resource.attributes["k"]"#);
    let stress = StressRelief::default().with_levels(5.0, 1.0).with_sampling_percentage(100.0);
    let rules = settings(Vec::new())
        .with_rule(Rule::new("adaptive", adaptive).with_condition("IsRootSpan()"))
        .with_rule(Rule::new("rate", RateLimitingPolicy::new(10)));
    vec![
        ("policies", settings(policies())),
        ("span-ingest", settings(policies()).with_sampling_strategy(SamplingStrategy::SpanIngest)),
        ("dry run", settings(policies()).with_dry_run(true)),
        ("thresholds", settings(policies()).with_use_trace_state(true)),
        ("rules", rules.clone()),
        ("stress", rules.with_stress_relief(stress)),
    ]
}

/// Sends each request, made by its number, to each kind of sampler.
fn check(name: &str, requests: u64, make: impl Fn(u64) -> Vec<u8>) {
    for (kind, config) in samplers() {
        let config = limited(config);
        let begin = Instant::now();
        let mut now = begin;
        let start = allocator::reset_peak();
        let mut sampler = TailSampler::new(&config, now).unwrap();
        let mut output = Sum::default();
        let mut peak = 0;
        for index in 0..requests {
            let request = make(index);
            let before = allocator::reset_peak();
            let owned = before - request.capacity() as u64 - start;
            let _taken = sampler.append(now, &request, &mut output);
            peak = peak.max(allocator::heap().peak - before + owned);
            assert!(sampler.counts().is_balanced(), "{name}, {kind}");
            let memory = sampler.memory_bytes();
            assert!(memory <= BUDGET, "{name}, {kind}: {memory}");
        }
        // From here on, no request is in memory.
        let _held = allocator::reset_peak();
        now += DECIDED;
        sampler.tick(now, &mut output);
        sampler.shutdown(now, &mut output);
        peak = peak.max(allocator::heap().peak - start);
        let counts = sampler.counts();
        assert!(counts.is_balanced() && counts.pending_spans == 0, "{name}, {kind}: {counts:?}");
        assert_eq!(counts.sampled_spans + counts.dry_run_spans, output.0, "{name}, {kind}");

        assert!(peak <= BUDGET as u64 + EVALUATION, "{name}, {kind}: {peak} bytes");
        assert!(begin.elapsed() < PATIENCE, "{name}, {kind}: {:?}", begin.elapsed());
    }
}

/// A field of wire type 2.
fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 12);
    encode_key(number, LengthDelimited, &mut out);
    encode_varint(content.len() as u64, &mut out);
    out.extend_from_slice(content);
    out
}

/// A `Span` of the trace `trace` with more fields.
fn raw_span(trace: u64, more: &[u8]) -> Vec<u8> {
    let id = (u128::from(trace) << 64 | u128::from(trace.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .to_be_bytes();
    [field(1, &id), field(2, &(trace + 1).to_be_bytes()), more.to_vec()].concat()
}

/// A request of one group with these spans.
fn raw_request(spans: &[Vec<u8>]) -> Vec<u8> {
    let spans: Vec<Vec<u8>> = spans.iter().map(|span| field(2, span)).collect();
    field(1, &field(2, &spans.concat()))
}

#[test]
fn the_allocator_sees_what_a_sampler_holds() {
    let _turn = turn();
    let start = allocator::reset_peak();
    let config = limited(settings(vec![support::policy(PolicyKind::AlwaysSample)]));
    let now = Instant::now();
    let mut sampler = TailSampler::new(&config, now).unwrap();
    let request =
        resource_request(Vec::new(), vec![with(span(1, 1), "k", "x".repeat(2 << 20).as_str())]);
    let before = allocator::heap().current;
    let _taken = sampler.append(now, &request, &mut Sum::default()).unwrap();
    assert!(allocator::heap().current - before >= 2 << 20);
    assert!(allocator::heap().peak > start + (2 << 20));
}

#[test]
fn values_nested_deeply_take_no_stack_and_no_memory() {
    let _turn = turn();
    check("nested", 5, |index| {
        let mut value = field(1, b"x");
        for _ in 0..2_000 {
            value = field(5, &field(1, &value));
        }
        let attributes =
            ["k", "m"].map(|key| field(9, &[field(1, key.as_bytes()), field(2, &value)].concat()));
        raw_request(&[raw_span(index, &attributes.concat())])
    });
}

#[test]
fn lengths_and_numbers_beyond_their_message_are_refused() {
    let _turn = turn();
    let mut huge = Vec::new();
    encode_key(2, LengthDelimited, &mut huge);
    encode_varint(u64::MAX, &mut huge);
    let mut number = Vec::new();
    encode_key(6, WireType::Varint, &mut number);
    number.extend([0xff; 10]);
    let mut group = Vec::new();
    encode_key(40, WireType::StartGroup, &mut group);
    for tail in [huge, number, vec![0xff; 40], vec![0x80; 40], group] {
        check("lengths", 20, |index| raw_request(&[raw_span(index, &tail)]));
        check("framing", 20, |index| [raw_request(&[raw_span(index, b"")]), tail.clone()].concat());
        check("group", 20, |index| {
            field(1, &[field(2, &field(2, &raw_span(index, b""))), tail.clone()].concat())
        });
    }
}

#[test]
fn very_large_spans_and_resources_are_dropped_whole() {
    let _turn = turn();
    let text = vec![b'x'; 12 << 20];
    let attribute = field(9, &[field(1, b"k"), field(2, &field(1, &text))].concat());
    check("large span", 2, |index| {
        raw_request(&[raw_span(index, b""), raw_span(index, &attribute), raw_span(index, b"")])
    });
    let resource = field(1, &field(1, &[field(1, b"k"), field(2, &field(1, &text))].concat()));
    check("large resource", 2, |index| {
        let spans = field(2, &field(2, &raw_span(index, b"")));
        field(1, &[resource.clone(), spans].concat())
    });
}

#[test]
fn resources_that_almost_fill_the_memory_make_place_for_each_other() {
    let _turn = turn();
    check("resources", 60, |index| {
        let text = format!("{index}{}", "x".repeat(500_000));
        resource_request(
            vec![attribute("k", text.as_str())],
            vec![span(u128::from(index) << 60 | 0xff, 1)],
        )
    });
}

#[test]
fn a_million_attributes_are_read_in_place() {
    let _turn = turn();
    let one = field(9, &[field(1, b"a"), field(2, &field(1, b"b"))].concat());
    check("attributes", 2, |index| raw_request(&[raw_span(index, &one.repeat(250_000))]));
    let one = field(1, &[field(1, b"a"), field(2, &field(1, b"b"))].concat());
    let resource = field(1, &one.repeat(250_000));
    check("resource attributes", 2, |index| {
        field(1, &[resource.clone(), field(2, &field(2, &raw_span(index, b"")))].concat())
    });
}

#[test]
fn fields_that_occur_often_count_once() {
    let _turn = turn();
    check("duplicates", 3, |index| {
        let twice = [raw_span(index, b""), field(3, b"ot=th:8"), field(5, b"name"), field(15, b"")]
            .concat();
        let span = twice.repeat(5_000);
        let scope = field(1, &field(1, b"scope")).repeat(5_000);
        let resource = field(1, &[]).repeat(5_000);
        let url = field(3, b"url").repeat(5_000);
        let scope_spans = field(2, &[scope, field(2, &span), url.clone()].concat());
        field(1, &[resource, scope_spans, url].concat())
    });
}

#[test]
fn empty_messages_cost_nothing() {
    let _turn = turn();
    check("nothing", 50, |_| Vec::new());
    check("empty resources", 2, |_| field(1, b"").repeat(300_000));
    check("empty scopes", 2, |_| field(1, &field(2, b"").repeat(300_000)));
    check("empty spans", 2, |_| raw_request(&vec![Vec::new(); 100_000]));
    check("empty attributes", 2, |index| {
        raw_request(&[raw_span(index, &field(9, b"").repeat(300_000))])
    });
}

#[test]
fn groups_split_over_requests_are_bounded() {
    let _turn = turn();
    // Each span has a resource of its own; its trace has spans in many of them.
    check("groups", 300, |index| {
        let groups = (0..40u64).flat_map(|group| {
            let key = format!("{index}-{group}");
            resource_request(
                vec![attribute("k", key.as_str())],
                vec![span(u128::from(group) << 57 | 0xff_ffff, index + 1)],
            )
        });
        groups.collect()
    });
}

#[test]
fn one_trace_of_very_many_spans_is_bounded() {
    let _turn = turn();
    check("one trace", 40, |index| {
        let spans =
            (0..2_000u64).map(|id| raw_span(7, &field(2, &(index << 32 | id).to_be_bytes())));
        raw_request(&spans.collect::<Vec<_>>())
    });
}

#[test]
fn spans_of_ever_new_traces_are_bounded() {
    let _turn = turn();
    check("many traces", 40, |index| {
        let spans = (0..1_000u64).map(|id| raw_span(index << 20 | id, &field(5, b"GET /")));
        raw_request(&spans.collect::<Vec<_>>())
    });
}
