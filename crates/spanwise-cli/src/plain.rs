//! Text of a process as a terminal may show it.

/// `text` without letters that a terminal follows or hides, at most `max` letters; `…` stands for what is cut off.
///
/// A process reports names that its own callers chose: an escape sequence in one of them moves the cursor, sets the title or writes the
/// clipboard, and a mark of the direction of text shows a name as another.
pub(crate) fn plain(text: &str, max: usize) -> String {
    let mut shown: String = text.chars().filter(|&letter| is_shown(letter)).take(max + 1).collect();
    if shown.chars().count() > max {
        shown = shown.chars().take(max.saturating_sub(1)).collect();
        shown.push('…');
    }
    shown
}

fn is_shown(letter: char) -> bool {
    let is_invisible = matches!(letter,
        // Soft hyphen, and marks of the direction of text.
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        // Fillers without ink, selectors of variants, and tags.
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}'
        // Marks that stand on the letter before: hundreds of them cover the lines above.
        | '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}');
    !letter.is_control() && !is_invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_invisible_letters_are_removed() {
        assert_eq!(plain("a\u{1b}]52;c;eA==\u{7}b\u{9b}2Jc\r\n\0", 99), "a]52;c;eA==b2Jc");
        assert_eq!(plain("nimda\u{202e}\u{200d}\u{2066}\u{feff}\u{e0041}", 99), "nimda");
        assert_eq!(plain(&format!("a{}", "\u{301}".repeat(9)), 99), "a");
        assert_eq!(plain("GET /größe/日本", 99), "GET /größe/日本");
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(plain("abcd", 4), "abcd");
        assert_eq!(plain("abcde", 4), "abc…");
        assert_eq!(plain("a", 0), "…");
    }
}
