//! `spanwise explain`, and its transcript in `docs/tail-sampling.md`, which `SPANWISE_BLESS=1` writes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use serde_json::{Value, json};
use spanwise_wire::json::to_protobuf;
use std::path::Path;
use support::{TemporaryFile, spanwise, spanwise_in};

const POLICIES: &str = include_str!("explain/collector.yaml");
const TRACES: &str = include_str!("explain/traces.json");

fn files() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/explain"))
}

fn explain(options: &[&str]) -> (i32, String) {
    let arguments = [&["explain", "collector.yaml", "traces.json"], options].concat();
    spanwise_in(files(), &arguments, &[])
}

#[test]
fn the_page_has_the_output_of_the_command() {
    let (status, output) = explain(&[]);
    let text = format!(
        "```yaml\n{POLICIES}```\n\n```text\n$ spanwise explain collector.yaml traces.json\n{output}$ echo $?\n{status}\n```\n"
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/tail-sampling.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- explain:begin -->\n").unwrap();
    let (present, after) = rest.split_once("<!-- explain:end -->").unwrap();
    if std::env::var_os("SPANWISE_BLESS").is_some() {
        let page = format!("{before}<!-- explain:begin -->\n{text}<!-- explain:end -->{after}");
        return std::fs::write(path, page).unwrap();
    }
    assert_eq!(present, text, "SPANWISE_BLESS=1 writes the page");
}

#[test]
fn each_policy_has_its_vote_and_its_reason() {
    let (status, text) = explain(&[]);
    assert_eq!(status, 0, "{text}");
    for line in [
        "trace 00000000000000000000000000000200: sampled by \"slow\" (the wait is over), 2 spans",
        "trace 00000000000000000000000000000300: not sampled (the wait is over), 1 span",
        "    route (string_attribute): not sampled; attribute \"http.route\" is \"/health\", wanted \"/checkout\"; span 0000000000000003 \"GET /health\"",
        "    half (probabilistic): not evaluated",
        "1 of 2 traces sampled",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in {text}");
    }
}

#[test]
fn a_file_of_spanwise_node_has_the_policies_too() {
    let (_, block) = POLICIES.split_once("processors:\n").unwrap();
    let block = block.lines().take_while(|line| line.is_empty() || line.starts_with("  "));
    let block: String =
        block.map(|line| format!("{}\n", line.get(2..).unwrap_or_default())).collect();
    let text = format!("role: sampler\n{block}destinations: [{{name: backend, debug: {{}}}}]\n");
    let node = TemporaryFile::new("node.yaml", &text);
    let traces = files().join("traces.json");
    let (status, output) = spanwise(&["explain", &node.text(), traces.to_str().unwrap()], &[]);
    assert_eq!((status, output), explain(&[]), "{text}");
}

#[test]
fn the_same_as_json() {
    let (status, text) = explain(&["--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (status, &report["left_out_spans"], &report["warnings"]),
        (0, &0.into(), &json!([]))
    );
    let trace = &report["traces"][0];
    assert_eq!(trace["trace_id"], "00000000000000000000000000000200");
    assert_eq!((&trace["decision"], &trace["policy"]), (&"sampled".into(), &"slow".into()));
    assert_eq!((&trace["cause"], &trace["spans"]), (&"wait_over".into(), &2.into()));
    let slow = &trace["policies"][1];
    let span = json!({ "span_id": "0000000000000002", "name": "SELECT" });
    let evidence = json!({ "subject": "duration", "value": "2000 ms", "wanted": "more than 1000 ms", "span": span });
    assert_eq!(
        slow,
        &json!({
            "name": "slow", "type": "latency", "vote": "sampled", "error": null,
            "evidence": evidence, "sub_policies": [],
        })
    );
    let checkout = &trace["policies"][2]["sub_policies"];
    assert_eq!(checkout[0]["evidence"]["value"], Value::Null);
    assert_eq!(
        (&checkout[1]["vote"], &checkout[1]["evidence"]),
        (&"not_evaluated".into(), &Value::Null)
    );
    assert_eq!(report["traces"][1]["policies"][0]["vote"], "not_sampled");
}

#[test]
fn protobuf_and_lines_of_json_are_read_as_well() {
    let (_, expected) = explain(&[]);
    let mut protobuf = Vec::new();
    to_protobuf(TRACES.as_bytes(), 1 << 20, &mut protobuf).unwrap();
    let file = TemporaryFile::new("request.bin", "");
    std::fs::write(&file.0, protobuf).unwrap();
    let run = |traces: &str| spanwise_in(files(), &["explain", "collector.yaml", traces], &[]);
    assert_eq!(run(&file.text()), (0, expected.clone()));
    let line: String = TRACES.lines().map(str::trim).collect();
    let file = TemporaryFile::new("traces.jsonl", &format!("{line}\n{line}\n"));
    let (status, twice) = run(&file.text());
    assert_eq!(status, 0, "{twice}");
    assert!(
        twice.contains("(the wait is over), 4 spans") && twice.ends_with("1 of 2 traces sampled\n"),
        "{twice}"
    );
}

#[test]
fn limits_of_a_sampler_are_not_used_up() {
    let limits = "  tail_sampling:\n    num_traces: 1\n    block_on_overflow: true\n    drop_pending_traces_on_shutdown: true\n    stress_relief: {activation_level: 1, deactivation_level: 1}\n";
    let policies = POLICIES.replace("  tail_sampling:\n", limits);
    let file = TemporaryFile::new("collector.yaml", &policies);
    let traces = files().join("traces.json");
    assert_eq!(spanwise(&["explain", &file.text(), traces.to_str().unwrap()], &[]), explain(&[]));
}

#[test]
fn spans_that_no_decision_has_are_counted() {
    let broken = TRACES.replace("\"traceId\": \"00000000000000000000000000000300\", ", "");
    let file = TemporaryFile::new("traces.json", &broken);
    let (status, text) = spanwise_in(files(), &["explain", "collector.yaml", &file.text()], &[]);
    let last = "1 of 1 traces sampled; 1 spans left out: they have no valid trace id, cannot be read, or follow an earlier decision\n";
    assert!(status == 0 && text.ends_with(last), "{text}");
}

#[test]
fn one_of_several_processors_is_chosen_by_its_name() {
    let two = POLICIES.to_owned()
        + "  tail_sampling/all:\n    policies:\n      - {name: all, type: always_sample}\n";
    let file = TemporaryFile::new("collector.yaml", &two);
    let run = |options: &[&str]| {
        let path = file.text();
        spanwise_in(files(), &[&["explain", &path, "traces.json"], options].concat(), &[])
    };
    let (status, text) = run(&[]);
    assert!(status == 1 && text.contains("tail_sampling/all"), "{text}");
    let (status, text) = run(&["--processor", "tail_sampling/all"]);
    assert!(status == 0 && text.ends_with("2 of 2 traces sampled\n"), "{text}");
}

#[test]
#[cfg(target_os = "linux")]
fn an_output_that_cannot_be_written_is_a_failure() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_spanwise"));
    command.args(["explain", "collector.yaml", "traces.json"]).current_dir(files());
    let output = command.stdout(full).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.starts_with("spanwise: the output cannot be written: "), "{error}");
}

#[test]
fn errors_have_the_path_and_the_place() {
    let file =
        TemporaryFile::new("collector.yaml", &POLICIES.replace("threshold_ms", "treshold_ms"));
    let path = file.text();
    let (status, text) = spanwise_in(files(), &["explain", &path, "traces.json"], &[]);
    let expected = format!(
        "{path}:6:47: processors.tail_sampling.policies[1].latency.treshold_ms: unknown key; did you mean `threshold_ms`?\n"
    );
    assert_eq!((status, text), (1, expected));
    let (status, text) = spanwise_in(files(), &["explain", &path, "traces.json", "--json"], &[]);
    let problem = &serde_json::from_str::<Value>(&text).unwrap()["problems"][0];
    assert_eq!((status, &problem["line"], &problem["file"]), (1, &6.into(), &path.into()));

    let run = |traces: &str, options: &[&str]| {
        spanwise_in(files(), &[&["explain", "collector.yaml", traces], options].concat(), &[])
    };
    let file = TemporaryFile::new("traces.json", &TRACES.replace("\"GET /cart\"", "7"));
    let path = file.text();
    let (status, text) = run(&path, &[]);
    assert!(status == 1 && text.starts_with(&format!("{path}:7:")), "{text}");
    let (_, text) = run(&path, &["--json"]);
    let problem = &serde_json::from_str::<Value>(&text).unwrap()["problems"][0];
    assert_eq!((&problem["line"], &problem["file"]), (&7.into(), &path.into()));

    let file = TemporaryFile::new("request.bin", "no request");
    let (status, text) = run(&file.text(), &[]);
    let expected = format!("{}: the file is no OTLP request in protobuf: ", file.text());
    assert!(status == 1 && text.starts_with(&expected), "{text}");
    let (status, text) = run("/no/such/traces.json", &[]);
    assert!(
        status == 1 && text.starts_with("/no/such/traces.json: the file cannot be read: "),
        "{text}"
    );
}

#[test]
fn names_of_spans_reach_no_terminal_as_escape_sequences() {
    let file = TemporaryFile::new(
        "traces.json",
        &TRACES.replace("SELECT", "\\u001b[31mSELECT").replace("\"GET /cart\"", "\"\\u001b[2J\""),
    );
    let (_, text) = spanwise_in(files(), &["explain", "collector.yaml", &file.text()], &[]);
    assert!(!text.contains('\u{1b}'), "{text:?}");
}
