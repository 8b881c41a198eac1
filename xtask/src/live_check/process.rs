//! The example whose page is checked.

use crate::peers::Running;
use crate::step::{Step, output_of_cargo};
use serde_json::Value;
use std::io::BufRead as _;
use std::path::PathBuf;
use std::process::Command;

/// The example `live_view`, under load with faults. The drop ends it.
pub(super) struct Process {
    running: Running,
    url: String,
}

impl Process {
    /// Builds and starts it.
    ///
    /// # Errors
    /// It does not build, or does not print the URL of its page.
    pub(super) fn start() -> Result<Self, String> {
        let build = format!("build --package spanwise --example {EXAMPLE} --features admin");
        Step::cargo(format!("build {EXAMPLE}"), &build).run()?;
        let messages = output_of_cargo(&format!("{build} --quiet --message-format=json"))?;
        let program = executable(&messages).ok_or("cargo reports no executable")?;
        let mut command = Command::new(program);
        command.args(["--seconds", SECONDS]);
        let mut running = Running::start(EXAMPLE, command)?;
        let (_, mut output) = running.pipes().ok_or("the example has no pipes")?;
        let mut line = String::new();
        output.read_line(&mut line).map_err(|error| error.to_string())?;
        let url = line.trim().to_owned();
        if !url.starts_with("http://127.0.0.1:") {
            return Err(format!("{EXAMPLE} prints no URL: {line:?}\n{}", running.last_lines()));
        }
        Ok(Self { running, url })
    }

    /// The URL of the page.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Ends it.
    ///
    /// # Errors
    /// It had ended before.
    pub(super) fn stop(self) -> Result<(), String> {
        self.running.stop()
    }
}

/// The path of the example in the messages of cargo.
fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs = messages.filter(|it| it["target"]["name"] == EXAMPLE);
    programs.find_map(|it| it["executable"].as_str().map(PathBuf::from))
}

const EXAMPLE: &str = "live_view";
/// Longer than any run of the check.
const SECONDS: &str = "900";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_that_of_the_example() {
        let messages = r#"{"target":{"name":"spanwise"},"executable":null}
            {"target":{"name":"other"},"executable":"/t/other"}
            no message
            {"target":{"name":"live_view"},"executable":"/t/examples/live_view"}"#;
        assert_eq!(executable(messages), Some(PathBuf::from("/t/examples/live_view")));
        assert_eq!(executable(""), None);
    }
}
