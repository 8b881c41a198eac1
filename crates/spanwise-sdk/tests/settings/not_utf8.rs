//! Environment variables that are not UTF-8. Each case runs in a process of its own, this binary started
//! again.

use crate::support::DiagnosticLog;
use spanwise_sdk::{SpanKind, Spanwise};
use spanwise_testkit::rerun;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

const CASE: &str = "SPANWISE_TEST_CASE";

/// The process of a case; without its variable an empty test.
#[test]
fn child() {
    if std::env::var(CASE).is_err() {
        return;
    }
    let log = DiagnosticLog::default();
    match log.attach(Spanwise::builder()).build() {
        Ok(spanwise) => {
            let span = spanwise.tracer("x").root("root", SpanKind::Internal);
            println!("built: recording={} {:?}", span.is_recording(), log.lines());
            let _late = spanwise.shutdown_timeout(Duration::ZERO);
        }
        Err(error) => println!("failed: {error:?}"),
    }
}

fn run(variables: &[(&str, &[u8])]) -> String {
    let mut command = rerun("not_utf8::child");
    for (name, _) in std::env::vars_os() {
        if name.as_bytes().starts_with(b"OTEL_") {
            command.env_remove(name);
        }
    }
    command.env(CASE, "1");
    for (name, value) in variables {
        command.env(name, OsStr::from_bytes(value));
    }
    String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
}

#[test]
fn a_variable_that_is_not_utf8_is_an_error_or_reported() {
    const BYTES: &[u8] = b"hunter2\xff";
    for name in [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    ] {
        let out = run(&[(name, BYTES)]);
        assert!(out.contains(&format!("failed: {name}=`")), "{out}");
        assert!(!out.contains("hunter2"), "{out}");
    }
    let https: (&str, &[u8]) = ("OTEL_EXPORTER_OTLP_ENDPOINT", b"https://localhost:1");
    for name in [
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    ] {
        let out = run(&[https, (name, BYTES)]);
        assert!(out.contains(&format!("failed: {name}=`[not UTF-8]`")), "{out}");
    }
    for name in [
        "OTEL_SERVICE_NAME",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_SDK_DISABLED",
        "OTEL_TRACES_EXPORTER",
        "OTEL_TRACES_SAMPLER",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_SPAN_EVENT_COUNT_LIMIT",
        "OTEL_PROPAGATORS",
    ] {
        let out = run(&[(name, BYTES)]);
        assert!(out.contains("built: recording=true"), "{out}");
        assert!(out.contains(name) && !out.contains("hunter2"), "{out}");
    }
    // A provider that exports nothing does not read the endpoint.
    for quiet in [("OTEL_SDK_DISABLED", &b"true"[..]), ("OTEL_TRACES_EXPORTER", b"none")] {
        let out = run(&[quiet, ("OTEL_EXPORTER_OTLP_ENDPOINT", BYTES)]);
        assert!(out.contains("built: recording=false []"), "{out}");
    }
}
