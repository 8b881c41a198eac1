//! The output of a subcommand that cannot run.

use super::words;
use crate::command::Output;
use serde_json::json;

/// An error of the whole command.
pub(super) fn failed(problem: &str, json: bool) -> Output {
    let text = match json {
        true => json!({ "error": problem }).to_string(),
        false => words::printable(problem),
    };
    Output { text, is_well: false }
}
