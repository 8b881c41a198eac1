//! Foreign text in a line of a report.

use spanwise_worker::MAX_LINE_BYTES;

/// `text` without control characters, at most [`MAX_LINE_BYTES`] of it.
pub(crate) fn sanitize(text: &str) -> String {
    spanwise_worker::sanitize(text, MAX_LINE_BYTES)
}
