//! Cutting strings to the attribute value length limit.

/// `text` cut to `max_chars` characters, always between two characters.
///
/// # Cost
/// Linear in the part that remains: a string of 100 MB costs as much as its first `max_chars`
/// characters.
#[inline(always)]
pub fn truncate(text: &str, max_chars: usize) -> &str {
    // A string has at most as many characters as bytes.
    if text.len() <= max_chars { text } else { truncate_long(text, max_chars) }
}

#[cold]
fn truncate_long(text: &str, max_chars: usize) -> &str {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncate_cuts_between_characters() {
        // One, two, three and four bytes a character.
        let text = "aé漢🦀";
        for (max, expected) in [(0, ""), (1, "a"), (2, "aé"), (3, "aé漢"), (4, text), (9, text)]
        {
            assert_eq!(truncate(text, max), expected);
        }
    }
}
