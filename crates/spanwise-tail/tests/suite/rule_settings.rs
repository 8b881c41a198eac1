//! Settings of rules, in code and in YAML.

use crate::support;

use std::time::{Duration, Instant};

use spanwise_config::Document;
use spanwise_tail::{
    AdaptiveThroughput, PolicyKind, RateLimitingPolicy, Rule, RuleMatch, RuleSampler,
    SamplingStrategy, TailSampler, TailSamplingConfig,
};
use support::*;

#[test]
fn settings_that_do_not_fit_are_errors() {
    let error = |config: &TailSamplingConfig| {
        TailSampler::new(config, Instant::now()).map(drop).unwrap_err().to_string()
    };
    let always = || Rule::new("all", RuleSampler::AlwaysSample);
    let throughput = AdaptiveThroughput::new(100);
    let selector = throughput.clone().with_fingerprint_attribute("span.name");
    for (config, message) in [
        (
            rules(vec![always()]).with_policy(policy(PolicyKind::AlwaysSample)),
            "rules: a sampler has either `policies` or `rules`, not both",
        ),
        (
            rules(vec![always()]).with_sampling_strategy(SamplingStrategy::SpanIngest),
            "sampling_strategy: `span-ingest` is not supported with `rules`",
        ),
        (rules(vec![always(), always()]), "rules[1].name: duplicate rule name \"all\""),
        (rules(vec![Rule::new("", RuleSampler::Drop)]), "rules[0].name: rule name cannot be empty"),
        (
            rules(vec![always().with_condition("true").with_condition("name == ")]),
            "rules[0].conditions[1]: condition \"name == \": 1:6: ",
        ),
        (
            rules(vec![Rule::new("a", percentage(0.0))]),
            "rules[0].sampling_percentage: 0.0 is out of range; accepted is above 0 to 100",
        ),
        (
            rules(vec![Rule::new("a", AdaptiveThroughput::new(0))]),
            "rules[0].goal_throughput: 0 is too small; accepted is 1 or more",
        ),
        (
            rules(vec![Rule::new("a", throughput.clone().with_max_keys(0))]),
            "rules[0].max_keys: 0 is out of range; accepted is 1 to 10000",
        ),
        (
            rules(vec![Rule::new("a", throughput.with_adjustment_interval(Duration::ZERO))]),
            "rules[0].adjustment_interval: 0ns is out of range; accepted is 100 ms to 1 h",
        ),
        (
            rules(vec![Rule::new("a", selector)]),
            "rules[0].fingerprint_attributes: \"span.name\" is no selector; accepted is `root.name`, ",
        ),
        (
            rules(vec![Rule::new("a", RateLimitingPolicy::new(0))]),
            "rules[0].spans_per_second: 0 is too small; accepted is 1 or more",
        ),
        (config(vec![]), "at least one policy is required"),
    ] {
        let error = error(&config);
        assert!(error.starts_with(message), "{error}");
    }
}

fn load(text: &str) -> Result<(TailSamplingConfig, Vec<String>), String> {
    let document = Document::parse("c.yaml", text.as_bytes(), |_| None).unwrap();
    let read =
        TailSamplingConfig::from_document(&document, None).map_err(|error| error.to_string())?;
    Ok((read.value, read.warnings.iter().map(ToString::to_string).collect()))
}

#[test]
fn rules_load_from_yaml() {
    let text = r#"
tail_sampling:
  decision_wait: 10s
  num_traces: 1000
  rules:
    - name: health
      conditions: ['name == "GET /health"']
      sampler: {type: drop}
    - name: payment-errors
      match: same_span
      conditions:
        - status.code == STATUS_CODE_ERROR
        - attributes["service"] == "payment"
      sampler: {type: always_sample}
    - name: bulk
      match: any_span
      conditions: ['attributes["bulk"] == true']
      sampler: {type: rate_limiting, spans_per_second: 100, burst_capacity: 300}
    - name: web
      conditions: ['span.kind == SPAN_KIND_SERVER']
      sampler:
        type: adaptive_throughput
        goal_throughput: 1_000
        fingerprint_attributes:
          - root.name
          - resource.attributes["service.name"]
        max_keys: 200
        adjustment_interval: 2s
    - name: default
      sampler: {type: probabilistic, sampling_percentage: 12.5}
"#;
    let throughput = AdaptiveThroughput::new(1_000)
        .with_fingerprint_attribute("root.name")
        .with_fingerprint_attribute("resource.attributes[\"service.name\"]")
        .with_max_keys(200)
        .with_adjustment_interval(Duration::from_secs(2));
    let limit = RateLimitingPolicy::new(100).with_burst_capacity(300);
    let expected = rules(vec![
        Rule::new("health", RuleSampler::Drop).with_condition("name == \"GET /health\""),
        Rule::new("payment-errors", RuleSampler::AlwaysSample)
            .with_condition(ERROR)
            .with_condition(PAYMENT)
            .with_match(RuleMatch::SameSpan),
        Rule::new("bulk", limit).with_condition("attributes[\"bulk\"] == true"),
        Rule::new("web", throughput).with_condition("span.kind == SPAN_KIND_SERVER"),
        Rule::new("default", percentage(12.5)),
    ]);
    assert_eq!(load(text), Ok((expected, vec![])));
}

#[test]
fn mistakes_of_rules_are_reported_with_their_place() {
    let sampler = |text: &str| format!("[{{name: a, sampler: {{{text}}}}}]");
    for (rules, path, message) in [
        ("[]".to_owned(), "", "at least one rule is required"),
        ("[{sampler: {type: drop}}]".to_owned(), "[0].name", "it is required"),
        ("[{name: a}]".to_owned(), "[0].sampler", "it is required"),
        (
            "[{name: a, sampler: {type: drop}, match: any_span}]".to_owned(),
            "[0].match",
            "a rule without conditions has no `match`",
        ),
        (
            "[{name: a, conditions: [\"true\", \"x ==\"], sampler: {type: drop}}]".to_owned(),
            "[0].conditions[1]",
            "condition \"x ==\": 1:",
        ),
        (sampler("type: adaptive_percentage"), "[0].sampler.type", "is not known"),
        (
            sampler("type: adaptive_throughput, goal_troughput: 5"),
            "[0].sampler.goal_troughput",
            "unknown key; did you mean `goal_throughput`?",
        ),
        (sampler("type: adaptive_throughput"), "[0].sampler.goal_throughput", "it is required"),
        (
            sampler("type: adaptive_throughput, goal_throughput: 5, max_keys: 0"),
            "[0].sampler.max_keys",
            "0 is out of range; accepted is 1 to 10000",
        ),
        (
            sampler(
                "type: adaptive_throughput, goal_throughput: 5, fingerprint_attributes: [name]",
            ),
            "[0].sampler.fingerprint_attributes",
            "\"name\" is no selector",
        ),
        (
            sampler("type: probabilistic, sampling_percentage: 101"),
            "[0].sampler.sampling_percentage",
            "101.0 is out of range",
        ),
        (
            sampler("type: always_sample, sampling_percentage: 10"),
            "[0].sampler.sampling_percentage",
            "the type of the sampler has no such setting",
        ),
        (sampler("type: rate_limiting"), "[0].sampler.spans_per_second", "it is required"),
        (
            "[{name: a, sampler: {type: drop}}, {name: a, sampler: {type: drop}}]".to_owned(),
            "[1].name",
            "duplicate rule name \"a\"",
        ),
    ] {
        let error = load(&format!("tail_sampling: {{rules: {rules}}}")).unwrap_err();
        let place = format!(": tail_sampling.rules{path}: ");
        assert!(error.contains(&place) && error.contains(message), "{rules}: {error}");
    }
    let both = "tail_sampling: {policies: [{name: a, type: always_sample}], \
                rules: [{name: a, sampler: {type: drop}}]}";
    let error = load(both).unwrap_err();
    assert!(error.ends_with("a sampler has either `policies` or `rules`, not both"), "{error}");
    let unreachable = "tail_sampling: {rules: [{name: a, sampler: {type: drop}}, \
                       {name: b, sampler: {type: always_sample}}]}";
    let (_, warnings) = load(unreachable).unwrap();
    assert!(
        warnings[0].contains("tail_sampling.rules[0]: the rule has no condition"),
        "{warnings:?}"
    );
}
