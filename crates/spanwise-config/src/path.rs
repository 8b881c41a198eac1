//! Keys in messages, and the paths that they form.

/// The path of a key, which is shown as `shown`: `parent.key`.
pub(crate) fn join(parent: &str, shown: &str) -> String {
    if parent.is_empty() { shown.to_owned() } else { format!("{parent}.{shown}") }
}

/// A key that may be the rest of a value.
pub(crate) const HIDDEN_KEY: &str = "\"…\"";

/// The key for a message, in quotes unless it is a plain name. Its rest from a separator on may be a value, perhaps a secret, without
/// the space after the colon: it is left out.
pub(crate) fn shown_key(key: &str) -> String {
    let is_name =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '/');
    if !key.is_empty() && key.len() <= SHOWN_LETTERS && key.chars().all(is_name) {
        return key.to_owned();
    }
    let end = key.find([':', '=', '@', ' ', ',']).unwrap_or(key.len());
    let start = key.get(..end).unwrap_or_default();
    let text: String = start.escape_debug().take(SHOWN_LETTERS).collect();
    let rest =
        if end < key.len() || start.chars().nth(SHOWN_LETTERS).is_some() { "…" } else { "" };
    format!("\"{text}{rest}\"")
}

const SHOWN_LETTERS: usize = 80;
