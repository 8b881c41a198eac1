//! Text from other processes and from settings, sanitized for display.

use spanwise_worker::MAX_LINE_BYTES;

/// Implements `Debug` as `Display`: `main` prints errors by `Debug`.
macro_rules! debug_as_display {
    ($($type:ty),+ $(,)?) => {$(
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    )+};
}

/// Sanitizes `raw` to one line of at most [`MAX_LINE_BYTES`] bytes, without control characters.
pub(crate) fn sanitize(raw: &str) -> String {
    spanwise_worker::sanitize(raw, MAX_LINE_BYTES)
}

/// [`sanitize`] for an unknown name: a text that may be a URL is redacted, since it may hold a
/// secret.
pub(crate) fn unknown_name(raw: &str) -> String {
    if raw.contains(['@', '?', ':']) { REDACTED.to_owned() } else { sanitize(raw) }
}

/// The text in place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";
