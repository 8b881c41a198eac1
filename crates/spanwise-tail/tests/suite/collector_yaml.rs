//! Configuration files of the Collector: the processor's own test files and examples, and every mistake with its place.

use std::time::Duration;

use spanwise_config::Document;
use spanwise_tail::{
    Compat, CompositePolicy, ErrorMode, LatencyPolicy, NumericAttributePolicy, OttlConditionPolicy,
    Policy, PolicyKind, ProbabilisticPolicy, RateLimitingPolicy, SamplingStrategy, SpanCountPolicy,
    StringAttributePolicy, TailSamplingConfig, TraceStatePolicy,
};
use spanwise_wire::StatusCode;

fn load(text: &str) -> Result<(TailSamplingConfig, Vec<String>), String> {
    load_processor(text, None)
}

fn load_processor(
    text: &str,
    processor: Option<&str>,
) -> Result<(TailSamplingConfig, Vec<String>), String> {
    let document =
        Document::parse("c.yaml", text.as_bytes(), |_| None).map_err(|e| e.to_string())?;
    let read =
        TailSamplingConfig::from_document(&document, processor).map_err(|e| e.to_string())?;
    Ok((read.value, read.warnings.iter().map(ToString::to_string).collect()))
}

/// One policy of each type, in the flow style of the Collector's documentation.
const EACH_TYPE: &str = r#"
tail_sampling:
  decision_wait: 10s
  num_traces: 100
  expected_new_traces_per_sec: 10
  decision_cache:
    sampled_cache_size: 100_000
    non_sampled_cache_size: 200_000
  policies:
    [
      { name: p1, type: always_sample },
      { name: p2, type: latency, latency: {threshold_ms: 5000, upper_threshold_ms: 10000} },
      { name: p3, type: numeric_attribute, numeric_attribute: {key: key1, min_value: 50, max_value: 100} },
      { name: p4, type: probabilistic, probabilistic: {hash_salt: "custom-salt", sampling_percentage: 0.1} },
      { name: p5, type: status_code, status_code: {status_codes: [ERROR, UNSET]} },
      { name: p6, type: string_attribute, string_attribute: {key: key2, values: [value1, val*], enabled_regex_matching: true, cache_max_size: 10} },
      { name: p7, type: rate_limiting, rate_limiting: {spans_per_second: 35} },
      { name: p8, type: span_count, span_count: {min_spans: 2, max_spans: 20} },
      { name: p9, type: trace_state, trace_state: { key: key3, values: [ value1, value2 ] } },
      { name: p10, type: boolean_attribute, boolean_attribute: { key: key4, value: true } },
      { name: p11, type: ottl_condition, ottl_condition: {
          error_mode: ignore,
          span: [
            "attributes[\"test_attr_key_1\"] == \"test_attr_val_1\"",
            "attributes[\"test_attr_key_2\"] != \"test_attr_val_1\"",
          ],
          spanevent: [
            "name != \"test_span_event_name\"",
            "attributes[\"test_event_attr_key_2\"] != \"test_event_attr_val_1\"",
          ]
      } },
      { name: p12, type: bytes_limiting, bytes_limiting: {bytes_per_second: 1024, burst_capacity: 4096} },
      { name: p13, type: trace_flags },
      { name: p14, type: not, not: { not_sub_policy: { name: n, type: span_count, span_count: {min_spans: 2} } } },
      { name: p15, type: and, and: { and_sub_policy: [
          { name: a1, type: numeric_attribute, numeric_attribute: { key: key1, min_value: 50, max_value: 100 } },
          { name: a2, type: not, not: { not_sub_policy: { name: n, type: always_sample } } },
      ] } },
      { name: p16, type: drop, drop: { drop_sub_policy: [
          { name: d1, type: string_attribute, string_attribute: {key: url.path, values: [\/health, \/metrics], enabled_regex_matching: true} }
      ] } },
      { name: p17, type: composite, composite: {
          max_total_spans_per_second: 1000,
          policy_order: [c1, c2, c3],
          composite_sub_policy: [
            { name: c1, type: numeric_attribute, numeric_attribute: {key: key1, min_value: 50} },
            { name: c2, type: and, and: { and_sub_policy: [ { name: a, type: always_sample } ] } },
            { name: c3, type: always_sample }
          ],
          rate_allocation: [ { policy: c1, percent: 50 }, { policy: c2, percent: 25 } ]
      } },
    ]
"#;

#[test]
fn each_type_is_read_with_its_options() {
    let (config, warnings) = load(EACH_TYPE).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(config.decision_wait, Duration::from_secs(10));
    assert_eq!((config.num_traces, config.expected_new_traces_per_sec), (100, 10));
    assert_eq!(config.decision_cache.sampled_cache_size, Some(100_000));
    assert_eq!(config.decision_cache.non_sampled_cache_size, Some(200_000));
    let policy = Policy::new;
    let numeric = |max| PolicyKind::from(NumericAttributePolicy::new("key1", 50, max));
    let many = PolicyKind::from(SpanCountPolicy::at_least(2));
    let not = |kind| PolicyKind::Not(Box::new(policy("n", kind)));
    let mut strings = StringAttributePolicy::new("key2", ["value1", "val*"]).with_regex();
    strings.cache_max_size = 10;
    let paths = StringAttributePolicy::new("url.path", ["\\/health", "\\/metrics"]).with_regex();
    let conditions = OttlConditionPolicy::span([
        r#"attributes["test_attr_key_1"] == "test_attr_val_1""#,
        r#"attributes["test_attr_key_2"] != "test_attr_val_1""#,
    ])
    .or_span_event([
        r#"name != "test_span_event_name""#,
        r#"attributes["test_event_attr_key_2"] != "test_event_attr_val_1""#,
    ])
    .with_error_mode(ErrorMode::Ignore);
    let mut composite = CompositePolicy::new(
        1_000,
        vec![
            policy("c1", numeric(0)),
            policy("c2", PolicyKind::And(vec![policy("a", PolicyKind::AlwaysSample)])),
            policy("c3", PolicyKind::AlwaysSample),
        ],
    );
    composite.policy_order = ["c1", "c2", "c3"].map(str::to_owned).to_vec();
    composite.rate_allocation = vec![("c1".to_owned(), 50), ("c2".to_owned(), 25)];
    let expected: Vec<PolicyKind> = vec![
        PolicyKind::AlwaysSample,
        LatencyPolicy::above(5_000).with_upper_threshold_ms(10_000).into(),
        numeric(100),
        ProbabilisticPolicy::new(0.1).with_hash_salt("custom-salt").into(),
        PolicyKind::StatusCode(vec![StatusCode::Error, StatusCode::Unset]),
        strings.into(),
        RateLimitingPolicy::new(35).into(),
        SpanCountPolicy::at_least(2).with_max_spans(20).into(),
        TraceStatePolicy::new("key3", ["value1", "value2"]).into(),
        spanwise_tail::BooleanAttributePolicy::new("key4", true).into(),
        conditions.into(),
        spanwise_tail::BytesLimitingPolicy::new(1_024).with_burst_capacity(4_096).into(),
        PolicyKind::TraceFlags,
        not(many),
        PolicyKind::And(vec![
            policy("a1", numeric(100)),
            policy("a2", not(PolicyKind::AlwaysSample)),
        ]),
        PolicyKind::Drop(vec![policy("d1", paths.into())]),
        composite.into(),
    ];
    let expected: Vec<Policy> =
        expected.into_iter().zip(1..).map(|(kind, n)| Policy::new(format!("p{n}"), kind)).collect();
    assert_eq!(config.policies, expected);
    spanwise_tail::TailSampler::new(&config, std::time::Instant::now()).unwrap();
}

#[test]
fn every_setting_is_read() {
    let (config, _) = load(
        "
tail_sampling:
  sampling_strategy: span-ingest
  decision_wait: 1m30s
  decision_wait_after_root_received: 500ms
  num_traces: 9
  expected_new_traces_per_sec: 8
  block_on_overflow: true
  sample_on_first_match: true
  drop_pending_traces_on_shutdown: true
  maximum_trace_size_bytes: 7
  num_shards: 2
  mutates_data: true
  compat: v0.156.0
  use_trace_state: true
  max_memory_bytes: 100000000
  max_spans_per_trace: 6
  max_request_bytes: 5000
  policies: [{name: a, type: always_sample}]
",
    )
    .unwrap();
    let expected = TailSamplingConfig::default()
        .with_sampling_strategy(SamplingStrategy::SpanIngest)
        .with_decision_wait(Duration::from_secs(90))
        .with_decision_wait_after_root_received(Duration::from_millis(500))
        .with_num_traces(9)
        .with_block_on_overflow(true)
        .with_sample_on_first_match(true)
        .with_drop_pending_traces_on_shutdown(true)
        .with_maximum_trace_size_bytes(7)
        .with_num_shards(2)
        .with_compat(Compat::v0(156))
        .with_use_trace_state(true)
        .with_max_memory_bytes(100_000_000)
        .with_max_spans_per_trace(6)
        .with_max_request_bytes(5_000)
        .with_policy(Policy::new("a", PolicyKind::AlwaysSample));
    let mut with_rate = expected;
    with_rate.expected_new_traces_per_sec = 8;
    assert_eq!(config, with_rate);
}

#[test]
fn the_processor_is_found_in_a_whole_file() {
    let block = "{decision_wait: 7s, policies: [{name: a, type: always_sample}]}";
    let file = |processors: &str| {
        format!(
            "receivers: {{otlp: {{}}}}\nprocessors:\n  batch:\n{processors}\nservice: {{pipelines: {{traces: {{}}}}}}\n"
        )
    };
    let wait = |text: &str, name| {
        load_processor(text, name).map(|(config, _)| config.decision_wait.as_secs())
    };
    assert_eq!(wait(&file(&format!("  tail_sampling: {block}")), None), Ok(7));
    assert_eq!(wait(&file(&format!("  tail_sampling/x: {block}")), None), Ok(7));
    assert_eq!(wait(&format!("tail_sampling/y: {block}"), None), Ok(7));
    assert_eq!(wait(block, None), Ok(7));
    let two =
        file(&format!("  tail_sampling: {block}\n  tail_sampling/x: {}", block.replace('7', "8")));
    assert_eq!(wait(&two, Some("tail_sampling/x")), Ok(8));
    let error = wait(&two, None).unwrap_err();
    assert!(error.ends_with("choose one of `tail_sampling`, `tail_sampling/x`"), "{error}");
    let error = wait(&file("  memory_limiter: {}"), None).unwrap_err();
    assert!(error.ends_with("the file has no processor `tail_sampling`"), "{error}");
}

/// The block of one policy, of which line 3 is the policy.
fn one(policy: &str) -> String {
    format!("tail_sampling:\n  policies:\n    - {policy}\n")
}

#[test]
fn every_mistake_has_its_place() {
    let policy = |policy: &str, expected: &str| {
        let error = load(&one(policy)).map(drop).unwrap_err();
        assert!(error.lines().count() == 1, "{error}");
        assert!(error.starts_with("c.yaml:3:"), "{error}");
        assert!(error.contains(expected), "{error} instead of {expected}");
    };
    policy(
        "{name: a, type: numeric_attribute, numeric_attribute: {key: k}}",
        "`min_value` or `max_value` must be set",
    );
    policy(
        "{name: a, type: status_code, status_code: {status_codes: []}}",
        "expected at least one status code to filter on",
    );
    policy(
        "{name: a, type: status_code, status_code: {status_codes: [ERR]}}",
        "status_codes[0]: `ERR` is not known",
    );
    policy(
        "{name: a, type: always_sampel}",
        "policies[0].type: `always_sampel` is not known; did you mean `always_sample`?",
    );
    policy("{name: a}", "policies[0].type: it is required");
    policy("{name: '', type: always_sample}", "policy name cannot be empty");
    policy("{type: always_sample}", "policy name cannot be empty");
    policy(
        "{name: a, type: latency, latency: {threshold: 5}}",
        "latency.threshold: unknown key; did you mean `threshold_ms`?",
    );
    policy("{name: a, type: latency, latency: {threshold_ms: 5s}}", "a whole number");
    // The schema reads it twice, and reports it once.
    policy("{name: a, type: latency, latencyy: {threshold_ms: 5}}", "latencyy: unknown key");
    policy(
        "{name: a, type: status_code, latency: {threshold_ms: 5}}",
        "expected at least one status code to filter on; the block `status_code` is missing",
    );
    policy(
        "{name: a, type: string_attribute, string_attribute: {key: k, values: [200]}}",
        "values[0]: a string is expected; put `200` in quotes",
    );
    policy(
        "{name: a, type: string_attribute, string_attribute: {key: k, values: ['('], enabled_regex_matching: true}}",
        "string_attribute: \"(\" is not a regular expression",
    );
    policy(
        "{name: a, type: ottl_condition, ottl_condition: {span: []}}",
        "expected at least one OTTL condition to filter on",
    );
    policy(
        "{name: a, type: ottl_condition, ottl_condition: {error_mode: loud, span: ['true']}}",
        "error_mode: `loud` is not known",
    );
    policy(
        "{name: a, type: ottl_condition, ottl_condition: {span: ['name == Now()']}}",
        "ottl_condition.span[0]: condition \"name == Now()\": 1:9: the function `Now` is not supported; accepted are Bool, Concat",
    );
    policy(
        "{name: a, type: ottl_condition, ottl_condition: {spanevent: ['kind == 1']}}",
        "spanevent[0]: condition \"kind == 1\": 1:1: the path `kind` is not supported",
    );
    policy(
        "{name: a, type: and, and: {and_sub_policy: [{name: b, type: composite}]}}",
        "and_sub_policy[0]: `composite` cannot be a sub-policy of `and`",
    );
    policy(
        "{name: a, type: not, not: {not_sub_policy: {name: b, type: not}}}",
        "`not` cannot be a sub-policy of `not`",
    );
    policy(
        "{name: a, type: and, and: {and_sub_policy: [{name: b, type: status_code, status_code: {status_codes: []}}]}}",
        "and_sub_policy[0].status_code: expected at least one status code",
    );
    policy(
        "{name: a, type: rate_limiting, rate_limiting: {spans_per_second: -1}}",
        "spans_per_second: a whole number from 0 is expected",
    );
    policy(
        "{name: a, type: probabilistic, probabilistic: {sampling_percentage: .nan}}",
        "sampling_percentage",
    );
    // The example of the Collector's documentation, which its own reader refuses, too.
    policy(
        "{name: a, type: boolean_attribute, string_attribute: {key: app.do_not_sample, value: true}}",
        "string_attribute.value: unknown key; did you mean `values`?",
    );

    let setting = |setting: &str, expected: &str| {
        let text = format!(
            "tail_sampling:\n  {setting}\n  policies: [{{name: a, type: always_sample}}]\n"
        );
        let error = load(&text).map(drop).unwrap_err();
        assert!(error.starts_with("c.yaml:2:"), "{error}");
        assert!(error.contains(expected), "{error} instead of {expected}");
    };
    setting(
        "decision_wiat: 1s",
        "tail_sampling.decision_wiat: unknown key; did you mean `decision_wait`?",
    );
    setting(
        "decision_wait: 10",
        "tail_sampling.decision_wait: a duration such as `10s`, `1m30s` or `500ms` is expected, not `10`",
    );
    setting("decision_wait: -1s", "a duration such as");
    setting("decision_wait: 25h", "90000s is too long");
    setting("num_traces: 0", "tail_sampling.num_traces: 0 is out of range");
    setting("num_traces: many", "a whole number");
    setting("num_shards: 257", "a whole number from 1 to 256");
    setting(
        "sampling_strategy: span_ingest",
        "`span_ingest` is not known; did you mean `span-ingest`?",
    );
    setting("tail_storage: file_storage", "storage outside of memory is not supported");
    setting(
        "compat: v1",
        "\"v1\" is no release of the Collector: accepted is one such as `v0.161`",
    );
    setting("max_memory_bytes: 1000", "1000 is too small");
    setting("decision_cache: {sampled_size: 1}", "decision_cache.sampled_size: unknown key");
    setting("block_on_overflow: maybe", "true or false is expected");

    let whole = |text: &str, expected: &str| {
        let error = load(text).map(drop).unwrap_err();
        assert!(error.contains(expected), "{error} instead of {expected}");
    };
    whole("tail_sampling:\n", "policies: it is required");
    whole("tail_sampling: {policies: []}", "at least one policy is required");
    whole(
        "tail_sampling: {policies: [{name: a, type: always_sample}, {name: a, type: trace_flags}]}",
        "policies[1].name: duplicate policy name \"a\"",
    );
    whole(
        "tail_sampling: {sampling_strategy: span-ingest, policies: [{name: a, type: rate_limiting, rate_limiting: {spans_per_second: 1}}]}",
        "sampling_strategy: `span-ingest` requires all policies to be stateless, but policy \"a\" is stateful",
    );
}

#[test]
fn every_mistake_of_a_file_is_reported_at_once() {
    let error = load(
        "tail_sampling:
  decision_wait: soon
  policies:
    - {name: a, type: latency, latency: {threshold_ms: x}}
    - name: b
      type: ottl_condition
      ottl_condition:
        span:
          - name ==
          - IsMatch(name)
",
    )
    .map(drop)
    .unwrap_err();
    let lines: Vec<&str> = error.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    assert_eq!(lines, ["c.yaml:2:18", "c.yaml:4:56", "c.yaml:9:13", "c.yaml:10:13"], "{error}");
}

#[test]
fn blocks_without_effect_are_warnings() {
    let warnings =
        load(&one("{name: a, type: always_sample, latency: {threshold_ms: 5}}")).unwrap().1;
    assert!(
        warnings.len() == 1
            && warnings[0]
                .contains("latency: the block has no effect: the type is `always_sample`")
    );
    let (config, warnings) = load(&one("{name: a, type: latency}")).unwrap();
    assert!(warnings[0].contains("the block `latency` is missing"), "{warnings:?}");
    assert_eq!(config.policies, [Policy::new("a", LatencyPolicy::above(0))]);
    let warns = |policy: &str, expected: &str| {
        let (_, warnings) = load(&one(policy)).unwrap();
        assert!(warnings.len() == 1 && warnings[0].contains(expected), "{warnings:?}");
    };
    warns(
        "{name: a, type: numeric_attribute, numeric_attribute: {key: k, min_value: 100, max_value: 50}}",
        "numeric_attribute: no number matches: `min_value` 100 is greater than `max_value` 50",
    );
    warns(
        "{name: a, type: latency, latency: {threshold_ms: 500, upper_threshold_ms: 100}}",
        "latency: no duration matches: `threshold_ms` 500 is greater than `upper_threshold_ms` 100",
    );
    warns(
        "{name: a, type: composite, composite: {composite_sub_policy: [{name: b, type: always_sample}], rate_allocation: [{policy: c, percent: 1}]}}",
        "rate_allocation: \"c\" has no effect: it is the name of no sub-policy",
    );
}

#[test]
fn a_dry_run_is_a_key_of_the_block() {
    let block = "tail_sampling: {dry_run: true, policies: [{name: p, type: always_sample}]}";
    assert!(load(block).unwrap().0.dry_run);
    assert!(load(&block.replace("true", "maybe")).unwrap_err().contains("dry_run"));
}
