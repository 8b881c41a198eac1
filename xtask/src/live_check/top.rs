//! `spanwise top` against the same process.

use crate::markers::{self, Stale};
use crate::step::{output_of_cargo, root};

/// One frame of the process.
///
/// # Errors
/// The command does not build, fails, or shows no spans of the process.
pub(super) fn frame(url: &str) -> Result<String, String> {
    let run = format!("run --quiet --package spanwise-cli -- top {url} --once");
    let frame = output_of_cargo(&run)?;
    let shown = ["spanwise top  shop  running", "Spans created per second: ", "Newest traces"];
    match shown.iter().find(|text| !frame.contains(**text)) {
        Some(text) => Err(format!("the frame lacks {text:?}\n{frame}")),
        None if !frame.contains("GET /") => Err(format!("the frame shows no trace\n{frame}")),
        None => Ok(frame),
    }
}

/// Writes a frame into the page.
///
/// # Errors
/// As [`frame`], or the page cannot be written.
pub(super) fn write(url: &str) -> Result<String, String> {
    let text = format!("```text\n{}\n```\n", frame(url)?.trim_end());
    let page = root().join("docs/operations.md");
    markers::update(&page, "top", &text, Stale::Written)?;
    Ok(format!("{} lines", text.lines().count()))
}
