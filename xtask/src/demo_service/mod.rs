//! `cargo xtask demo-service`: the demo's service alone, in a process of its own.

mod options;
mod outcome;
mod run;

use crate::Command;
pub(crate) use options::{Load, Options};
pub(crate) use outcome::Outcome;
use std::process::{self, Stdio};
use std::time::{Duration, Instant};

/// The demo's service, which other commands start as a process of its own.
pub(crate) const COMMAND: Command = Command {
    name: "demo-service",
    summary: "the demo's service alone: prints its ledger, its memory and its processor time as JSON",
    help: options::HELP,
    run: |arguments| {
        let options = Options::parse(arguments)?;
        if let Load::Memory(bytes) = options.load {
            return run::use_memory(bytes);
        }
        println!("{}", run::run(&options)?.to_json());
        Ok(())
    },
};

/// The end of a service's process.
pub(crate) enum End {
    Done(Box<Outcome>),
    /// A signal ended the process.
    Signal(i32),
}

/// Starts the service as a process: `launch` makes the command from the program's path.
///
/// # Errors
/// The process cannot be started, does not end in time, or prints no outcome.
pub(crate) fn start(
    options: &Options,
    launch: impl FnOnce(&std::path::Path) -> process::Command,
) -> Result<End, String> {
    let failed = |error: std::io::Error| format!("the service does not start: {error}");
    let program = std::env::current_exe().map_err(failed)?;
    let mut child = launch(&program)
        .arg(COMMAND.name)
        .args(options.arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let due = Instant::now() + options.time() + PATIENCE;
    while child.try_wait().map_err(failed)?.is_none() {
        if Instant::now() > due {
            // It has ended meanwhile, or ends now.
            let _ended = child.kill();
            let _status = child.wait();
            return Err(format!("the service runs for more than {PATIENCE:?} beyond its time"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // The outcome is one line, which the pipe holds.
    let output = child.wait_with_output().map_err(failed)?;
    if let Some(signal) = signal(output.status) {
        return Ok(End::Signal(signal));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    match Outcome::of_json(&text) {
        Some(outcome) if output.status.success() => Ok(End::Done(Box::new(outcome))),
        _ => Err(format!("the service: {}, it printed {text:?}", output.status)),
    }
}

#[cfg(unix)]
fn signal(status: process::ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: process::ExitStatus) -> Option<i32> {
    None
}

/// The time that a process may take beyond that of its load: half a core is slow.
const PATIENCE: Duration = Duration::from_secs(60);
