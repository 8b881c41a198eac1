//! The receiving end in a process of its own, so that the service's numbers are its own.

use spanwise_receiver::Receiver;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{self, Child, ChildStdout, Stdio};

use crate::Command;

/// The receiving end, started by the demo and the batching lab as a process of its own.
pub(crate) const RECEIVER: Command = Command {
    name: "demo-receiver",
    summary: "the demo's receiver alone; ends when its standard input does",
    help: "Prints its address on the first line and, at the end, the spans it counted.",
    run: |_| serve(),
};

/// A receiver running as a child process.
pub(crate) struct Embedded {
    child: Child,
    output: BufReader<ChildStdout>,
    endpoint: String,
}

impl Embedded {
    pub(crate) fn start() -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("the receiver does not start: {error}");
        let program = std::env::current_exe().map_err(failed)?;
        let mut child = process::Command::new(program)
            .arg(RECEIVER.name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let output = child.stdout.take().ok_or("the receiver has no output")?;
        let mut output = BufReader::new(output);
        let mut endpoint = String::new();
        output.read_line(&mut endpoint).map_err(failed)?;
        let endpoint = endpoint.trim().to_owned();
        if endpoint.is_empty() {
            return Err("the receiver did not print its address".to_owned());
        }
        Ok(Self { child, output, endpoint })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Ends it and returns the spans it counted.
    pub(crate) fn finish(mut self) -> Result<u64, String> {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        let read = self.output.read_to_string(&mut rest);
        let status = self.child.wait();
        match (read, status, rest.trim().parse()) {
            (Ok(_), Ok(status), Ok(spans)) if status.success() => Ok(spans),
            _ => Err("the receiver did not print its count".to_owned()),
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // Also when the demo fails half-way: without its input the child ends by itself.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The program of the child process.
fn serve() -> Result<(), String> {
    let receiver = Receiver::builder().start().map_err(|error| error.to_string())?;
    println!("{}", receiver.http_endpoint());
    let mut nothing = Vec::new();
    std::io::stdin().read_to_end(&mut nothing).map_err(|error| error.to_string())?;
    println!("{}", receiver.stats().spans);
    receiver.shutdown();
    Ok(())
}
