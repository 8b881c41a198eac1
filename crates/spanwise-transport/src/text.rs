//! Text of others, made safe to show.

/// One line of at most [`MAX_TEXT`] bytes, without control characters.
pub(crate) fn tidy(raw: &str) -> String {
    spanwise_worker::sanitize(raw, MAX_TEXT)
}

/// Bytes that are kept of what a server says or a setting holds.
pub(crate) const MAX_TEXT: usize = 256;
