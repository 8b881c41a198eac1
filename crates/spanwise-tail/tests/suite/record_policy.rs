//! `record_policy`: the policy that sampled a trace, in the scopes of its spans.

use crate::support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use spanwise_config::Document;
use spanwise_tail::{
    CompositePolicy, LatencyPolicy, Policy, PolicyKind, Rule, RuleSampler, SampledRequest,
    SamplingStrategy, StringAttributePolicy, TailOutput, TailSamplerThreads, TailSamplingConfig,
};
use support::*;

/// The attributes that record a policy, by trace and span, sorted.
fn recorded(output: &Collected) -> Vec<(u128, u64, String)> {
    let mut found = Vec::new();
    for request in &output.requests {
        let resources = decode(request).resource_spans.into_iter();
        for scope_spans in resources.flat_map(|resource| resource.scope_spans) {
            let attributes = scope_spans.scope.unwrap_or_default().attributes.into_iter();
            let mut record: Vec<String> = attributes
                .filter_map(|attribute| {
                    let key = attribute.key.strip_prefix("tailsampling.")?.to_owned();
                    Some(match attribute.value.unwrap().value.unwrap() {
                        Value::StringValue(name) => format!("{key}={name}"),
                        value => format!("{key}={value:?}"),
                    })
                })
                .collect();
            record.sort();
            for span in scope_spans.spans {
                let trace = u128::from_be_bytes(span.trace_id.try_into().unwrap());
                let id = u64::from_be_bytes(span.span_id.try_into().unwrap());
                found.push((trace, id, record.join(" ")));
            }
        }
    }
    found.sort();
    found
}

fn expect(output: &Collected, expected: &[(u128, u64, &str)]) {
    let expected: Vec<_> =
        expected.iter().map(|(trace, id, text)| (*trace, *id, (*text).to_owned())).collect();
    assert_eq!(recorded(output), expected);
}

fn named(name: &str, value: &str) -> Policy {
    Policy::new(name, StringAttributePolicy::new("k", [value]))
}

fn valued(trace: u128, id: u64, value: &str) -> Span {
    with(span(trace, id), "k", value)
}

fn records(policies: Vec<Policy>) -> TailSamplingConfig {
    config(policies).with_record_policy(true)
}

const CACHED: &str = "cached_decision=BoolValue(true)";

#[test]
fn the_first_policy_that_sampled_is_recorded() {
    let set = records(vec![named("a", "x"), named("b", "y"), named("c", "y")]);
    let spans = || vec![valued(1, 1, "x"), valued(2, 1, "y"), valued(3, 1, "z"), span(1, 2)];
    let mut world = World::new(&set);
    world.append(&request(spans()));
    world.pass(DECIDED);
    expect(&world.output, &[(1, 1, "policy=a"), (1, 2, "policy=a"), (2, 1, "policy=b")]);
    // The spans of one scope are apart, and the rest of the scope is unchanged.
    let resources = decode(&world.output.requests[0]).resource_spans;
    assert_eq!((world.output.requests.len(), resources.len()), (1, 1));
    assert_eq!(resources[0].scope_spans.len(), 2);
    for scope_spans in &resources[0].scope_spans {
        let scope = scope_spans.scope.as_ref().unwrap();
        assert_eq!((scope.name.as_str(), scope.version.as_str()), ("scope", "1.2"));
        assert_eq!(scope.attributes[0].key, "scope.key");
        assert_eq!(scope_spans.schema_url, "scope-url");
    }
    let mut off = World::new(&set.clone().with_record_policy(false));
    off.append(&request(spans()));
    off.pass(DECIDED);
    expect(&off.output, &[(1, 1, ""), (1, 2, ""), (2, 1, "")]);
    let mut dry = World::new(&set.with_dry_run(true));
    dry.append(&request(spans()));
    dry.pass(DECIDED);
    let sampled = [(1, 1, "policy=a"), (1, 2, "policy=a"), (2, 1, "policy=b"), (3, 1, "")];
    expect(&dry.output, &sampled);
}

#[test]
fn late_spans_have_a_cached_decision() {
    let set = records(vec![named("a", "x"), named("b", "y")]);
    let mut world = World::new(&set);
    world.append(&request(vec![valued(1, 1, "x"), valued(2, 1, "y"), span(3, 1)]));
    world.pass(DECIDED);
    world.output.requests.clear();
    let late = |world: &mut World| {
        world.output.requests.clear();
        world.append(&request(vec![span(2, 2), span(1, 2), span(2, 3), span(3, 2)]));
    };
    late(&mut world);
    let (a, b) = (format!("{CACHED} policy=a"), format!("{CACHED} policy=b"));
    expect(&world.output, &[(1, 2, &a), (2, 2, &b), (2, 3, &b)]);
    // A policy that was removed has no name any more, another place changes nothing.
    world.sampler.set_config(&records(vec![named("c", "z"), named("b", "y")])).unwrap();
    late(&mut world);
    expect(&world.output, &[(1, 2, CACHED), (2, 2, &b), (2, 3, &b)]);
    world.sampler.set_config(&set.with_record_policy(false)).unwrap();
    late(&mut world);
    expect(&world.output, &[(1, 2, ""), (2, 2, ""), (2, 3, "")]);
}

#[test]
fn the_sub_policy_of_composite_is_recorded() {
    let composite = |name: &str, total| {
        let subs = vec![named("sub-x", "x"), named("sub-y", "y")];
        Policy::new(name, CompositePolicy::new(total, subs))
    };
    for (policies, expected) in [
        (vec![composite("c", 100)], "composite_policy=sub-y policy=c"),
        // The policy that decided may be another one.
        (vec![named("a", "y"), composite("c", 100)], "composite_policy=sub-y policy=a"),
        // Beyond its limit, composite samples nothing.
        (vec![named("a", "y"), composite("c", 2)], "policy=a"),
        (vec![composite("c", 2), named("a", "y")], "policy=a"),
    ] {
        let mut world = World::new(&records(policies));
        world.append(&request(vec![valued(1, 1, "y"), span(1, 2)]));
        world.pass(DECIDED);
        expect(&world.output, &[(1, 1, expected), (1, 2, expected)]);
    }
}

#[test]
fn a_rule_is_recorded() {
    let errors = Rule::new("errors", RuleSampler::AlwaysSample).with_condition(ERROR);
    let all = Rule::new("all", percentage(100.0));
    let set = config(vec![]).with_rule(errors).with_rule(all).with_record_policy(true);
    let mut world = World::new(&set);
    world.append(&request(vec![with_status(span(1, 1), 2), span(2, 1)]));
    world.pass(DECIDED);
    expect(&world.output, &[(1, 1, "policy=errors"), (2, 1, "policy=all")]);
}

#[test]
fn with_span_ingest_the_spans_that_were_evaluated_have_the_policy() {
    let set = records(vec![named("a", "x")]).with_sampling_strategy(SamplingStrategy::SpanIngest);
    let mut world = World::new(&set);
    world.append(&request(vec![span(1, 1), span(1, 2)]));
    world.append(&request(vec![span(1, 3), valued(1, 4, "x")]));
    let expected = [(1, 1, ""), (1, 2, ""), (1, 3, "policy=a"), (1, 4, "policy=a")];
    expect(&world.output, &expected);
}

#[test]
fn attributes_of_an_earlier_sampler_are_replaced() {
    let mut resource = resource_spans(vec![], vec![("scope", vec![span(1, 1)])]);
    let scope = resource.scope_spans[0].scope.as_mut().unwrap();
    scope.attributes.insert(0, attribute("tailsampling.policy", "earlier"));
    scope.attributes.push(attribute("tailsampling.cached_decision", true));
    let without_scope =
        ScopeSpans { spans: vec![span(2, 1)], scope: None, schema_url: String::new() };
    let bare = ResourceSpans { scope_spans: vec![without_scope], ..ResourceSpans::default() };
    let mut world = World::new(&records(vec![Policy::new("all", PolicyKind::AlwaysSample)]));
    world.append(&encode(vec![resource, bare]));
    world.pass(DECIDED);
    let cached = format!("{CACHED} policy=all");
    expect(&world.output, &[(1, 1, &cached), (2, 1, "policy=all")]);
}

/// An output whose content outlives its thread.
struct Shared(Arc<Mutex<Collected>>);

impl TailOutput for Shared {
    fn request(&mut self, request: SampledRequest<'_>) {
        self.0.lock().unwrap().request(request);
    }
}

#[test]
fn a_long_trace_that_leaves_in_portions_has_its_own_policy() {
    // No trace is due before the shutdown, which decides them in the order of their arrival.
    let set = records(vec![named("a", "x"), named("b", "y")]);
    let set = set.with_decision_wait(Duration::from_secs(3_600));
    let output = Arc::new(Mutex::new(Collected::default()));
    let sampler = TailSamplerThreads::builder(set).build(|_| Shared(Arc::clone(&output))).unwrap();
    let long = |trace, value| (1..=3_000).map(move |id| valued(trace, id, value));
    let spans = [valued(1, 1, "x")].into_iter().chain(long(2, "y"));
    let spans = spans.chain(long(3, "x")).chain([valued(4, 1, "y")]);
    sampler.append(request(spans.collect())).unwrap();
    assert!(sampler.shutdown(Duration::from_secs(60)).is_complete);
    let recorded = recorded(&output.lock().unwrap());
    assert_eq!(recorded.len(), 6_002);
    for (trace, id, record) in recorded {
        let expected = if trace % 2 == 1 { "policy=a" } else { "policy=b" };
        assert_eq!(record, expected, "span {id} of trace {trace}");
    }
}

#[test]
fn requests_stay_below_their_size_with_records() {
    let name = |index: u128| format!("{index} {}", "n".repeat(100));
    let policies = (0..50u128).map(|index| named(&name(index), &format!("v{index}"))).collect();
    let slow = |mut policies: Vec<Policy>| {
        policies.push(Policy::new("slow", LatencyPolicy::above(1_000)));
        policies
    };
    let mut world = World::new(&records(slow(policies)).with_max_request_bytes(1_024));
    let spans = (0..200u128).map(|trace| valued(trace, 1, &format!("v{}", trace % 50)));
    world.append(&request(spans.collect()));
    world.pass(DECIDED);
    assert!(world.output.requests.iter().all(|request| request.len() <= 1_024));
    assert!(world.output.requests.len() < 100);
    let recorded = recorded(&world.output);
    assert_eq!(recorded.len(), 200);
    for (trace, _, record) in recorded {
        assert_eq!(record, format!("policy={}", name(trace % 50)));
    }
}

#[test]
fn the_key_loads_from_yaml() {
    let text = b"tail_sampling: {record_policy: true, policies: [{name: a, type: always_sample}]}";
    let document = Document::parse("c.yaml", text, |_| None).unwrap();
    assert!(TailSamplingConfig::from_document(&document, None).unwrap().value.record_policy);
    assert!(!TailSamplingConfig::default().record_policy);
}
