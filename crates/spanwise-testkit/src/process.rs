//! Tests in a process of their own, for what belongs to the whole process: signals, descriptors,
//! environment variables, global subscribers.

use std::process::Command;

/// A command that runs the test `name` of this test binary again, alone and with its output shown.
///
/// # Panics
/// If the path of this executable cannot be found.
#[expect(clippy::expect_used, reason = "a test that cannot go on must fail")]
pub fn rerun(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this executable has a path"));
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]);
    command
}

/// Runs `body` in a process of its own: call it first in the test `name`, with everything else in
/// `body`. The test runs itself again in a new process, which then executes `body`.
///
/// # Panics
/// If the process cannot be started, or if it fails, as it does when `body` panics.
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
