//! The handler of reports: the user's, or a line on standard error.

use super::diagnostic::Diagnostic;
use std::io::Write as _;
use std::sync::Arc;

/// Receives the reports. Runs on a thread of its own, which it may block.
pub(crate) type Handler = Arc<dyn Fn(&Diagnostic) + Send + Sync>;

/// The default: a line on standard error, and no complaint when there is none.
pub(crate) fn to_stderr() -> Handler {
    Arc::new(|diagnostic| {
        // In one write: lines of several writers do not mix.
        let line = format!("spanwise: {diagnostic}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    })
}
