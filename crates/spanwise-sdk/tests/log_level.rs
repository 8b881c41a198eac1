//! `OTEL_LOG_LEVEL`: the lines on standard error, in a process of their own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use spanwise_sdk::{LogLevel, Spanwise};
use spanwise_testkit::rerun;

const CHILD: &str = "SPANWISE_TEST_CHILD";

/// Builds a provider with an unused variable, whose report is a warning.
#[test]
fn child() {
    let Ok(kind) = std::env::var(CHILD) else { return };
    let builder = Spanwise::builder();
    let builder = if kind == "code" { builder.with_log_level(LogLevel::Error) } else { builder };
    drop(builder.build().unwrap());
}

fn lines(kind: &str, level: &str) -> String {
    let output = rerun("child")
        .env(CHILD, kind)
        .env("OTEL_LOG_LEVEL", level)
        .env("OTEL_ENTITIES", "x")
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn standard_error_has_the_diagnostics_at_or_above_the_level() {
    let warning = "spanwise: OTEL_ENTITIES has no effect";
    for (kind, level, is_printed) in [
        ("variable", "", true),
        ("variable", "warn", true),
        ("variable", "debug", true),
        ("variable", "error", false),
        ("code", "debug", false),
    ] {
        let lines = lines(kind, level);
        assert_eq!(lines.contains(warning), is_printed, "{kind} {level}: {lines}");
    }
}
