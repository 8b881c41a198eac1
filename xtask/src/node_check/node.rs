//! A running `spanwise-node`.

use super::account::Account;
use super::admin::Admin;
use crate::peers::{Running, free_ports, wait_until};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A process with a file and ports of its own, which it has again after a restart.
pub(super) struct Node {
    pub(super) name: String,
    program: PathBuf,
    file: PathBuf,
    pub(super) port: u16,
    pub(super) admin: Admin,
    running: Option<Running>,
    /// The accounts of processes that ended by a signal.
    pub(super) ended: Vec<Account>,
    /// The last accounts of processes that were killed.
    pub(super) killed: Vec<Account>,
}

impl Node {
    /// Writes the file, in which `PORT` and `ADMIN` become its ports, and starts the process.
    ///
    /// # Errors
    /// The process does not start, or is not ready in time.
    pub(super) fn start(
        program: &Path,
        folder: &Path,
        name: &str,
        text: &str,
    ) -> Result<Self, String> {
        let [port, admin] = free_ports()?;
        let mut node = Self {
            name: name.to_owned(),
            program: program.to_owned(),
            file: folder.join(format!("{name}.yaml")),
            port,
            admin: Admin { port: admin },
            running: None,
            ended: Vec::new(),
            killed: Vec::new(),
        };
        node.write(text)?;
        node.run()?;
        Ok(node)
    }

    /// Replaces the file, which the process reads again at a signal.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn write(&self, text: &str) -> Result<(), String> {
        let text = text
            .replace("PORT", &self.port.to_string())
            .replace("ADMIN", &self.admin.port.to_string());
        std::fs::write(&self.file, text).map_err(|error| error.to_string())
    }

    /// Starts the process, after it was killed too.
    ///
    /// # Errors
    /// The process does not start, or is not ready in time.
    pub(super) fn run(&mut self) -> Result<(), String> {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(&self.file);
        let mut running = Running::start(&self.name, command)?;
        running.wait_for_ports(&[self.port, self.admin.port], PATIENCE)?;
        self.running = Some(running);
        if wait_until(PATIENCE, || self.admin.is_ready()) {
            return Ok(());
        }
        Err(format!("{} is not ready\n{}", self.name, self.last_lines()))
    }

    /// Ends the process without a warning.
    ///
    /// # Errors
    /// It had ended before.
    pub(super) fn kill(&mut self) -> Result<(), String> {
        self.signal(libc::SIGKILL)?;
        self.running = None;
        Ok(())
    }

    /// Asks the process to read its file again.
    ///
    /// # Errors
    /// It has ended.
    pub(super) fn reload(&self) -> Result<(), String> {
        self.signal(libc::SIGHUP)
    }

    /// Ends the process by the signal of a service manager, and reads the account that it writes at its end.
    ///
    /// # Errors
    /// It had ended before, does not end, or writes no account.
    pub(super) fn stop(&mut self) -> Result<(), String> {
        let Some(running) = self.running.take() else { return Ok(()) };
        let line = running.stop_with_line(r#""event":"account""#)?;
        let json: Value = serde_json::from_str(&line)
            .map_err(|error| format!("{}: {error}: {line}", self.name))?;
        self.ended.push(Account(json["account"].clone()));
        Ok(())
    }

    /// The account of the process.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) fn account(&self) -> Result<Account, String> {
        self.admin.account().map_err(|error| format!("{}: {error}", self.name))
    }

    /// Waits until its account is as `expected`.
    ///
    /// # Errors
    /// It is not in time, or the process does not answer.
    pub(super) fn wait_for(
        &self,
        state: &str,
        expected: impl Fn(&Account) -> bool,
    ) -> Result<Account, String> {
        let mut last = self.account()?;
        let is_reached = wait_until(PATIENCE, || {
            last = self.account().unwrap_or_else(|_| last.clone());
            expected(&last)
        });
        if is_reached {
            return Ok(last);
        }
        Err(format!("{}: not {state}: {}\n{}", self.name, last.0, self.last_lines()))
    }

    /// The id of the process.
    pub(super) fn id(&self) -> Option<u32> {
        self.running.as_ref().map(Running::id)
    }

    pub(super) fn last_lines(&self) -> String {
        self.running.as_ref().map(Running::last_lines).unwrap_or_default()
    }

    fn signal(&self, signal: libc::c_int) -> Result<(), String> {
        let running = self.running.as_ref().ok_or_else(|| format!("{} does not run", self.name))?;
        // SAFETY: sends a signal to a child that was not waited for: its id is not reused.
        let result = unsafe { libc::kill(running.id() as libc::pid_t, signal) };
        if result == 0 {
            Ok(())
        } else {
            Err(format!("{} has ended\n{}", self.name, self.last_lines()))
        }
    }
}

/// A build without optimization takes seconds on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
