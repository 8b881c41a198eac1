//! The receiving end in a process of its own, so that the service's numbers are its own.

use super::service::SPANS_PER_REQUEST;
use super::traces::Traces;
use crate::Command;
use spanwise_receiver::{Answer, Receiver};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{self, Child, ChildStdout, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// The receiving end, started by the demo and the batching lab as a process of its own.
pub(crate) const RECEIVER: Command = Command {
    name: "demo-receiver",
    summary: "the demo's receiver alone; ends when its standard input does",
    help:
        "Prints its address on the first line and, at the end, the spans that it counted, the traces
that it looked at, and those of them that had all their spans.",
    run: |_| serve(),
};

/// A receiver running as a child process.
pub(crate) struct Embedded {
    child: Child,
    output: BufReader<ChildStdout>,
    endpoint: String,
}

/// The numbers that the receiver counted.
#[derive(Clone, Copy)]
pub(crate) struct Received {
    pub(crate) spans: u64,
    /// Traces, of a sample of all.
    pub(super) traces: u64,
    /// Those of them that had all their spans.
    pub(super) complete: u64,
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

    /// Ends it and returns the numbers it counted.
    pub(crate) fn finish(mut self) -> Result<Received, String> {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        let read = self.output.read_to_string(&mut rest);
        let status = self.child.wait();
        let numbers: Vec<u64> = rest.split_whitespace().flat_map(str::parse).collect();
        match (read, status, &numbers[..]) {
            (Ok(_), Ok(status), &[spans, traces, complete]) if status.success() => {
                Ok(Received { spans, traces, complete })
            }
            _ => Err("the receiver did not print its counts".to_owned()),
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
    let traces = Arc::new(Mutex::new(Traces::default()));
    let counted = traces.clone();
    let receiver = Receiver::builder()
        .with_handler(move |export| {
            counted.lock().unwrap_or_else(PoisonError::into_inner).count(&export.body);
            Answer::Accept
        })
        .start()
        .map_err(|error| error.to_string())?;
    println!("{}", receiver.http_endpoint());
    let mut nothing = Vec::new();
    std::io::stdin().read_to_end(&mut nothing).map_err(|error| error.to_string())?;
    let traces = traces.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{} {} {}", receiver.stats().spans, traces.len(), traces.complete(SPANS_PER_REQUEST));
    receiver.shutdown();
    Ok(())
}
