//! A peer that answers lines of JSON.

use crate::peers::Running;
use serde_json::Value;
use std::io::{BufRead as _, Write as _};
use std::process::{ChildStdin, Command};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

pub(super) struct Dialogue {
    running: Running,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Dialogue {
    /// Starts the peer and returns its first line.
    ///
    /// # Errors
    /// It does not start, or prints no JSON.
    pub(super) fn start(name: &str, command: Command) -> Result<(Self, Value), String> {
        let mut running = Running::start(name, command)?;
        let (input, output) = running.pipes().ok_or("no pipes")?;
        let (send, answers) = channel();
        let read =
            move || output.lines().map_while(Result::ok).try_for_each(|line| send.send(line));
        thread::Builder::new().spawn(read).map_err(|error| error.to_string())?;
        let mut dialogue = Self { running, input, answers };
        let first = dialogue.answer()?;
        Ok((dialogue, first))
    }

    /// Writes a line, and returns the answer.
    ///
    /// # Errors
    /// The peer ended, answers no JSON or not in time, or its answer is an error.
    pub(super) fn ask(&mut self, question: &Value) -> Result<Value, String> {
        writeln!(self.input, "{question}").map_err(|error| self.failed(&error.to_string()))?;
        let answer = self.answer()?;
        match answer["error"].as_str() {
            Some(error) => Err(self.failed(error)),
            None => Ok(answer),
        }
    }

    fn answer(&mut self) -> Result<Value, String> {
        let line = self.answers.recv_timeout(PATIENCE).map_err(|_| self.failed("no answer"))?;
        serde_json::from_str(&line).map_err(|error| self.failed(&format!("{error}: {line:.200}")))
    }

    fn failed(&self, problem: &str) -> String {
        format!("{problem}\n{}", self.running.last_lines()).trim_end().to_owned()
    }
}

/// The time for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn questions_are_answered_and_errors_have_the_last_lines() {
        let script = r#"
            echo '{"port": 1}'
            read line; echo "{\"was\": $line}"
            echo 'Traceback' >&2; read line; sleep 0.1; echo '{"error": "no"}'
        "#;
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let (mut peer, first) = Dialogue::start("the shell", command).unwrap();
        assert_eq!(first["port"], 1);
        assert_eq!(peer.ask(&json!({ "do": "x" })).unwrap()["was"]["do"], "x");
        let error = peer.ask(&json!({})).unwrap_err();
        assert!(error.starts_with("no\n") && error.contains("Traceback"), "{error}");
        assert!(peer.ask(&json!({})).is_err(), "it has ended");
    }
}
