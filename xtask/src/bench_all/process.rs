//! One measured process and the receiver it sends to.

use super::contest::Entry;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Runs `program` in front of a receiver of its own; returns the line it printed.
///
/// # Errors
/// When it fails, when its answer is not JSON, or when the receiver counted other spans than the
/// process reports as delivered.
pub(super) fn measure(
    program: &Path,
    sink: &Path,
    entry: &Entry,
    arguments: &[String],
) -> Result<Value, String> {
    let sink = Sink::start(sink)?;
    let output = Command::new(program)
        .args(arguments)
        .args(["--endpoint", &sink.endpoint])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let call = || format!("{} {}", program.display(), arguments.join(" "));
    if !output.status.success() {
        return Err(format!("{}: {}", call(), output.status));
    }
    let answer: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("{}: {error}", call()))?;
    let received = sink.finish()?;
    let exported = &answer["exported"];
    // With tail sampling, `exported` has the spans that were decided and not sent, too.
    let arrived = match arguments.iter().any(|it| it.ends_with("-tail") || it.ends_with("-all")) {
        true => exported.as_u64().is_some_and(|decided| (1..=decided).contains(&received)),
        false => exported.as_u64() == Some(received),
    };
    if entry.is_end_to_end() && !arrived {
        return Err(format!("{}: {exported} spans exported, {received} received", call()));
    }
    Ok(answer)
}

/// A receiver in a process of its own, which ends with its input.
struct Sink {
    child: Child,
    output: BufReader<ChildStdout>,
    endpoint: String,
}

impl Sink {
    fn start(program: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("the receiver does not start: {error}");
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let output = child.stdout.take().ok_or("the receiver has no output")?;
        let mut output = BufReader::new(output);
        let mut endpoint = String::new();
        output.read_line(&mut endpoint).map_err(failed)?;
        Ok(Self { child, output, endpoint: endpoint.trim().to_owned() })
    }

    /// The spans it took.
    fn finish(mut self) -> Result<u64, String> {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).map_err(|error| error.to_string())?;
        rest.trim().parse().map_err(|_| format!("the receiver counted {rest:?}"))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // Without its input it ends by itself.
        drop(self.child.stdin.take());
        let _ended = self.child.wait();
    }
}
