//! The diagnostics handler: a function of the user's, or one that prints to standard error.

use super::diagnostic::Diagnostic;
use std::io::Write as _;
use std::sync::Arc;

/// Receives the reports. Runs on a thread of its own, which it may block.
pub(crate) type Handler = Arc<dyn Fn(&Diagnostic) + Send + Sync>;

/// The default handler: prints a line to standard error, and ignores its errors.
pub(crate) fn to_stderr() -> Handler {
    Arc::new(|diagnostic| {
        // One write for the line, so that lines of several writers do not mix.
        let line = format!("spanwise: {diagnostic}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    })
}
