//! The outputs of `spanwise-node check` for the files of this folder and, in `docs/from-the-collector.md`, of `docs/deploy`, which `SPANWISE_BLESS=1` writes.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The status and the output of the command, which runs in a folder.
fn check_in(folder: &Path, file: &str, options: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_spanwise-node"))
        .args(["check", file])
        .args(options)
        .current_dir(folder)
        .env("TOKEN", "t0ken-0f-the-environment")
        .env("HEADER", "he4der-0f-the-environment")
        .env("OTLP_AUTHORIZATION", "Bearer he4der-0f-the-environment")
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn check(file: &str, options: &[&str]) -> (i32, String) {
    check_in(&folder(), file, options)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/files")
}

#[test]
fn each_file_has_its_output() {
    for (file, status) in [
        ("node.yaml", 0),
        ("node-with-mistakes.yaml", 2),
        ("collector-sampler.yaml", 0),
        ("collector-gateway.yaml", 0),
        ("collector-with-mistakes.yaml", 2),
    ] {
        let (found, output) = check(file, &[]);
        assert_eq!(found, status, "{output}");
        for secret in ["t0ken", "he4der", "s3cret"] {
            assert!(!output.contains(secret), "{output}");
        }
        let name = Path::new(file).file_name().unwrap().to_str().unwrap();
        let expected = folder().join(name.replace(".yaml", ".txt"));
        if std::env::var_os("SPANWISE_BLESS").is_some() {
            std::fs::write(&expected, &output).unwrap();
            continue;
        }
        assert_eq!(
            std::fs::read_to_string(&expected).unwrap(),
            output,
            "SPANWISE_BLESS=1 writes {}",
            expected.display()
        );
    }
}

#[test]
fn the_page_has_the_output_of_the_command() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let (status, output) = check_in(&docs, "deploy/collector.yaml", &[]);
    let text = format!(
        "```text\n$ spanwise-node check deploy/collector.yaml\n{output}$ echo $?\n{status}\n```\n"
    );
    let path = docs.join("from-the-collector.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- check:begin -->\n").unwrap();
    let (present, after) = rest.split_once("<!-- check:end -->").unwrap();
    if std::env::var_os("SPANWISE_BLESS").is_some() {
        let page = format!("{before}<!-- check:begin -->\n{text}<!-- check:end -->{after}");
        return std::fs::write(path, page).unwrap();
    }
    assert_eq!(present, text, "SPANWISE_BLESS=1 writes the page");
}

#[test]
fn the_output_is_json_by_choice() {
    let (status, output) = check("collector-gateway.yaml", &["--json"]);
    let read: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, read["problems"].as_array().unwrap().len()), (0, 0));
    assert_eq!(read["warnings"][0]["path"], "service.telemetry");
    assert_eq!(read["parts"][0], serde_json::json!({"part": "role", "description": "gateway"}));
    let (status, output) = check("node-with-mistakes.yaml", &["--json"]);
    let read: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, &read["problems"][0]["line"]), (2, &2.into()));
    assert_eq!(read["problems"].as_array().unwrap().len(), 14);
    let (status, output) = check("missing.yaml", &[]);
    assert_eq!(status, 2);
    assert!(output.starts_with("missing.yaml:1:1: the file cannot be read: "), "{output}");
}
