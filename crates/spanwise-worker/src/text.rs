//! Text of others, made fit for one line of a log.

/// `text` as it can stand in one line: at most `max_bytes` bytes, then `…`; line breaks and tabs are
/// spaces, and what could move a terminal's cursor or reorder the line is escaped.
///
/// For whatever another process or the user's code said: an answer, a panic's message, the value of
/// a setting. It is not for secrets: those are left out before.
pub fn sanitize(text: &str, max_bytes: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max_bytes));
    for c in text.chars() {
        let end = line.len();
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c if deceives(c) => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
        if line.len() > max_bytes {
            line.truncate(end);
            while line.len() > max_bytes.saturating_sub(CUT.len()) {
                line.pop();
            }
            if max_bytes >= CUT.len() {
                line.push_str(CUT);
            }
            break;
        }
    }
    line
}

/// Control characters, line separators, zero-width and direction marks.
fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

const CUT: &str = "…";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_text_is_one_readable_line() {
        assert_eq!(sanitize("all is well: ö", 256), "all is well: ö");
        assert_eq!(sanitize("a\r\n\x1b[31mb\0", 256), "a  \\u{1b}[31mb\\u{0}");
        assert_eq!(sanitize("\u{202e}x\u{2028}", 256), "\\u{202e}x\\u{2028}");
        assert!(sanitize(&"x".repeat(10_000_000), 256).ends_with("x…"));
        assert_eq!(sanitize("abcdef", 5), "ab…");
    }

    proptest! {
        #[test]
        fn never_long_never_controlling(raw in any::<String>(), times in 1_usize..200) {
            let line = sanitize(&raw.repeat(times), 256);
            prop_assert!(line.len() <= 256);
            prop_assert!(!line.chars().any(deceives));
        }
    }
}
