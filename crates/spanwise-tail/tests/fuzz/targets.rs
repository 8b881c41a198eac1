//! The readers of untrusted input, each with the checks that hold for every input.

use std::time::Instant;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use spanwise_config::Document;
use spanwise_tail::{
    AdaptiveThroughput, ErrorMode, LatencyPolicy, NumericAttributePolicy, OttlConditionPolicy,
    Policy, PolicyKind, ProbabilisticPolicy, ProbabilisticSampler, ProbabilisticSamplerConfig,
    RateLimitingPolicy, Rule, SampledRequest, SamplingStrategy, StressRelief,
    StringAttributePolicy, TailOutput, TailSampler, TailSamplingConfig, TraceStatePolicy,
};
use spanwise_wire::read::TraceRequest;

use crate::support::{DECIDED, attribute, config as settings, request, span, with, with_event};

/// Words for files.
pub const CONFIG_WORDS: &[&str] = &[
    "\n",
    "  ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "*traces",
    "&a ",
    "!!str ",
    "null",
    "~",
    "true",
    "no",
    "0",
    "-1",
    "1e400",
    ".nan",
    ".inf",
    "9223372036854775807",
    "18446744073709551616",
    "0x7f",
    "1h1h",
    "-1ns",
    "106751d",
    "2562048h",
    "5",
    "policies",
    "rules",
    "composite",
    "and",
    "not",
    "drop",
    "type",
    "name",
    "latency",
    "${env:X}",
    "$$",
    "|\n",
    "<<: ",
    "---\n",
    "\u{feff}",
    "é",
    "\0",
    "\t",
];

/// Words for conditions.
pub const OTTL_WORDS: &[&str] = &[
    " ",
    "(",
    ")",
    "[",
    "]",
    "\"",
    "\\",
    ",",
    ".",
    "==",
    "!=",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    " and ",
    " or ",
    "not ",
    "nil",
    "true",
    "0",
    "9223372036854775807",
    "9223372036854775808",
    "1e999",
    "0x",
    "0xff",
    ".5",
    "attributes[\"k\"]",
    "attributes[\"m\"]",
    "name",
    "IsMatch(",
    "Len(",
    "Concat([",
    "Int(",
    "Double(",
    "String(",
    "IsRootSpan()",
    "trace_id",
    "resource.",
    "spanevent.",
    "[0]",
    "[-1]",
    "[\"k\"]",
    "((((((((((((((((((((",
    "\"(a|b)*c{1,9}\"",
    "é",
    "\0",
];

/// Builds what the reader accepts, and sends a request through it.
pub fn config(text: &str) -> bool {
    let variable = |name: &str| (name == "X").then(|| "1".to_owned());
    let Ok(document) = Document::parse("c.yaml", text.as_bytes(), variable) else { return false };
    let mut is_accepted = false;
    for processor in [None, Some("tail_sampling"), Some("tail_sampling/fast")] {
        match TailSamplingConfig::from_document(&document, processor) {
            Err(problems) => assert!(!problems.to_string().is_empty()),
            Ok(read) if read.value.max_memory_bytes <= 300 << 20 => {
                let mut sampler = TailSampler::new(&read.value, Instant::now());
                let sampler = sampler.as_mut().expect("accepted settings build a sampler");
                let request = request(vec![span(1, 1), with(span(2, 1), "k", "v")]);
                is_accepted |= send(sampler, &request, read.value.max_memory_bytes);
            }
            Ok(_) => {}
        }
    }
    if let Ok(read) = ProbabilisticSamplerConfig::from_document(&document, None) {
        let mut sampler = ProbabilisticSampler::new(&read.value).expect("accepted settings build");
        let sampled = sampler.sample(&request(vec![span(1, 1)]), &mut Vec::new());
        assert!(sampled.is_ok());
        is_accepted = true;
    }
    is_accepted
}

/// Evaluates what the parser accepts for spans of every form.
pub fn ottl(text: &str) -> bool {
    let mut is_accepted = false;
    for policy in
        [OttlConditionPolicy::span([text]), OttlConditionPolicy::default().or_span_event([text])]
    {
        let policy = policy.with_error_mode(ErrorMode::Propagate);
        let config = config_of(vec![Policy::new("ottl", policy)]);
        match TailSampler::new(&config, Instant::now()) {
            Err(error) => assert!(error.to_string().contains("ottl"), "{error}"),
            Ok(mut sampler) => {
                let event = vec![attribute("k", 1i64), attribute("e", "x")];
                let span = with(with(span(1, 1), "k", "v"), "number", i64::MIN);
                let span = with_event(with(span, "d", f64::NAN), "event", event);
                let request = request(vec![span, Default::default()]);
                is_accepted |= send(&mut sampler, &request, 20 << 20);
            }
        }
    }
    is_accepted
}

/// Sends the bytes to samplers that read every part of a span.
pub fn spans(bytes: &[u8]) -> bool {
    let conditions = [
        r#"Len(attributes) == 99 or name == "x" or status.message == "x" or trace_state["a"] == "b""#,
        r#"String(attributes["m"]) == "x" or attributes["k"]["k"][0] == 1 or resource.attributes["k"] == 1"#,
        r#"attributes["m"] == attributes["k"] or scope.attributes["scope.key"] == attributes["k"]"#,
    ];
    let ottl = OttlConditionPolicy::span(conditions)
        .or_span_event(["name == \"x\"", "attributes[\"k\"] == 1"])
        .with_error_mode(ErrorMode::Ignore);
    let policies = vec![
        Policy::new("string", StringAttributePolicy::new("k", ["x"]).with_regex()),
        Policy::new("number", NumericAttributePolicy::new("k", 5, 6)),
        Policy::new("state", TraceStatePolicy::new("a", ["b"])),
        Policy::new("latency", LatencyPolicy::above(1)),
        Policy::new("flags", PolicyKind::TraceFlags),
        Policy::new("ratio", ProbabilisticPolicy::new(50.0)),
        Policy::new("ottl", ottl),
    ];
    let adaptive = AdaptiveThroughput::new(1).with_fingerprint_attribute(r#"any.attributes["k"]"#);
    let rules = config_of(Vec::new())
        .with_rule(Rule::new("adaptive", adaptive).with_condition("attributes[\"k\"] == \"x\""))
        .with_rule(Rule::new("rate", RateLimitingPolicy::new(2)))
        .with_stress_relief(
            StressRelief::default().with_levels(1.0, 0.5).with_sampling_percentage(60.0),
        );
    let mut is_accepted = true;
    for config in [
        config_of(policies.clone()).with_use_trace_state(true),
        config_of(policies.clone()).with_sampling_strategy(SamplingStrategy::SpanIngest),
        config_of(policies).with_max_spans_per_trace(2).with_dry_run(true),
        rules,
    ] {
        let mut sampler = TailSampler::new(&config, Instant::now()).unwrap();
        is_accepted &= send(&mut sampler, bytes, 20 << 20);
    }
    is_accepted
}

fn config_of(policies: Vec<Policy>) -> TailSamplingConfig {
    settings(policies)
        .with_num_traces(20)
        .with_max_memory_bytes(20 << 20)
        .with_max_request_bytes(2_000)
}

/// Sends a request twice, with a decision between, and checks the account, the memory and the output. Returns whether the request is
/// taken.
fn send(sampler: &mut TailSampler, request: &[u8], max_memory_bytes: usize) -> bool {
    let mut output = Framed { is_valid: is_valid(request), ..Framed::default() };
    let mut received = 0;
    let mut is_taken = true;
    let mut now = Instant::now();
    for _ in 0..2 {
        match sampler.append(now, request, &mut output) {
            Ok(appended) => received += appended.spans,
            Err(_) => {
                is_taken = false;
                assert!(!output.is_valid, "a valid request is taken");
            }
        }
        now += DECIDED;
        sampler.tick(now, &mut output);
        let counts = sampler.counts();
        assert!(counts.is_balanced(), "{counts:?}");
        assert_eq!(counts.received_spans, received);
        assert!(sampler.memory_bytes() <= max_memory_bytes);
    }
    sampler.shutdown(now, &mut output);
    let counts = sampler.counts();
    assert!(counts.is_balanced(), "{counts:?}");
    assert_eq!(counts.pending_spans, 0);
    assert_eq!(counts.sampled_spans + counts.dry_run_spans, output.spans);
    is_taken
}

/// Whether the reference decoder reads the request. It refuses more: text that is not UTF-8, and messages that are nested deeply.
fn is_valid(request: &[u8]) -> bool {
    ExportTraceServiceRequest::decode(request).is_ok()
}

/// Counts the spans that leave.
#[derive(Default)]
struct Framed {
    spans: u64,
    is_valid: bool,
}

impl TailOutput for Framed {
    fn request(&mut self, request: SampledRequest<'_>) {
        assert_eq!(TraceRequest::new(request.bytes).count_spans(), Ok(request.spans));
        assert!(!self.is_valid || is_valid(request.bytes), "a valid request leaves as one");
        self.spans += request.spans;
    }
}
