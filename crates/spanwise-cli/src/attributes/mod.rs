//! `spanwise attributes`.

mod document;
mod process;
mod table;

use crate::command::{Arguments, Command, FileArgument, Output};
use crate::traces_file::{self, TracesError};
use serde_json::{Value, json};
use spanwise_metrics::AttributeSketch;
use std::path::Path;

pub const COMMAND: Command = Command {
    name: "attributes",
    usage: "FILE | --endpoint URL [--json]",
    summary: "The attributes of spans by their bytes and their number of values, and what to change",
    help: "Reads the spans of an OTLP export (FILE: JSON, one object or one on each line, or protobuf; `-` is the standard input), or lets a \
           running process sample its spans for up to 10 seconds (--endpoint: the endpoint of `spanwise-admin`, such as \
           http://127.0.0.1:9464). Prints for each key of resources, scopes, spans, events and links its share of all bytes, its bytes, \
           its occurrences and the number of its values, and sentences about what to change. Values are never shown. Bytes are those before \
           compression. Up to 64 values are counted, and more are estimated (~) with a standard error of 2.3 %.\n\n\
           The table has the 40 keys with the most bytes; --json prints one object with all. The exit status is 0 if spans were read.",
    file: FileArgument::OrEndpoint,
    run,
};

fn run(arguments: &Arguments) -> Output {
    let document = match (&arguments.endpoint, &arguments.file) {
        (Some(url), _) => process::document(url),
        (None, Some(path)) => of_file(path),
        // The arguments were checked.
        (None, None) => Err(json!({ "message": "a file is missing" })),
    };
    let is_well = document.is_ok();
    let text = match (document, arguments.json) {
        (Ok(document), false) => table::text(&document),
        (Ok(document), true) => document.to_string(),
        (Err(problem), false) => line(&problem),
        (Err(problem), true) => json!({ "problems": [problem] }).to_string(),
    };
    Output { text, is_well }
}

/// The document of a file, or the problem as an object.
fn of_file(path: &Path) -> Result<Value, Value> {
    let problem = |TracesError { position, message }| {
        let (line, column) = position.unzip();
        json!({ "file": path.display().to_string(), "line": line, "column": column, "message": message })
    };
    let traces = traces_file::read(path).map_err(problem)?;
    let mut sketch = AttributeSketch::new(MAX_KEYS);
    let read = sketch.add_request(&traces.request);
    read.map_err(|error| problem(TracesError::malformed(&error)))?;
    Ok(document::of(&sketch.report()))
}

/// A problem as one line.
fn line(problem: &Value) -> String {
    let message = problem["message"].as_str().unwrap_or_default();
    let place = problem["file"].as_str().map(|file| match (&problem["line"], &problem["column"]) {
        (Value::Number(line), Value::Number(column)) => format!("{file}:{line}:{column}: "),
        _ => format!("{file}: "),
    });
    format!("{}{message}", place.unwrap_or_default())
}

/// More than any sound set of spans has; 2.7 MiB at most.
const MAX_KEYS: usize = 1024;
