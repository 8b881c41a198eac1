//! A running `spanwise-node`, and its account.

use super::account::Account;
use crate::peers::{Running, free_ports, wait_until};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A process with a file and ports of its own, which it has again after a restart.
pub(super) struct Node {
    pub(super) name: String,
    program: PathBuf,
    file: PathBuf,
    pub(super) port: u16,
    admin: u16,
    running: Option<Running>,
    /// The accounts of processes that ended by a signal.
    pub(super) earlier: Vec<Account>,
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
        let file = folder.join(format!("{name}.yaml"));
        let (name, program) = (name.to_owned(), program.to_owned());
        let mut node =
            Self { name, program, file, port, admin, running: None, earlier: Vec::new() };
        node.write(text)?;
        node.run()?;
        Ok(node)
    }

    /// Replaces the file, which the process reads again at a signal.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn write(&self, text: &str) -> Result<(), String> {
        let text =
            text.replace("PORT", &self.port.to_string()).replace("ADMIN", &self.admin.to_string());
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
        running.wait_for_ports(&[self.port, self.admin], PATIENCE)?;
        self.running = Some(running);
        if wait_until(PATIENCE, || self.get("/readyz").is_ok()) {
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
        self.earlier.push(Account(json["account"].clone()));
        Ok(())
    }

    /// The account of the process.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) fn account(&self) -> Result<Account, String> {
        let text = self.get("/account")?;
        let json =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", self.name))?;
        Ok(Account(json))
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

    fn get(&self, path: &str) -> Result<String, String> {
        let failed = |error: std::io::Error| format!("{}{path}: {error}", self.name);
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.admin)).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(failed)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(failed)?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or_else(|| format!("{}{path}: no answer", self.name))?;
        if head.starts_with("HTTP/1.1 200") {
            Ok(body.to_owned())
        } else {
            Err(format!("{}{path}: {head}", self.name))
        }
    }
}

/// A build without optimization takes seconds on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
