//! `spanwise attributes`, and its transcript in `docs/attributes.md`, which `SPANWISE_BLESS=1` writes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use serde_json::{Value, json};
use spanwise_wire::json::to_protobuf;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use support::{TemporaryFile, answering, spanwise};

/// A line of the traces of a shop: the spans of one request.
fn line(number: u64) -> String {
    let text = |key: &str, value: String| json!({ "key": key, "value": { "stringValue": value } });
    let route = ["cart", "orders", "profile"][number as usize % 3];
    let server = json!({
        "traceId": format!("{:032x}", number + 1), "spanId": "0000000000000001", "name": format!("GET /{route}"),
        "attributes": [
            text("deployment.environment.name", "production".into()),
            text("http.request.method", "GET".into()),
            text("url.path", format!("/{route}/{}", number % 40)),
            text("request.id", format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
            text("enduser.token", format!("hunter2canary{}", number % 7)),
        ],
    });
    let query = json!({
        "traceId": format!("{:032x}", number + 1), "spanId": "0000000000000002", "name": "SELECT",
        "attributes": [
            text("deployment.environment.name", "production".into()),
            text("db.query.text", format!("SELECT id, name, price FROM {route} WHERE user_id = ? ORDER BY name")),
        ],
        "events": [{ "name": "retry", "attributes": [text("retry.reason", "timeout".into())] }],
    });
    let resource = json!({ "attributes": [text("service.name", "shop".into())] });
    let scopes = json!([{ "scope": { "name": "shop" }, "spans": [server, query] }]);
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": scopes }] }).to_string() + "\n"
}

fn lines() -> String {
    (0..300).map(line).collect()
}

fn report(arguments: &[&str]) -> Value {
    let (status, text) = spanwise(&[&["attributes"], arguments, &["--json"]].concat(), &[]);
    assert_eq!(status, 0, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_page_has_the_output_of_the_command() {
    let file = TemporaryFile::new("traces.json", &lines());
    let (status, output) = spanwise(&["attributes", &file.text()], &[]);
    assert!(status == 0 && !output.contains("hunter2"), "{output}");
    let text = format!("```text\n$ spanwise attributes traces.json\n{output}```\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/attributes.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- attributes:begin -->\n").unwrap();
    let (present, after) = rest.split_once("<!-- attributes:end -->").unwrap();
    if std::env::var_os("SPANWISE_BLESS").is_some() {
        let page =
            format!("{before}<!-- attributes:begin -->\n{text}<!-- attributes:end -->{after}");
        return std::fs::write(path, page).unwrap();
    }
    assert_eq!(present, text, "SPANWISE_BLESS=1 writes the page");
}

#[test]
fn json_protobuf_and_the_standard_input_have_the_same_report() {
    let lines = lines();
    let of_json = report(&[&TemporaryFile::new("same.json", &lines).text()]);
    assert_eq!((&of_json["schema"], &of_json["spans"]), (&1.into(), &600.into()));
    let key = &of_json["keys"].as_array().unwrap().iter().find(|it| it["key"] == "request.id");
    assert_eq!(key.unwrap()["near_unique"], true);
    assert!(!of_json.to_string().contains("hunter2"), "{of_json}");

    let mut protobuf = Vec::new();
    lines.lines().for_each(|line| to_protobuf(line.as_bytes(), 1 << 20, &mut protobuf).unwrap());
    let file = TemporaryFile::of_bytes("same.pb", &protobuf);
    assert_eq!(report(&[&file.text()]), of_json);

    let mut command = Command::new(env!("CARGO_BIN_EXE_spanwise"));
    let command = command.args(["attributes", "-", "--json"]).env_clear();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), of_json);
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_its_place() {
    let file = TemporaryFile::new("broken.json", "{\"resourceSpans\": 3}\n");
    let (status, text) = spanwise(&["attributes", &file.text()], &[]);
    assert_eq!(status, 1);
    assert!(text.starts_with(&format!("{}:1:19: ", &file.text())), "{text}");
    let (status, text) = spanwise(&["attributes", "/no/such/file", "--json"], &[]);
    let problems: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &problems["problems"][0]["file"]), (1, &"/no/such/file".into()));
    let file = TemporaryFile::new("empty-request.json", "{}");
    let (status, text) = spanwise(&["attributes", &file.text()], &[]);
    assert!(status == 0 && text.starts_with("no spans were read"), "{status} {text}");
}

#[test]
fn a_process_is_asked_and_its_text_moves_no_cursor() {
    let document = json!({
        "schema": 1, "spans": 12_000, "bytes": 1_000_000, "attribute_bytes": 700_000, "distinct_keys": 1,
        "replaced_keys": 0, "malformed": 0,
        "keys": [{
            "place": "span\u{1b}[2J", "key": "a\u{1b}]0;x\u{7}b", "share": 0.7, "bytes": 700_000, "bytes_error": 0,
            "occurrences": 12_000, "values": 9_000, "values_exact": false, "one_value": false, "near_unique": false,
        }],
        "advice": ["The attribute `a\u{1b}` makes 70 % of the bytes"],
    });
    let body = document.to_string();
    let peer =
        answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let url = format!("http://{}", peer.address());
    let (status, text) = spanwise(&["attributes", "--endpoint", &url], &[]);
    assert!(status == 0 && !text.contains('\u{1b}') && !text.contains('\u{7}'), "{text:?}");
    assert!(text.starts_with("12,000 spans, 1,000,000 bytes before compression, 70.0 %"), "{text}");
    assert!(text.contains("700,000       12,000     ~9,000"), "{text}");
    assert!(text.ends_with("- The attribute `a` makes 70 % of the bytes\n"), "{text}");
    assert_eq!(report(&["--endpoint", &url]), document);
}

#[test]
fn an_endpoint_that_is_none_is_an_error_with_its_fix() {
    let other = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    let url = format!("http://{}", other.address());
    let (status, text) = spanwise(&["attributes", "--endpoint", &url], &[]);
    assert_eq!(status, 1);
    assert!(text.starts_with(&format!("{url}/debug/attributes.json: ")), "{text}");
    assert!(text.contains("spanwise-admin"), "{text}");
    let (status, text) = spanwise(&["attributes", "--endpoint", "http://u:hunter2@a"], &[]);
    assert!(status == 1 && text.contains("user info") && !text.contains("hunter2"), "{text}");
}
