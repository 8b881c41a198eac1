//! Foreign text in a line of a report.

/// `text` without control characters, at most 256 bytes of it.
pub(crate) fn sanitize(text: &str) -> String {
    spanwise_worker::sanitize(text, MAX_SHOWN)
}

/// Bytes of foreign text in a line.
const MAX_SHOWN: usize = 256;
