//! `spanwise doctor` in every situation that it sees from outside: the sentence, the fix, the exit status and the time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use serde_json::Value;
use spanwise_receiver::Receiver;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use support::{TemporaryFile, situations, spanwise, spanwise_in};

/// The check with this name, of a report in JSON.
fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks
        .iter()
        .find(|check| check["check"] == name)
        .unwrap_or_else(|| panic!("no {name}: {report:#}"))
}

#[test]
fn each_situation_has_its_sentence_and_its_fix() {
    let mut wrong = Vec::new();
    for situation in situations::all() {
        let (status, json) = spanwise(&["doctor", "--json"], &situation.variables);
        let report: Value = serde_json::from_str(&json).unwrap();
        let found = check(&report, situation.check);
        let fix = situation.fix.replace("{port}", &situation.port.to_string());
        let is_right = found["status"] == situation.status
            && found["finding"].as_str().unwrap().starts_with(&situation.finding())
            && (fix.is_empty() == found["fix"].is_null())
            && found["fix"].as_str().unwrap_or_default().contains(&fix)
            && status == i32::from(situation.status == "failed");
        if !is_right || json.contains("s3cret") {
            wrong.push(format!("{}: exit status {status}, {report:#}", situation.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_span_that_arrives_is_an_exit_status_of_zero() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    for (protocol, compression) in
        [("http/protobuf", "zstd"), ("http/json", "gzip"), ("grpc", "none")]
    {
        let before = collected.spans();
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", receiver.address())),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", compression.to_owned()),
            ("OTEL_SERVICE_NAME", "shop".to_owned()),
        ];
        let (status, text) = spanwise(&["doctor"], &variables);
        assert_eq!((status, text.lines().last()), (0, Some("A span arrived.")), "{text}");
        assert_eq!(collected.spans(), before + 1, "{protocol}");
    }
}

#[test]
fn the_certificate_of_a_receiver_over_tls_is_checked() {
    let (receiver, ca) = support::secure(&spanwise_testkit::pki::Template::default());
    for protocol in ["http/protobuf", "grpc"] {
        let variables = [
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                format!("https://localhost:{}", receiver.address().port()),
            ),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.text()),
        ];
        let (status, json) = spanwise(&["doctor", "--json"], &variables);
        let report: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(status, 0, "{report:#}");
        let trusted = check(&report, "TLS")["finding"].as_str().unwrap();
        assert!(trusted.starts_with("the certificate of localhost:"), "{trusted}");
    }
}

#[test]
fn ignored_settings_and_the_filter_of_tracing_are_reported() {
    let receiver = Receiver::builder().start().unwrap();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", receiver.address())),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon".to_owned()),
        ("RUST_LOG", "off".to_owned()),
    ];
    let (status, json) = spanwise(&["doctor", "--json"], &variables);
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(status, 0, "{report:#}");
    let configuration = check(&report, "configuration");
    assert_eq!(configuration["status"], "warning");
    let details = configuration["details"].as_array().unwrap().iter();
    let details: Vec<_> = details.map(|detail| detail.as_str().unwrap()).collect();
    let has =
        |parts: [&str; 2]| details.iter().any(|it| parts.iter().all(|part| it.contains(part)));
    assert!(has(["OTEL_BSP_SCHEDULE_DELAY=`soon` is ignored", "milliseconds"]), "{details:?}");
    let origin = "(variable: OTEL_EXPORTER_OTLP_ENDPOINT)";
    assert!(has(["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:", origin]), "{details:?}");
    let filter = check(&report, "tracing");
    assert_eq!(
        (&filter["status"], &filter["visible_from"]),
        (&"warning".into(), &"outside".into())
    );
}

#[test]
fn a_lock_file_with_two_versions_of_the_api_is_found_from_a_folder_below() {
    let receiver = Receiver::builder().start().unwrap();
    let package =
        |version| format!("[[package]]\nname = \"opentelemetry\"\nversion = \"{version}\"\n\n");
    let lock = TemporaryFile::new("Cargo.lock", &(package("0.31.0") + &package("0.33.1")));
    let below = lock.0.with_file_name("src");
    std::fs::create_dir(&below).unwrap();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", receiver.address())),
        ("RUST_LOG", "off".to_owned()),
    ];
    let (_, json) = spanwise_in(&below, &["doctor", "--json"], &variables);
    let report: Value = serde_json::from_str(&json).unwrap();
    let page = include_str!("../../../docs/troubleshooting.md");
    for name in ["opentelemetry", "tracing"] {
        let found = check(&report, name);
        assert_eq!(
            (&found["status"], &found["visible_from"]),
            (&"warning".into(), &"outside".into())
        );
        for part in ["finding", "fix"] {
            let sentence = found[part].as_str().unwrap();
            assert!(page.contains(sentence), "docs/troubleshooting.md has no: {sentence}");
        }
    }
    assert!(
        check(&report, "opentelemetry")["finding"].as_str().unwrap().contains("0.31.0, 0.33.1")
    );
}

#[test]
fn the_file_of_the_configuration_counts() {
    let receiver = Receiver::builder().start().unwrap();
    let file = format!(
        "file_format: \"1.1\"\ntracer_provider:\n  processors:\n    - batch:\n        exporter:\n          otlp_http:\n            endpoint: http://{}/v1/traces\n",
        receiver.address()
    );
    let file = TemporaryFile::new("otel.yaml", &file);
    let (status, text) = spanwise(&["doctor"], &[("OTEL_CONFIG_FILE", file.text())]);
    assert_eq!((status, receiver.stats().spans), (0, 1), "{text}");
}

#[test]
fn each_mistake_of_the_file_has_a_line_and_the_fix_follows() {
    let keys: String =
        (0..40).map(|number| format!("{}{number}: {{}}\n", "k".repeat(60))).collect();
    let broken = TemporaryFile::new("otel.yaml", &format!("file_format: \"1.1\"\n{keys}"));
    let path = broken.text();
    let (status, text) = spanwise(&["doctor"], &[("OTEL_CONFIG_FILE", path.clone())]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((status, lines.len()), (1, 36), "{text}");
    assert_eq!(lines[0], "failed   configuration: the configuration file cannot be used [both]");
    for (index, line) in lines[1..33].iter().enumerate() {
        assert!(line.starts_with(&format!("         - {path}:{}:1: kkk", index + 2)), "{line}");
        assert!(line.contains("unknown key"), "{line}");
    }
    assert_eq!(lines[33], "         - 8 more");
    assert!(lines[34].starts_with("         fix: mend the places above; "), "{text}");
    let last = "Spans do not arrive: configuration: the configuration file cannot be used";
    assert_eq!(lines[35], last);
}

/// The names of variables would not help: the file replaces them.
#[test]
fn the_fixes_beside_a_file_name_its_keys() {
    let mut wrong = Vec::new();
    for situations::OfFile { name, file, check: named, fix, alive: _alive } in
        situations::of_files()
    {
        let file = TemporaryFile::new("otel.yaml", &file);
        let (_, json) = spanwise(&["doctor", "--json"], &[("OTEL_CONFIG_FILE", file.text())]);
        let report: Value = serde_json::from_str(&json).unwrap();
        let found = check(&report, named)["fix"].as_str().unwrap_or_default();
        if found != fix || found.contains("OTEL_") {
            wrong.push(format!("{name}: {report:#}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_console_exporter_leaves_the_standard_output_to_the_report() {
    let file = TemporaryFile::new(
        "otel.yaml",
        "file_format: \"1.1\"\ntracer_provider:\n  processors:\n    - simple: { exporter: { console: } }\n    - simple: { \
         exporter: { otlp_file/development: } }\n",
    );
    let output = support::output(&["doctor", "--json"], &[("OTEL_CONFIG_FILE", file.text())]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["span_arrived"], true, "{report:#}");
    let errors = String::from_utf8(output.stderr).unwrap();
    let spans: Vec<Value> =
        errors.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(spans.len(), 2, "{errors}");
    let span = &spans[0]["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(span["name"], "spanwise doctor");
}

#[test]
fn arguments_that_are_not_accepted_exit_with_two() {
    for arguments in [&[][..], &["doctor", "--jsn"], &["docto"], &["doctor", "file"]] {
        assert_eq!(spanwise(arguments, &[]), (2, String::new()), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["doctor", "--help"]] {
        let (status, text) = spanwise(arguments, &[]);
        assert!(status == 0 && text.contains("exit status"), "{text}");
    }
}

/// The fastest of ten: the others run beside the tests of this machine.
#[test]
fn a_doctor_takes_at_most_300_ms_when_all_is_well() {
    let receiver = Receiver::builder().start().unwrap();
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", receiver.address()))];
    let took = (0..10).map(|_| {
        let started = Instant::now();
        assert_eq!(spanwise(&["doctor"], &variables).0, 0);
        started.elapsed()
    });
    let fastest = took.min().unwrap();
    assert!(fastest <= Duration::from_millis(300), "{fastest:?}");
}

/// The kernel completes the connections of a listener that accepts none.
#[test]
fn a_doctor_ends_within_12_s_when_the_peer_hangs() {
    let listeners = [(); 3].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    let address = |listener: &TcpListener| listener.local_addr().unwrap();
    let [http, grpc, tls] = &listeners;
    let hung = [
        (format!("http://{}", address(http)), "http/protobuf", "span", "no answer within 8s"),
        (format!("http://{}", address(grpc)), "grpc", "span", "no answer within 8s"),
        (format!("https://{}", address(tls)), "http/protobuf", "TLS", "no TLS session within 8s"),
    ];
    std::thread::scope(|scope| {
        for (endpoint, protocol, stage, finding) in hung {
            scope.spawn(move || {
                let variables = [
                    ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
                    ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
                ];
                let started = Instant::now();
                let (status, json) = spanwise(&["doctor", "--json"], &variables);
                let took = started.elapsed();
                assert!(took <= Duration::from_secs(12), "{took:?}: {json}");
                let report: Value = serde_json::from_str(&json).unwrap();
                let found = &check(&report, stage)["finding"];
                assert_eq!((status, found.as_str()), (1, Some(finding)), "{report:#}");
            });
        }
    });
}
