//! Text of others, made safe to show.

/// Makes `Debug` read as `Display` does: `main` prints errors by `Debug`.
macro_rules! debug_as_display {
    ($($type:ty),+ $(,)?) => {$(
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    )+};
}

/// One line of at most [`MAX_TEXT`] bytes, without control characters.
pub(crate) fn sanitize(raw: &str) -> String {
    spanwise_worker::sanitize(raw, MAX_TEXT)
}

/// [`sanitize`] for a name that is not on a list of names: one that may be a URL is not shown, since that
/// may hold a secret.
pub(crate) fn unknown_name(raw: &str) -> String {
    if raw.contains(['@', '?', ':']) { REDACTED.to_owned() } else { sanitize(raw) }
}

/// Bytes that are kept of what a server says or a setting holds.
pub(crate) const MAX_TEXT: usize = 256;
/// The text in place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";
