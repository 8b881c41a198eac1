//! `spanwise config explain` and `spanwise config check`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use serde_json::Value;
use support::{TemporaryFile, spanwise};

const GOOD: &str = "file_format: \"1.1\"
resource:
  attributes:
    - name: service.name
      value: ${SERVICE:-shop}
tracer_provider:
  sampler:
    always_on:
  processors:
    - batch:
        schedule_delay: 2000
        exporter:
          otlp_http:
            endpoint: http://collector:4318/v1/traces
            headers:
              - name: authorization
                value: Bearer s3cret
";

/// The mistakes are in lines 2, 7 and 12.
const BROKEN: &str = "file_format: \"1.1\"
resourc: {}
tracer_provider:
  processors:
    - batch:
        schedule_delay: 2000
        export_timeout: soon
        exporter:
          otlp_http:
            endpoint: http://collector:4318/v1/traces
            headers: []
            timeot: 5
";

#[test]
fn a_file_that_can_be_used_passes() {
    let file = TemporaryFile::new("otel.yaml", GOOD);
    let (status, text) = spanwise(&["config", "check", &file.text()], &[]);
    assert_eq!((status, text), (0, format!("{}: it can be used\n", file.text())));
    let warned = TemporaryFile::new("otel.yaml", &format!("{GOOD}meter_provider: {{}}\n"));
    let (status, text) = spanwise(&["config", "check", &warned.text()], &[]);
    assert!(status == 0 && text.contains("warning: ") && text.contains("meter_provider"), "{text}");
}

#[test]
fn features_that_a_program_needs_are_named() {
    let file = |text: &str| TemporaryFile::new("otel.yaml", text);
    let remote = "  sampler: { jaeger_remote/development: { endpoint: http://a:5778, initial_sampler: { always_on: } } }";
    let of_all = file(&format!(
        "file_format: \"1.1\"\ntracer_provider:\n{remote}\n  processors:\n    - batch: {{ exporter: {{ otlp_http: {{ compression: \
         zstd }} }} }}\n    - batch: {{ exporter: {{ otlp_grpc: }} }}\n"
    ));
    let expected = "it can be used, and needs the features `grpc`, `zstd`, `jaeger` of spanwise in the program";
    let (status, text) = spanwise(&["config", "check", &of_all.text()], &[]);
    assert_eq!((status, text), (0, format!("{}: {expected}\n", of_all.text())));
    let (_, json) = spanwise(&["config", "check", "--json", &of_all.text()], &[]);
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["features"], serde_json::json!(["grpc", "zstd", "jaeger"]));

    let variables = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9".to_owned()),
    ];
    let (_, text) = spanwise(&["doctor"], &variables);
    let line = "passed   features: this configuration needs the feature `grpc` of spanwise in the program [outside]";
    assert!(text.lines().any(|it| it == line), "{text}");
}

#[test]
fn a_file_of_tail_sampling_policies_is_read() {
    let policies = "tail_sampling: {policies: [{name: errors, type: trace_flags}]}";
    let file = TemporaryFile::new("tail.yaml", policies);
    let variables = [
        ("SPANWISE_TAIL_SAMPLING_FILE", file.text()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9".to_owned()),
    ];
    let (status, text) = spanwise(&["config", "explain"], &variables);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("1 policy, decision_wait 30s"), "{text}");
    let (_, text) = spanwise(&["doctor"], &variables);
    let line = "needs the feature `tail-sampling` of spanwise in the program";
    assert!(text.contains(line), "{text}");
}

#[test]
fn a_spool_is_explained_and_its_directory_is_left_alone() {
    let folder = TemporaryFile::new("x", "");
    let directory = folder.0.with_file_name("spool");
    let variables = [
        ("SPANWISE_SPOOL_DIRECTORY", directory.display().to_string()),
        ("SPANWISE_SPOOL_MAX_BYTES", "268435456".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9".to_owned()),
    ];
    let (status, text) = spanwise(&["config", "explain"], &variables);
    assert_eq!(status, 0, "{text}");
    let row = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    assert!(row("SPANWISE_SPOOL_DIRECTORY").contains(&variables[0].1), "{text}");
    assert!(row("SPANWISE_SPOOL_MAX_BYTES").contains("268435456 bytes"), "{text}");
    assert!(row("SPANWISE_SPOOL_MAX_AGE").contains("259200000 ms"), "{text}");
    let (_, text) = spanwise(&["doctor"], &variables);
    assert!(text.contains("needs the feature `spool` of spanwise in the program"), "{text}");
    let file = "file_format: \"1.1\"\ndistribution: {spanwise: {spool: {directory: /var/lib/shop/spans}}}\n\
                tracer_provider: {processors: [{batch: {exporter: {otlp_http: }}}]}\n";
    let file = TemporaryFile::new("otel.yaml", file);
    let (status, text) = spanwise(&["config", "check", &file.text()], &[]);
    let expected = "it can be used, and needs the feature `spool` of spanwise in the program";
    assert_eq!((status, text), (0, format!("{}: {expected}\n", file.text())));
    // The running process has the directory and its lock.
    assert!(!directory.exists(), "{}", directory.display());
}

#[test]
fn a_variable_without_a_value_is_a_warning_that_names_the_nearest_one() {
    let text = GOOD.replace("http://collector:4318/v1/traces", "${COLECTOR_URL}");
    let file = TemporaryFile::new("otel.yaml", &text);
    let set = [("COLLECTOR_URL", "http://collector:4318".to_owned())];
    for command in ["check", "explain"] {
        let (status, text) = spanwise(&["config", command, &file.text()], &set);
        let expected = format!(
            "{}:14:23: tracer_provider.processors[0].batch.exporter.otlp_http.endpoint: an empty text replaces ${{COLECTOR_URL}}: \
             the variable has no value; did you mean `COLLECTOR_URL`?",
            file.text()
        );
        assert!(status == 0 && text.contains(&expected), "{text}");
    }
}

#[test]
fn every_mistake_has_its_place_and_the_nearest_key() {
    let file = TemporaryFile::new("otel.yaml", BROKEN);
    let (status, text) = spanwise(&["config", "check", &file.text()], &[]);
    assert_eq!(status, 1, "{text}");
    let path = file.text();
    for expected in [
        format!("{path}:2:1: resourc: unknown key; did you mean `resource`?"),
        format!("{path}:7:"),
        format!(
            "{path}:12:13: tracer_provider.processors[0].batch.exporter.otlp_http.timeot: unknown key"
        ),
    ] {
        assert!(text.contains(&expected), "{expected} is not in {text}");
    }
    let (status, json) = spanwise(&["config", "check", "--json", &path], &[]);
    let report: Value = serde_json::from_str(&json).unwrap();
    let problems = report["problems"].as_array().unwrap();
    let lines: Vec<_> = problems.iter().map(|problem| problem["line"].as_u64().unwrap()).collect();
    assert_eq!((status, lines), (1, vec![2, 7, 12]), "{report:#}");
    assert_eq!((&problems[0]["path"], &problems[0]["column"]), (&"resourc".into(), &1.into()));
    let (status, text) = spanwise(&["config", "check", "/no/such/file.yaml"], &[]);
    assert!(status == 1 && text.contains("/no/such/file.yaml"), "{text}");
}

#[test]
fn settings_are_explained_with_their_origin_and_without_secrets() {
    let file = TemporaryFile::new("otel.yaml", GOOD);
    let (status, text) = spanwise(&["config", "explain", &file.text()], &[]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains(&format!("{}:11", file.text())), "the delay's line: {text}");
    assert!(text.contains("http://collector:4318/v1/traces") && !text.contains("s3cret"), "{text}");

    let variables = [
        ("OTEL_BSP_SCHEDULE_DELAY", "2000".to_owned()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=s3cret".to_owned()),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many".to_owned()),
    ];
    let (status, json) = spanwise(&["config", "explain", "--json"], &variables);
    assert!(status == 0 && !json.contains("s3cret"), "{json}");
    let explained: Value = serde_json::from_str(&json).unwrap();
    let rows = explained["settings"].as_array().unwrap();
    let delay = rows.iter().find(|row| row["name"] == "OTEL_BSP_SCHEDULE_DELAY").unwrap();
    assert_eq!((&delay["value"], &delay["origin"]["kind"]), (&"2000".into(), &"variable".into()));
    assert!(explained["reports"][0].as_str().unwrap().contains("OTEL_BSP_MAX_QUEUE_SIZE=`many`"));

    let wrong = [("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318".to_owned())];
    let (status, json) = spanwise(&["config", "explain", "--json"], &wrong);
    let error: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(status, 1);
    assert!(error["problems"][0]["message"].as_str().unwrap().contains("it has no scheme"));
}

#[test]
fn arguments_that_are_not_accepted_exit_with_two() {
    for arguments in [&["config"][..], &["config", "check"], &["config", "chek", "file"]] {
        assert_eq!(spanwise(arguments, &[]).0, 2, "{arguments:?}");
    }
}

#[test]
fn a_misspelt_variable_is_reported_once_with_the_one_that_it_stands_for() {
    let variables = [
        ("OTEL_TRACE_SAMPLER", "always_off".to_owned()),
        ("OTEL_PYTHON_LOG_LEVEL", "info".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9".to_owned()),
    ];
    let line = "OTEL_TRACE_SAMPLER is no known variable; did you mean OTEL_TRACES_SAMPLER?";
    for arguments in [&["config", "explain"][..], &["doctor"]] {
        let (_, text) = spanwise(arguments, &variables);
        assert_eq!(
            (text.matches(line).count(), text.matches("OTEL_PYTHON").count()),
            (1, 0),
            "{text}"
        );
    }
    // A declarative file leaves no variable in force.
    let file = TemporaryFile::new("otel.yaml", GOOD);
    let (_, text) = spanwise(&["config", "explain", &file.text()], &variables);
    assert!(!text.contains("OTEL_TRACE_SAMPLER"), "{text}");
}
