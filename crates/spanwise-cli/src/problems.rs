//! The errors of settings as JSON.

use serde_json::{Value, json};
use spanwise::BuildError;

/// An object for each mistake of a file, with its place; for another error one with its message.
pub fn of(error: &BuildError) -> Vec<Value> {
    match error {
        BuildError::ConfigFile(problems) => {
            let each = problems.iter().map(|problem| {
                let position = problem.position();
                json!({
                    "file": problem.file(),
                    "line": position.line,
                    "column": position.column,
                    "path": problem.path(),
                    "message": problem.message(),
                })
            });
            each.collect()
        }
        error => vec![json!({ "message": error.to_string() })],
    }
}
