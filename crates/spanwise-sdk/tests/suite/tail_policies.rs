//! Tail sampling in the application, by the Collector's policies. The oracles are a receiver that decodes with prost, and a
//! `TailSampler` of `spanwise-tail` that decides about the same spans as a processor would.

use crate::support;

use opentelemetry::trace::Span as _;
use spanwise_config::Document;
use spanwise_sdk::{Bytes, LocalTrace, Outcome, SpanKind, SpanwiseBuilder, Tracer};
use spanwise_tail::{
    Policy, PolicyKind, RateLimitingPolicy, Rule, RuleSampler, TailSampler, TailSamplingConfig,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};
use support::full_queue::remote;
use support::{DiagnosticLog, bench, builder};

/// The policies, with most of their types.
const POLICIES: &str = r#"
tail_sampling:
  decision_wait: 10s
  policies:
    - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
    - {name: slow, type: latency, latency: {threshold_ms: 1000}}
    - {name: some, type: probabilistic, probabilistic: {sampling_percentage: 5}}
    - {name: head, type: trace_flags}
    - name: checkout
      type: and
      and:
        and_sub_policy:
          - {name: route, type: string_attribute, string_attribute: {key: http.route, values: [/checkout]}}
          - {name: large, type: numeric_attribute, numeric_attribute: {key: items, min_value: 5, max_value: 9}}
    - {name: many, type: span_count, span_count: {min_spans: 5}}
    - name: query
      type: ottl_condition
      ottl_condition: {span: ['name == "DELETE" and attributes["rows"] > 40']}
    - name: health
      type: drop
      drop:
        drop_sub_policy:
          - {name: health-route, type: string_attribute, string_attribute: {key: http.route, values: [/health]}}
"#;

fn config(text: &str) -> TailSamplingConfig {
    let document = Document::parse("tail.yaml", text.as_bytes(), |_| None).unwrap();
    TailSamplingConfig::from_document(&document, None).unwrap().value
}

/// Traces of all kinds, with the same ids each time: their roots have remote parents.
fn traces(tracer: &Tracer) {
    for number in 0..2_000_i64 {
        let parent = remote((number as u128 + 1).wrapping_mul(ODD), number % 71 == 0, "");
        let mut root = tracer.child("GET", SpanKind::Server, &parent);
        let route = ["/orders", "/checkout", "/health"][number as usize % 3];
        root.attribute("http.route", route).attribute("items", number % 10);
        if number % 97 == 0 {
            root.error("no stock");
        }
        for row in 0..number % 6 {
            let name = if row == 2 { "DELETE" } else { "SELECT" };
            let mut child = tracer.child(name, SpanKind::Client, root.context());
            child.attribute("rows", number % 50);
            child.finish();
        }
        if number % 89 == 0 {
            root.end_with_timestamp(SystemTime::now() + Duration::from_secs(2));
        }
    }
}

/// Number of spans by trace id.
fn count(bodies: &[impl AsRef<[u8]>]) -> BTreeMap<Vec<u8>, usize> {
    let mut traces = BTreeMap::new();
    for body in bodies {
        for span in spanwise_testkit::spans(&spanwise_testkit::decode(body.as_ref())) {
            *traces.entry(span.trace_id.clone()).or_default() += 1;
        }
    }
    traces
}

/// The traces that a sampler of `config` forwards of those that `bodies` have.
fn sampled_by_processor(
    config: &TailSamplingConfig,
    bodies: &[impl AsRef<[u8]>],
) -> BTreeMap<Vec<u8>, usize> {
    let now = Instant::now();
    let mut sampler = TailSampler::new(config, now).unwrap();
    let mut sampled: Vec<Vec<u8>> = Vec::new();
    for body in bodies {
        assert!(!sampler.append(now, body.as_ref(), &mut sampled).unwrap().is_blocked);
    }
    sampler.tick(now + Duration::from_secs(60), &mut sampled);
    count(&sampled)
}

#[test]
fn policies_of_a_collectors_file_decide_as_the_processor_does() {
    let config = config(POLICIES);
    let in_application = bench(|builder| builder.with_tail_sampling(config.clone()));
    traces(&in_application.spanwise.tracer("tail"));
    in_application.finish();
    // The same traces, all exported, for the processor.
    let always = Policy::new("all", PolicyKind::AlwaysSample);
    let always = TailSamplingConfig::default().with_policy(always);
    let all = bench(|builder| builder.with_tail_sampling(always));
    traces(&all.spanwise.tracer("tail"));
    all.finish();
    assert_eq!(all.spanwise.ledger().exported, all.spanwise.ledger().created);
    let expected = sampled_by_processor(&config, &all.collected.bodies());
    assert_eq!(count(&in_application.collected.bodies()), expected);
    let ledger = in_application.spanwise.ledger();
    assert_eq!(ledger.created, all.spanwise.ledger().created);
    assert!(ledger.exported > 1_000, "{ledger}");
    assert!(ledger.tail_dropped > 1_000 && ledger.tail_not_sampled > 500, "{ledger}");
}

#[test]
fn a_dry_run_exports_all_and_a_rate_limits() {
    let rate = Policy::new("rate", RateLimitingPolicy::new(10));
    let rate = TailSamplingConfig::default().with_policy(rate);
    for (config, exports_all) in [(rate.clone().with_dry_run(true), true), (rate, false)] {
        let bench = bench(|builder| builder.with_tail_sampling(config));
        traces(&bench.spanwise.tracer("tail"));
        bench.finish();
        let ledger = bench.spanwise.ledger();
        match exports_all {
            true => assert_eq!(ledger.exported, ledger.created),
            false => assert!(ledger.exported > 0 && ledger.exported < 2_000, "{ledger}"),
        }
    }
}

#[test]
fn an_invalid_policy_is_an_error_of_the_build() {
    let build = |config: TailSamplingConfig| {
        builder().with_tail_sampling(config).build().map(|_| ()).unwrap_err().to_string()
    };
    let none = build(TailSamplingConfig::default());
    assert!(none.ends_with("at least one policy is required"), "{none}");
    let rules =
        TailSamplingConfig::default().with_rule(Rule::new("all", RuleSampler::AlwaysSample));
    let rules = build(rules);
    assert!(rules.starts_with("with_tail_sampling=") && rules.contains("rules: "), "{rules}");
}

#[test]
fn a_variable_names_a_file_of_policies_and_code_precedes_it() {
    let path = std::env::temp_dir().join(format!("tail-{}.yaml", std::process::id()));
    let text = "tail_sampling: {policies: [{name: errors, type: \"${TYPE}\", status_code: {status_codes: [ERROR]}}]}";
    std::fs::write(&path, text).unwrap();
    let build = |variable: &str, path: &str| {
        let (variable, path) = (variable.to_owned(), path.to_owned());
        builder().with_environment(move |name| match name {
            "SPANWISE_TAIL_SAMPLING_FILE" => Some(path.clone()),
            "TYPE" => Some(variable.clone()),
            _ => None,
        })
    };
    let path = path.display().to_string();
    let spans = |configured: SpanwiseBuilder| {
        let bench = bench(|it| {
            let _unused = it;
            let sink = |_: Bytes| async { Outcome::Accepted { rejected: 0, message: None } };
            configured.with_sink(sink)
        });
        traces(&bench.spanwise.tracer("tail"));
        let ledger = bench.spanwise.shutdown().unwrap().ledger;
        (ledger.exported, ledger.tail_not_sampled)
    };
    let (exported, not_sampled) = spans(build("status_code", &path));
    assert!((20..200).contains(&exported) && not_sampled > 5_000, "{exported} {not_sampled}");
    let in_code = build("status_code", &path).with_tail_sampling(|_: &LocalTrace<'_>| true);
    assert_eq!(spans(in_code).1, 0);
    let error = |builder: SpanwiseBuilder| builder.build().map(|_| ()).unwrap_err().to_string();
    let unknown = error(build("status_cod", &path));
    assert!(unknown.contains(&path) && unknown.contains("status_code"), "{unknown}");
    let missing = error(build("", "/no/such/file.yaml"));
    let expected = "SPANWISE_TAIL_SAMPLING_FILE=`/no/such/file.yaml`: the file cannot be read";
    assert!(missing.contains(expected), "{missing}");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn settings_of_a_processor_alone_are_reported() {
    let log = DiagnosticLog::default();
    let config = config(POLICIES).with_num_shards(4).with_block_on_overflow(true);
    let config = config.with_record_policy(true);
    let bench = bench(|builder| log.attach(builder).with_tail_sampling(config));
    bench.finish();
    let lines = log.lines();
    for name in ["block_on_overflow", "num_shards", "record_policy"] {
        let report =
            format!("{name} has no effect: tail sampling in the application does not use it");
        assert!(lines.iter().any(|line| line.contains(&report)), "{lines:?}");
    }
}

#[test]
fn a_warning_of_the_file_is_reported_with_its_place() {
    let path = std::env::temp_dir().join(format!("tail-warning-{}.yaml", std::process::id()));
    std::fs::write(&path, "tail_sampling: {policies: [{name: slow, type: latency}]}").unwrap();
    let file = path.display().to_string();
    let log = DiagnosticLog::default();
    let named = file.clone();
    let built = log
        .attach(builder())
        .with_environment(move |name| {
            (name == "SPANWISE_TAIL_SAMPLING_FILE").then(|| named.clone())
        })
        .with_sink(|_: Bytes| async { Outcome::Accepted { rejected: 0, message: None } })
        .build();
    built.unwrap().shutdown().unwrap();
    std::fs::remove_file(&path).unwrap();
    let lines = log.lines();
    let report = format!(
        "{file}:1:28: tail_sampling.policies[0]: the block `latency` is missing: its options have their zero values"
    );
    assert!(lines.contains(&report), "{lines:?}");
}

#[test]
fn a_reload_reports_other_policies_as_a_restart() {
    let bench = bench(|builder| builder.with_tail_sampling(config(POLICIES)));
    let endpoint = bench.receiver.http_endpoint();
    let next = || builder().with_endpoint(endpoint.clone());
    let same = bench.spanwise.reload(next().with_tail_sampling(config(POLICIES))).unwrap();
    assert_eq!(same.needs_restart.len(), 0);
    let other = config(POLICIES).with_num_traces(7);
    let other = bench.spanwise.reload(next().with_tail_sampling(other)).unwrap();
    let settings: Vec<_> = other.needs_restart.iter().map(|change| change.setting).collect();
    assert_eq!(settings, ["with_tail_sampling"]);
    bench.finish();
}

/// Spreads small numbers over all bits of a trace id.
const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

#[test]
fn a_reload_compares_the_policies_of_a_file() {
    let path = std::env::temp_dir().join(format!("tail-reload-{}.yaml", std::process::id()));
    std::fs::write(&path, POLICIES).unwrap();
    let file = path.display().to_string();
    let named = |builder: SpanwiseBuilder| {
        let file = file.clone();
        builder.with_environment(move |name| {
            (name == "SPANWISE_TAIL_SAMPLING_FILE").then(|| file.clone())
        })
    };
    let bench = bench(named);
    let is_restart = || {
        let next = named(builder()).with_endpoint(bench.receiver.http_endpoint());
        let reloaded = bench.spanwise.reload(next).unwrap();
        reloaded.needs_restart.iter().any(|change| change.setting == "with_tail_sampling")
    };
    assert!(!is_restart());
    std::fs::write(&path, POLICIES.replace("threshold_ms: 1000", "threshold_ms: 9")).unwrap();
    assert!(is_restart());
    std::fs::remove_file(&path).unwrap();
    bench.finish();
}
