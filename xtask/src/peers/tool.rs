//! An external command that fetches or builds something: bounded in time, its output in files.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A command and its time limit.
pub(crate) struct Tool {
    command: Command,
    name: String,
    limit: Duration,
}

impl Tool {
    /// `program` with these arguments, which is ended after `limit`.
    pub(crate) fn new(program: impl AsRef<OsStr>, arguments: &[&str], limit: Duration) -> Self {
        let program = program.as_ref();
        let name = format!("{} {}", program.to_string_lossy(), arguments.join(" "));
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        Self { command, name, limit }
    }

    /// Runs it in this folder.
    pub(crate) fn dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Removes these environment variables.
    pub(crate) fn without(mut self, names: impl Iterator<Item = OsString>) -> Self {
        names.for_each(|name| _ = self.command.env_remove(name));
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it with standard output in the file `log` and standard error in one beside it; returns the former.
    ///
    /// # Errors
    /// The command does not start, fails, or runs longer than its limit; with the end of both outputs.
    pub(crate) fn run(mut self, log: &Path) -> Result<String, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.name);
        let log_of_errors = log.with_extension("errors");
        let output = File::create(log).map_err(failed)?;
        let errors = File::create(&log_of_errors).map_err(failed)?;
        // A group of its own: the end of the command ends its children too.
        self.command.process_group(0).stdout(output).stderr(errors);
        let mut child = self.command.spawn().map_err(failed)?;
        let until = Instant::now() + self.limit;
        let status = loop {
            match child.try_wait().map_err(failed)? {
                Some(status) => break Some(status),
                None if Instant::now() > until => break None,
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        if status.is_none() {
            // SAFETY: sends a signal to the group of a child that was not waited for: its id is not reused.
            unsafe { libc::kill(-(child.id() as libc::pid_t), libc::SIGKILL) };
            child.wait().map_err(failed)?;
        }
        let text = String::from_utf8_lossy(&fs::read(log).map_err(failed)?).into_owned();
        if status.is_some_and(|status| status.success()) {
            return Ok(text);
        }
        let errors =
            String::from_utf8_lossy(&fs::read(&log_of_errors).map_err(failed)?).into_owned();
        let end = end_of(&text) + &end_of(&errors);
        match status {
            Some(status) => Err(format!("{}: {status}\n{end}", self.name)),
            None => Err(format!("{}: ended after {:?}\n{end}", self.name, self.limit)),
        }
    }
}

/// The last lines of an output.
fn end_of(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines.get(lines.len().saturating_sub(SHOWN)..).unwrap_or_default();
    shown.iter().map(|line| format!("    {line}\n")).collect()
}

/// Lines of an output in an error.
const SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::Scratch;

    #[test]
    fn a_command_ends_with_its_output_its_failure_or_its_limit() {
        let scratch = Scratch::new("tool-test").unwrap();
        let log = scratch.path().join("log");
        let shell = |script: &str, limit| Tool::new("sh", &["-c", script], limit).run(&log);
        let long = Duration::from_secs(30);
        assert_eq!(shell("echo one; echo two >&2", long), Ok("one\n".to_owned()));
        let failed = shell("echo broken >&2; exit 3", long).unwrap_err();
        assert!(failed.contains("exit status: 3") && failed.contains("    broken"), "{failed}");
        let started = Instant::now();
        let ended = shell("sleep 600 & sleep 600", Duration::from_millis(100)).unwrap_err();
        assert!(ended.contains("ended after 100ms") && started.elapsed() < long, "{ended}");
        assert!(Tool::new("/no/such/tool", &[], long).run(&log).is_err());
    }
}
