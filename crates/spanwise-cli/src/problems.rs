//! The errors of settings as JSON.

use serde_json::{Value, json};
use spanwise::BuildError;
use spanwise_config::Problem;

/// An object for each mistake of a file, with its place; for another error one with its message.
pub fn of(error: &BuildError) -> Vec<Value> {
    match error {
        BuildError::ConfigFile(problems) => problems.iter().map(one).collect(),
        error => vec![json!({ "message": error.to_string() })],
    }
}

/// A mistake with its place.
pub fn one(problem: &Problem) -> Value {
    let position = problem.position();
    json!({
        "file": problem.file(),
        "line": position.line,
        "column": position.column,
        "path": problem.path(),
        "message": problem.message(),
    })
}
