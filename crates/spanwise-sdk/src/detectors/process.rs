//! The attributes `process.*`.

use super::detected::Detected;
use opentelemetry::{Array, StringValue, Value};
use std::ffi::OsStr;

pub(super) fn detect(detected: &mut Detected) {
    detected.add("process.pid", i64::from(std::process::id()));
    match std::env::current_exe() {
        Ok(path) => {
            if let Some(name) = path.file_name() {
                detected.add("process.executable.name", text(name));
            }
            detected.add("process.executable.path", text(path.as_os_str()));
        }
        Err(error) => detected.missing.push(("process.executable.path", error.to_string())),
    }
}

pub(super) fn detect_command(detected: &mut Detected) {
    let arguments: Vec<StringValue> =
        std::env::args_os().take(MAX_ARGUMENTS).map(|argument| text(&argument).into()).collect();
    if let Some(command) = arguments.first() {
        detected.add("process.command", command.clone());
        detected.add("process.command_args", Value::Array(Array::String(arguments)));
    }
}

/// Replaces bytes that are not UTF-8 by U+FFFD.
fn text(text: &OsStr) -> String {
    text.to_string_lossy().into_owned()
}

/// The maximum number of arguments; more would not fit into a resource.
const MAX_ARGUMENTS: usize = 1024;
