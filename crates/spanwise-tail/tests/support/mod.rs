//! Traces encoded by `prost`, and samplers in virtual time.
#![allow(dead_code, reason = "each test file uses its part")]

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use spanwise_tail::{
    DecidedTrace, Decision, Policy, PolicyKind, ProbabilisticPolicy, Rule, SampledRequest,
    TailOutput, TailSampler, TailSamplingConfig,
};

pub const MILLI: u64 = 1_000_000;
/// The start of spans: an arbitrary time in 2026.
pub const EPOCH: u64 = 1_780_000_000_000_000_000;

/// A span of the trace `trace`, 1 ms long.
pub fn span(trace: u128, id: u64) -> Span {
    Span {
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: if id == 1 { Vec::new() } else { 1u64.to_be_bytes().to_vec() },
        name: format!("span {id}"),
        kind: 2,
        start_time_unix_nano: EPOCH,
        end_time_unix_nano: EPOCH + MILLI,
        ..Span::default()
    }
}

pub fn with_times(span: Span, start_ms: u64, end_ms: u64) -> Span {
    let at = |millis: u64| EPOCH + millis * MILLI;
    Span { start_time_unix_nano: at(start_ms), end_time_unix_nano: at(end_ms), ..span }
}

pub fn with_status(span: Span, code: i32) -> Span {
    Span { status: Some(Status { message: String::new(), code }), ..span }
}

pub fn with(mut span: Span, key: &str, value: impl Into<Any>) -> Span {
    span.attributes.push(attribute(key, value));
    span
}

pub fn with_event(mut span: Span, name: &str, attributes: Vec<KeyValue>) -> Span {
    span.events.push(Event {
        name: name.to_owned(),
        attributes,
        time_unix_nano: EPOCH,
        ..Event::default()
    });
    span
}

pub struct Any(pub Value);

impl From<&str> for Any {
    fn from(text: &str) -> Self {
        Self(Value::StringValue(text.to_owned()))
    }
}

impl From<i64> for Any {
    fn from(number: i64) -> Self {
        Self(Value::IntValue(number))
    }
}

impl From<f64> for Any {
    fn from(number: f64) -> Self {
        Self(Value::DoubleValue(number))
    }
}

impl From<bool> for Any {
    fn from(value: bool) -> Self {
        Self(Value::BoolValue(value))
    }
}

pub fn attribute(key: &str, value: impl Into<Any>) -> KeyValue {
    let value = Some(AnyValue { value: Some(value.into().0) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// A request of one resource and scope.
pub fn request(spans: Vec<Span>) -> Vec<u8> {
    resource_request(vec![attribute("service.name", "shop")], spans)
}

pub fn resource_request(attributes: Vec<KeyValue>, spans: Vec<Span>) -> Vec<u8> {
    encode(vec![resource_spans(attributes, vec![("scope", spans)])])
}

pub fn resource_spans(attributes: Vec<KeyValue>, scopes: Vec<(&str, Vec<Span>)>) -> ResourceSpans {
    let scope = |(name, spans): (&str, Vec<Span>)| ScopeSpans {
        scope: Some(InstrumentationScope {
            name: name.to_owned(),
            version: "1.2".to_owned(),
            attributes: vec![attribute("scope.key", name)],
            ..InstrumentationScope::default()
        }),
        spans,
        schema_url: "scope-url".to_owned(),
    };
    ResourceSpans {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_spans: scopes.into_iter().map(scope).collect(),
        schema_url: "resource-url".to_owned(),
    }
}

pub fn encode(resource_spans: Vec<ResourceSpans>) -> Vec<u8> {
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

pub fn decode(request: &[u8]) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(request).expect("requests are valid")
}

/// Collects requests and decisions.
#[derive(Default)]
pub struct Collected {
    pub requests: Vec<Vec<u8>>,
    /// Trace, decision, policy.
    pub decisions: Vec<(u128, Decision, Option<String>)>,
}

impl TailOutput for Collected {
    fn request(&mut self, request: SampledRequest<'_>) {
        let spans: usize = decode(request.bytes)
            .resource_spans
            .iter()
            .flat_map(|resource| &resource.scope_spans)
            .map(|scope| scope.spans.len())
            .sum();
        assert_eq!(request.spans, spans as u64);
        self.requests.push(request.bytes.to_vec());
    }

    fn decided(&mut self, trace: &DecidedTrace<'_>) {
        self.decisions.push((trace.trace_id.0, trace.decision, trace.policy.map(str::to_owned)));
    }
}

impl Collected {
    /// The spans that were forwarded, in order.
    pub fn spans(&self) -> Vec<Span> {
        let requests = self.requests.iter().map(|request| decode(request));
        requests
            .flat_map(|request| request.resource_spans)
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect()
    }

    /// The traces of the spans that were forwarded, sorted.
    pub fn traces(&self) -> Vec<u128> {
        let id = |span: Span| u128::from_be_bytes(span.trace_id.try_into().expect("16 bytes"));
        let mut traces: Vec<u128> = self.spans().into_iter().map(id).collect();
        traces.sort();
        traces.dedup();
        traces
    }
}

/// A sampler with its clock and its output.
pub struct World {
    pub sampler: TailSampler,
    pub now: Instant,
    pub output: Collected,
}

impl World {
    pub fn new(config: &TailSamplingConfig) -> Self {
        let now = Instant::now();
        let sampler = TailSampler::new(config, now).expect("valid settings");
        Self { sampler, now, output: Collected::default() }
    }

    pub fn append(&mut self, request: &[u8]) {
        let appended =
            self.sampler.append(self.now, request, &mut self.output).expect("valid request");
        assert!(!appended.is_blocked);
        self.check();
    }

    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        self.sampler.tick(self.now, &mut self.output);
        self.check();
    }

    pub fn shutdown(&mut self) {
        self.sampler.shutdown(self.now, &mut self.output);
        self.check();
        assert_eq!(self.sampler.counts().pending_spans, 0);
    }

    pub fn check(&self) {
        assert!(self.sampler.counts().is_balanced(), "{:?}", self.sampler.counts());
    }
}

pub const WAIT: Duration = Duration::from_secs(10);
/// The wait and one tick: the decision has been made.
pub const DECIDED: Duration = Duration::from_millis(10_050);

pub fn config(policies: Vec<Policy>) -> TailSamplingConfig {
    let config = TailSamplingConfig::default().with_decision_wait(WAIT).with_num_traces(1_000);
    policies.into_iter().fold(config, TailSamplingConfig::with_policy)
}

pub fn policy(kind: impl Into<PolicyKind>) -> Policy {
    Policy::new("p", kind)
}

/// SplitMix64.
pub fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub fn random_trace(state: &mut u64) -> u128 {
    u128::from(random(state)) << 64 | u128::from(random(state))
}

pub const ERROR: &str = "status.code == STATUS_CODE_ERROR";
pub const PAYMENT: &str = "attributes[\"service\"] == \"payment\"";

pub fn rules(rules: Vec<Rule>) -> TailSamplingConfig {
    rules.into_iter().fold(config(vec![]), TailSamplingConfig::with_rule)
}

pub fn percentage(percentage: f64) -> ProbabilisticPolicy {
    ProbabilisticPolicy::new(percentage)
}

/// The decision of one policy about one request of one trace.
pub fn decide(kind: impl Into<PolicyKind>, request: &[u8]) -> Decision {
    decide_by(&config(vec![policy(kind)]), request)
}

pub fn decide_by(config: &TailSamplingConfig, request: &[u8]) -> Decision {
    let mut world = World::new(config);
    world.append(request);
    world.pass(DECIDED);
    let [(_, decision, _)] = world.output.decisions.as_slice() else {
        panic!("one decision, not {:?}", world.output.decisions)
    };
    assert_eq!(*decision == Decision::Sampled, !world.output.requests.is_empty());
    *decision
}
