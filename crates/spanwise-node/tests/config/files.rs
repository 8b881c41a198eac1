//! The outputs of `spanwise-node check` for the files of this folder and, in `docs/from-the-collector.md`, of `docs/deploy`, which `SPANWISE_BLESS=1` writes.

use spanwise_testkit::pki::{Authority, Template};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A folder with the files of this one, and the certificates and keys that they name. Removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("node-check-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let copy = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&copy.0).unwrap();
        for entry in fs::read_dir(folder()).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, copy.0.join(path.file_name().unwrap())).unwrap();
        }
        let authority = Authority::new("authority").unwrap();
        let own = authority.issue(&Template::default()).unwrap();
        copy.write("peers.pem", &authority.certificate);
        copy.write("tls.pem", &own.certificate);
        copy.write("key.pem", &own.key);
        copy
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn check(&self, file: &str, options: &[&str]) -> (i32, String) {
        check_in(&self.0, file, options)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

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

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/files")
}

#[test]
fn each_file_has_its_output() {
    let files = Folder::new();
    for (file, status) in [
        ("node.yaml", 0),
        ("node-with-mistakes.yaml", 2),
        ("collector-sampler.yaml", 0),
        ("collector-gateway.yaml", 0),
        ("collector-with-mistakes.yaml", 2),
    ] {
        let (found, output) = files.check(file, &[]);
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
    let files = Folder::new();
    let (status, output) = files.check("collector-gateway.yaml", &["--json"]);
    let read: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, read["problems"].as_array().unwrap().len()), (0, 0));
    assert_eq!(read["warnings"][0]["path"], "service.telemetry");
    assert_eq!(read["parts"][0], serde_json::json!({"part": "role", "description": "gateway"}));
    let (status, output) = files.check("node-with-mistakes.yaml", &["--json"]);
    let read: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, &read["problems"][0]["line"]), (2, &2.into()));
    assert_eq!(read["problems"].as_array().unwrap().len(), 14);
    let (status, output) = files.check("missing.yaml", &[]);
    assert_eq!(status, 2);
    assert!(output.starts_with("missing.yaml:1:1: the file cannot be read: "), "{output}");
}

/// Each line of the output has the place of a key, the path, the reason and the fix.
fn check_unreadable(output: &(i32, String), expected: &[&str]) {
    let (status, output) = output;
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!((*status, lines.len()), (4, expected.len()), "{output}");
    for (line, expected) in lines.iter().zip(expected) {
        let fix = if expected.contains("key_file") { "private key" } else { "certificate" };
        assert!(line.contains(expected) && line.contains("; accepted "), "{expected}: {line}");
        assert!(line.contains(fix) && line.ends_with("that the user of the node can read"));
    }
}

#[test]
fn certificates_and_keys_are_read_and_parsed() {
    let files = Folder::new();
    let secret = fs::read_to_string(files.0.join("key.pem")).unwrap();
    // The key of another certificate, one that is no certificate, and none.
    let other = Authority::new("other").unwrap().issue(&Template::default()).unwrap();
    files.write("key.pem", &other.key);
    files.write("peers.pem", &secret);
    let output = files.check("node.yaml", &[]);
    let expected = [
        "node.yaml:5:41: receivers[0].tls.key_file: key.pem cannot be used: it is not the key",
        "node.yaml:25:48: gateway.protocol.tls.ca_file: peers.pem cannot be used: it holds no cert",
    ];
    check_unreadable(&output, &expected);
    let part = secret.lines().nth(1).unwrap();
    assert!(!output.1.contains(part), "{}", output.1);

    files.write("tls.pem", "text");
    let output = files.check("collector-sampler.yaml", &[]);
    let place = "receivers.otlp.protocols.grpc.tls.cert_file: tls.pem cannot be used: ";
    check_unreadable(&output, &[&format!("collector-sampler.yaml:20:22: {place}")]);

    fs::remove_file(files.0.join("tls.pem")).unwrap();
    files.write(
        "own.yaml",
        "destinations:
  - name: a
    otlp: {endpoint: 'https://a', tls: {ca_file: tls.pem, cert_file: tls.pem, key_file: key.pem}}
  - {name: b, otlp: {endpoint: 'https://b', tls: {cert_file: peers.pem, key_file: key.pem}}}
receivers: [{endpoint: '127.0.0.1:1', tls: {cert_file: a.pem, key_file: key.pem, client_ca_file: tls.pem}}]
",
    );
    let expected = [
        "own.yaml:3:50: destinations[0].otlp.tls.ca_file: tls.pem cannot be used: ",
        "own.yaml:3:70: destinations[0].otlp.tls.cert_file: tls.pem cannot be used: ",
        "own.yaml:4:62: destinations[1].otlp.tls.cert_file: peers.pem cannot be used: ",
        "own.yaml:5:56: receivers[0].tls.cert_file: a.pem cannot be used: ",
        "own.yaml:5:98: receivers[0].tls.client_ca_file: tls.pem cannot be used: ",
    ];
    check_unreadable(&files.check("own.yaml", &[]), &expected);
    // With another mistake, the file is not valid.
    files.write(
        "both.yaml",
        "destinations: [{name: a, otlp: {endpoint: 'https://a', tls: {ca_file: tls.pem}}}]\nx: 1\n",
    );
    assert_eq!(files.check("both.yaml", &[]).0, 2);
}

#[test]
fn certificates_of_exporters_and_peers_of_a_collector_are_read_too() {
    let files = Folder::new();
    files.write(
        "exporters.yaml",
        "receivers: {otlp: {protocols: {grpc: }}}
exporters:
  otlp: {endpoint: 'a:1', tls: {ca_pem: 'no certificate'}}
  otlp_http: {endpoint: 'https://a', tls: {cert_file: key.pem, key_file: key.pem}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [otlp, otlp_http]}}}
",
    );
    let (status, output) = files.check("exporters.yaml", &[]);
    assert_eq!((status, output.lines().count()), (4, 2), "{output}");
    for expected in [
        "exporters.yaml:3:41: exporters.otlp.tls.ca_pem: [14 bytes] cannot be used: it holds no certificate",
        "exporters.yaml:4:55: exporters.otlp_http.tls.cert_file: key.pem cannot be used: it holds no certificate",
    ] {
        assert!(output.contains(expected), "{expected} in\n{output}");
    }
    files.write(
        "peers.yaml",
        "receivers: {otlp: {protocols: {grpc: }}}
exporters:
  load_balancing:
    resolver: {static: {hostnames: ['a:1']}}
    protocol: {otlp: {tls: {ca_file: missing.pem}}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [load_balancing]}}}
",
    );
    let place = "exporters.load_balancing.protocol.otlp.tls.ca_file: missing.pem cannot be used: ";
    check_unreadable(&files.check("peers.yaml", &[]), &[&format!("peers.yaml:5:38: {place}")]);
}
