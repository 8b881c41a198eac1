//! The exporters of the OpenTelemetry SDKs for Python and JavaScript, each as a process with a batch processor.

use super::super::sender::{Load, Sent};
use crate::peers::{Cache, Tool};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// An SDK that is installed, and what it sends.
pub(in super::super) struct Sdk {
    name: &'static str,
    command: Command,
}

impl Sdk {
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn run(mut self) -> Result<Sent, String> {
        let failed = |problem: String| format!("{}: {problem}", self.name);
        let output = self.command.output().map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let last: Option<Value> =
            text.lines().next_back().and_then(|line| serde_json::from_str(line).ok());
        let numbers = |json: &Value| -> Option<Sent> {
            let (acknowledged, failed) = (json["acknowledged"].as_u64()?, json["failed"].as_u64()?);
            Some(Sent {
                accepted_spans: acknowledged,
                failed_spans: failed,
                uncertain_spans: failed,
                ..Sent::default()
            })
        };
        last.as_ref()
            .and_then(numbers)
            .ok_or_else(|| failed(format!("{text}{}", String::from_utf8_lossy(&output.stderr))))
    }
}

/// Python's exporter over gRPC.
pub(super) fn python(cache: &Cache, folder: &Path, load: Load) -> Result<Sdk, String> {
    let name = "Python's SDK";
    let failed = |error: String| format!("{name}: {error}");
    let installed = cache.filled(&format!("python-sdk-{PYTHON_VERSION}"), |folder| {
        println!("  installing {} in {}", PYTHON.join(" "), folder.display());
        let place = folder.display().to_string();
        Tool::new("python3", &["-m", "venv", &place], LIMIT).run(&folder.join("venv.log"))?;
        let mut arguments = vec!["-m", "pip", "install", "--quiet"];
        arguments.extend(PYTHON);
        let python = folder.join("bin/python");
        Tool::new(python, &arguments, LIMIT).run(&folder.join("pip.log")).map(drop)
    });
    let script = folder.join("sdk.py");
    fs::write(&script, PYTHON_SCRIPT).map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(installed.map_err(failed)?.join("bin/python"));
    command.arg("-B").arg(script).args(arguments(&load));
    Ok(Sdk { name, command })
}

/// JavaScript's exporter over HTTP.
pub(super) fn javascript(cache: &Cache, _folder: &Path, load: Load) -> Result<Sdk, String> {
    let name = "JavaScript's SDK";
    let failed = |error: String| format!("{name}: {error}");
    let installed = cache.filled(&format!("javascript-sdk-{JAVASCRIPT_VERSION}"), |folder| {
        println!("  installing {} in {}", JAVASCRIPT.join(" "), folder.display());
        let manifest = json!({ "private": true }).to_string();
        fs::write(folder.join("package.json"), manifest).map_err(|error| error.to_string())?;
        let mut arguments = vec!["install", "--ignore-scripts", "--no-audit", "--no-fund"];
        arguments.extend(JAVASCRIPT);
        Tool::new("npm", &arguments, LIMIT).dir(folder).run(&folder.join("npm.log")).map(drop)
    });
    // Beside its modules, where the import of a module looks for them.
    let script = installed.map_err(failed)?.join("sdk.mjs");
    fs::write(&script, JAVASCRIPT_SCRIPT).map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new("node");
    command.arg(script).args(arguments(&load));
    Ok(Sdk { name, command })
}

/// The endpoint, the number of the first trace, milliseconds and spans a second.
fn arguments(load: &Load) -> [String; 4] {
    let Load { endpoint, first, duration, rate, .. } = load;
    let numbers = [*first, duration.as_millis() as u64, rate.unwrap_or(1_000)];
    let [first, millis, rate] = numbers.map(|number| number.to_string());
    [endpoint.clone(), first, millis, rate]
}

const PYTHON_VERSION: &str = "1.45.2";
const PYTHON: [&str; 2] =
    ["opentelemetry-sdk==1.45.2", "opentelemetry-exporter-otlp-proto-grpc==1.45.2"];
const JAVASCRIPT_VERSION: &str = "0.223.1";
/// The last release for Node.js 18.
const JAVASCRIPT: [&str; 4] = [
    "@opentelemetry/exporter-trace-otlp-proto@0.223.1",
    "@opentelemetry/sdk-trace-base@2.12.1",
    "@opentelemetry/resources@2.12.1",
    "@opentelemetry/api@1.9.0",
];
const PYTHON_SCRIPT: &str = include_str!("sdk.py");
const JAVASCRIPT_SCRIPT: &str = include_str!("sdk.mjs");
const LIMIT: Duration = Duration::from_secs(600);
