//! Characters that names of metrics, labels and units may have.

/// Appends `text` with every sequence of other characters than letters, digits and underscores as one underscore, and another in front of a
/// digit that is the first.
pub(super) fn put_sanitized(out: &mut String, text: &str) {
    if out.is_empty() && text.starts_with(|first: char| first.is_ascii_digit()) {
        out.push('_');
    }
    let mut was_underscore = out.ends_with('_');
    for character in text.chars() {
        let is_underscore = !character.is_ascii_alphanumeric();
        if !is_underscore {
            out.push(character);
        } else if !was_underscore {
            out.push('_');
        }
        was_underscore = is_underscore;
    }
}
