//! A running Chromium, and the messages of its DevTools protocol: JSON objects that end with a zero byte.

use super::program::Program;
use crate::peers::{Running, Scratch};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::ChildStdin;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

/// A browser without a window. The drop ends it.
pub(crate) struct Browser {
    // Before the profile: the process writes there until it ends.
    running: Running,
    input: ChildStdin,
    messages: Receiver<Value>,
    last_id: u64,
    /// Events that arrived before the answer to a call.
    events: Vec<Value>,
    _profile: Scratch,
}

impl Browser {
    /// Starts Chromium.
    ///
    /// # Errors
    /// It does not start, or does not answer; with the last lines of its log.
    pub(crate) fn start(program: &Program) -> Result<Self, String> {
        let profile = Scratch::new("browser")?;
        let mut command = program.command();
        command.args(FLAGS).arg(format!("--user-data-dir={}", profile.path().display()));
        command.env("HOME", profile.path()).arg("about:blank");
        let mut running = Running::start("Chromium", command)?;
        let (input, output) = running.pipes().ok_or("Chromium has no pipes")?;
        let (sender, messages) = mpsc::sync_channel(WAITING_MESSAGES);
        let thread = thread::Builder::new().spawn(move || read(output, &sender));
        thread.map_err(|error| error.to_string())?;
        let (last_id, events) = (0, Vec::new());
        Ok(Self { running, input, messages, last_id, events, _profile: profile })
    }

    /// Name and version.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub(crate) fn version(&mut self) -> Result<String, String> {
        let answer = self.call(None, "Browser.getVersion", json!({}))?;
        let product = answer["product"].as_str().unwrap_or_default();
        Ok(product.replace("HeadlessChrome/", "Chromium "))
    }

    /// Calls a method of the protocol, of the browser or of the tab of a session.
    ///
    /// # Errors
    /// The browser ended, answers with an error, or not in time.
    pub(super) fn call(
        &mut self,
        session: Option<&str>,
        method: &str,
        parameters: Value,
    ) -> Result<Value, String> {
        self.last_id += 1;
        let id = self.last_id;
        let mut request = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = session {
            request["sessionId"] = session.into();
        }
        let written = self.input.write_all(format!("{request}\0").as_bytes());
        written.and_then(|()| self.input.flush()).map_err(|error| self.failed(method, error))?;
        let until = Instant::now() + ANSWER;
        loop {
            let mut message = self.next(method, until)?;
            if message["id"] != id {
                self.events.push(message);
                continue;
            }
            return match message["error"].take() {
                Value::Null => Ok(message["result"].take()),
                error => Err(format!("{method}: {error}")),
            };
        }
    }

    /// The events so far, in their order.
    pub(super) fn take_events(&mut self) -> Vec<Value> {
        self.events.extend(self.messages.try_iter());
        std::mem::take(&mut self.events)
    }

    /// Waits for one more event.
    ///
    /// # Errors
    /// The browser ended, or none comes in time; `awaited` is in the message.
    pub(super) fn wait_for_event(&mut self, awaited: &str, until: Instant) -> Result<(), String> {
        let event = self.next(awaited, until)?;
        self.events.push(event);
        Ok(())
    }

    fn next(&mut self, awaited: &str, until: Instant) -> Result<Value, String> {
        let left = until.saturating_duration_since(Instant::now());
        self.messages.recv_timeout(left).map_err(|error| self.failed(awaited, error))
    }

    fn failed(&self, doing: &str, error: impl std::fmt::Display) -> String {
        format!("Chromium, {doing}: {error}\n{}", self.running.last_lines())
    }
}

/// Reads messages until the end of the output.
fn read(output: impl Read, sender: &SyncSender<Value>) {
    let mut output = BufReader::new(output);
    loop {
        let mut message = Vec::new();
        match output.by_ref().take(MAX_MESSAGE).read_until(0, &mut message) {
            Ok(0) | Err(_) => return,
            Ok(_) => message.pop(),
        };
        let sent = serde_json::from_slice(&message).map(|message| sender.send(message));
        // The browser is dropped, or the message is longer than any that a check asks for.
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

/// No page but ours is loaded, so that Chromium's sandbox, which is not available in every container, protects from nothing.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
    // Grey edges of letters: pictures do not depend on the order of the colours of a screen, and take fewer bytes.
    "--disable-lcd-text",
    "--no-first-run",
    "--force-color-profile=srgb",
];
/// The time for an answer.
pub(super) const ANSWER: Duration = Duration::from_secs(30);
/// The largest message: a screenshot is the largest answer.
const MAX_MESSAGE: u64 = 64 << 20;
/// Messages that wait to be read; then Chromium waits.
const WAITING_MESSAGES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_separated_by_zero_bytes() {
        let (sender, messages) = mpsc::sync_channel(9);
        read(&b"{\"id\":1}\0{\"id\":2}\0no json\0{\"id\":3}\0"[..], &sender);
        let ids: Vec<Value> = messages.try_iter().map(|mut message| message["id"].take()).collect();
        assert_eq!(ids, [1, 2]);
    }
}
