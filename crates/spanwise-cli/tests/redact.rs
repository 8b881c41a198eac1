//! `spanwise redact`, and its transcript in `docs/redaction.md`, which `SPANWISE_BLESS=1` writes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use serde_json::{Value, json};
use spanwise_wire::json::to_protobuf;
use std::path::Path;
use support::{TemporaryFile, spanwise, spanwise_in};

const RULES: &str = include_str!("redact/redaction.yaml");
const TRACES: &str = include_str!("redact/traces.json");
const KEY: &str = "a key of sixteen bytes";

fn redact(options: &[&str]) -> (i32, String) {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/redact"));
    let arguments = [&["redact", "redaction.yaml", "traces.json"], options].concat();
    spanwise_in(folder, &arguments, &[("REDACTION_KEY", KEY.to_owned())])
}

#[test]
fn the_page_has_the_output_of_the_command() {
    let (status, output) = redact(&[]);
    assert_eq!(status, 0, "{output}");
    let text = format!(
        "```yaml\n{RULES}```\n\n```text\n$ spanwise redact redaction.yaml traces.json\n{output}```\n"
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/redaction.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- redact:begin -->\n").unwrap();
    let (present, after) = rest.split_once("<!-- redact:end -->").unwrap();
    if std::env::var_os("SPANWISE_BLESS").is_some() {
        let page = format!("{before}<!-- redact:begin -->\n{text}<!-- redact:end -->{after}");
        return std::fs::write(path, page).unwrap();
    }
    assert_eq!(present, text, "SPANWISE_BLESS=1 writes the page");
}

#[test]
fn json_has_the_actions_and_the_redacted_traces() {
    let (status, text) = redact(&["--json"]);
    assert_eq!(status, 0, "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["spans"].as_array().unwrap().len(), 1);
    assert_eq!(
        report["spans"][0]["actions"][0],
        json!({ "rule": 0, "name": "orders", "action": "mask", "target": "span.name", "key": "" })
    );
    assert_eq!(report["counts"][0], json!({ "name": "orders", "count": 3 }));
    assert_eq!(report["resources_and_scopes"][0]["key"], json!("deploy.note"));
    assert_eq!(report["failures"], json!(0));
    let spans = &report["request"]["resourceSpans"][0]["scopeSpans"][0]["spans"];
    assert_eq!(spans[0]["name"], json!("GET /orders/****"));
    assert_eq!(spans[0]["attributes"].as_array().unwrap().len(), 1);
    assert_eq!(spans[1]["name"], json!("SELECT"));
    for secret in ["ann", "session", "ORD-", KEY] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[test]
fn traces_in_protobuf_and_a_block_of_the_collector_are_read() {
    let mut protobuf = Vec::new();
    to_protobuf(TRACES.as_bytes(), 1 << 20, &mut protobuf).unwrap();
    let traces = TemporaryFile::of_bytes("traces.binpb", &protobuf);
    let rules = "processors: {redaction/a: {allow_all_keys: true, blocked_values: ['ORD-[0-9]+'], summary: debug}, attributes: {actions: [{key: user.id, action: delete}]}}";
    let rules = TemporaryFile::new("collector.yaml", rules);
    let redact = |options: &[&str]| {
        spanwise(&[&["redact", &rules.text(), &traces.text()], options].concat(), &[])
    };
    let (status, text) = redact(&["--processor", "redaction/a"]);
    assert!(text.starts_with("warning: ") && text.ends_with("1 of 2 spans changed\n"), "{text}");
    assert!(text.contains("mask event.attributes[\"note\"]") && status == 0, "{text}");
    let (status, text) = redact(&[]);
    assert!(status == 1 && text.contains("choose one of `redaction/a`, `attributes`"), "{text}");
}

#[test]
fn mistakes_have_their_place_and_no_secret() {
    let traces = TemporaryFile::new("traces.json", TRACES);
    let broken = TemporaryFile::new("broken.json", "{\"resourceSpans\": 7}");
    let run = |rules: &str, traces: &str, options: &[&str]| {
        let rules = TemporaryFile::new("rules.yaml", rules);
        let path = rules.text();
        let arguments = [&["redact", &*path, traces], options].concat();
        let (status, text) = spanwise(&arguments, &[("KEY", "canary".to_owned())]);
        assert!(status == 1 && !text.contains("canary"), "{status} {text}");
        text.replace(&path, "rules.yaml")
    };
    let wrong = "rules: [{action: mask, values: ['(']}]";
    let expected =
        "rules.yaml:1:33: rules[0].values[0]: the pattern \"(\" does not compile: unclosed group";
    assert_eq!(run(wrong, &traces.text(), &[]), format!("{expected}\n"));
    let problems: Value = serde_json::from_str(&run(wrong, &traces.text(), &["--json"])).unwrap();
    assert_eq!(problems["problems"][0]["column"], json!(33));
    let short = "{hash_key: '${KEY}', rules: [{action: hash, keys: [a]}]}";
    assert!(run(short, &traces.text(), &[]).contains("the key has 6 bytes"));
    let unkeyed = "attributes: {actions: [{key: a, action: hash}]}";
    assert!(run(unkeyed, &traces.text(), &[]).contains("it hashes without a key"));
    let mask = "rules: [{action: mask, keys: [a]}]";
    assert!(run(mask, &broken.text(), &[]).starts_with(&format!("{}:1:", broken.text())));
    assert!(run(mask, "/no/such/file", &[]).contains("cannot be read"));
}

#[test]
fn config_check_names_mistakes_and_the_feature() {
    let file = |section: &str| {
        let text = format!(
            "file_format: \"1.1\"\ndistribution: {{spanwise: {{redaction: {{{section}}}}}}}\ntracer_provider: {{processors: [{{simple: {{exporter: {{otlp_http: }}}}}}]}}\n"
        );
        TemporaryFile::new("otel.yaml", &text)
    };
    let good = file("rules: [{action: mask, keys: [a]}]");
    let (status, text) = spanwise(&["config", "check", &good.text()], &[]);
    assert!(status == 0 && text.contains("the feature `redaction` of spanwise"), "{text}");
    let wrong = file("rules: [{action: mask, targets: [span.nmae]}]");
    let (status, text) = spanwise(&["config", "check", &wrong.text()], &[]);
    let expected = ":2:72: distribution.spanwise.redaction.rules[0].targets[0]: `span.nmae` is not known; did you mean `span.name`?";
    assert!(status == 1 && text.contains(expected), "{text}");
    let (status, text) = spanwise(&["config", "explain", &good.text()], &[]);
    let row = text.lines().find(|line| line.starts_with("SPANWISE_REDACTION_FILE")).unwrap();
    assert!(status == 0 && row.contains("1 rule") && row.contains(":2: distribution"), "{row}");
}
