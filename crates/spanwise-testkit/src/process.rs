//! Tests in a process of their own, for what belongs to the whole process: signals, descriptors,
//! environment variables, global subscribers.

use std::process::Command;

/// A command that runs the test `name` of this test binary again, alone and with its output shown.
///
/// # Panics
/// If this test binary has no test `name`: the command would run no test, and succeed. Also if the path
/// of this executable cannot be found, or if it cannot list its tests.
#[track_caller]
#[expect(clippy::expect_used, reason = "a test that cannot go on must fail")]
pub fn rerun(name: &str) -> Command {
    let listed = test_command(name).arg("--list").output().expect("the process starts");
    let tests = String::from_utf8_lossy(&listed.stdout);
    let is_listed = tests.lines().any(|line| line.strip_suffix(": test") == Some(name));
    assert!(is_listed, "{name}: this test binary has no test of this name");
    let mut command = test_command(name);
    command.args(["--nocapture", "--test-threads=1"]);
    command
}

/// This test binary with the arguments that select the test `name`, also if it is ignored.
#[expect(clippy::expect_used, reason = "a test that cannot go on must fail")]
fn test_command(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this executable has a path"));
    command.args([name, "--exact", "--include-ignored"]);
    command
}

/// Runs `body` in a process of its own: call it first in the test `name`, with everything else in
/// `body`. The test runs itself again in a new process, which then executes `body`.
///
/// # Panics
/// If this test binary has no test `name`, if the process cannot be started, or if it fails, as it does
/// when `body` panics.
#[track_caller]
#[expect(clippy::expect_used, reason = "a test that cannot go on must fail")]
pub fn in_own_process(name: &str, body: impl FnOnce()) {
    if std::env::var(ONLY).as_deref() == Ok(name) {
        return body();
    }
    let status = rerun(name).env(ONLY, name).status().expect("the process starts");
    assert!(status.success(), "{name}: {status}");
}

const ONLY: &str = "SPANWISE_TESTKIT_ONLY";
