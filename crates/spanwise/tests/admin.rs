//! `SPANWISE_ADMIN_ADDRESS` of `spanwise::init`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use spanwise_testkit::rerun;
use std::net::TcpListener;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Whether the process has the endpoint's thread. The system shows 15 bytes of a name.
fn has_endpoint() -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")));
    names.flatten().any(|name| name.trim() == "spanwise-admin")
}

/// Runs this test again with the variable, and returns what the child writes to standard error.
fn run(name: &str, address: &str) -> Option<String> {
    const CHILD: &str = "SPANWISE_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return None;
    }
    let mut command = rerun(name);
    command.env(CHILD, "1").env("SPANWISE_ADMIN_ADDRESS", address);
    let output = command.env("OTEL_TRACES_EXPORTER", "none").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    Some(text)
}

#[test]
fn the_variable_starts_the_endpoint_until_the_guard_is_dropped() {
    let name = "the_variable_starts_the_endpoint_until_the_guard_is_dropped";
    if let Some(text) = run(name, " 127.0.0.1:0 ") {
        return assert!(!text.contains("SPANWISE_ADMIN_ADDRESS"), "{text}");
    }
    let guard = spanwise::init().unwrap();
    assert!(has_endpoint());
    drop(guard);
    // The endpoint is closed; the system ends its thread a moment later.
    let began = Instant::now();
    while has_endpoint() {
        assert!(began.elapsed() < PATIENCE, "the endpoint outlives its guard");
        std::thread::yield_now();
    }
}

/// The child of a test that expects no endpoint.
fn child_without_endpoint() {
    let _guard = spanwise::init().unwrap();
    assert!(!has_endpoint());
}

#[test]
fn an_address_of_other_machines_is_reported_and_ignored() {
    let name = "an_address_of_other_machines_is_reported_and_ignored";
    let Some(text) = run(name, "0.0.0.0:0") else { return child_without_endpoint() };
    let line = text.lines().find(|line| line.contains("SPANWISE_ADMIN_ADDRESS")).unwrap();
    assert!(line.contains("0.0.0.0:0") && line.contains("a loopback address"), "{line}");
}

#[test]
fn a_port_that_is_taken_is_reported_and_ignored() {
    let name = "a_port_that_is_taken_is_reported_and_ignored";
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let Some(text) = run(name, &address) else { return child_without_endpoint() };
    let line = text.lines().find(|line| line.contains("SPANWISE_ADMIN_ADDRESS")).unwrap();
    assert!(line.contains(&address) && line.contains("in use"), "{line}");
}

#[test]
fn an_empty_variable_starts_no_endpoint() {
    let name = "an_empty_variable_starts_no_endpoint";
    let Some(text) = run(name, "") else { return child_without_endpoint() };
    assert!(!text.contains("SPANWISE_ADMIN_ADDRESS"), "{text}");
}

/// The variable has a secret that was meant for another one.
#[test]
fn a_text_that_is_no_address_is_reported_and_not_shown() {
    let name = "a_text_that_is_no_address_is_reported_and_not_shown";
    let Some(text) = run(name, "api-key:canary") else { return child_without_endpoint() };
    assert!(text.contains("SPANWISE_ADMIN_ADDRESS") && !text.contains("canary"), "{text}");
}
