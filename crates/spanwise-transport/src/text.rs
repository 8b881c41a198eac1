//! Foreign text made safe to show: short, on one line, without control bytes.

/// Longest text kept from a server or a configuration value, in bytes.
pub(crate) const MAX_TEXT: usize = 256;

/// Escapes what could move a terminal's cursor or reorder a line, and cuts at [`MAX_TEXT`].
pub(crate) fn tidy(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len().min(MAX_TEXT));
    for c in raw.chars() {
        let mark = out.len();
        if deceives(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
        if out.len() > MAX_TEXT {
            out.truncate(mark);
            while out.len() > MAX_TEXT - CUT.len() {
                out.pop();
            }
            out.push_str(CUT);
            break;
        }
    }
    out
}

/// Control characters, line separators, zero-width and direction marks.
fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

const CUT: &str = "…";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_text_is_tamed() {
        assert_eq!(tidy("all is well: ö"), "all is well: ö");
        assert_eq!(tidy("a\r\n\x1b[31mb"), "a\\u{d}\\u{a}\\u{1b}[31mb");
        assert_eq!(tidy("\u{202e}x"), "\\u{202e}x");
        assert!(tidy(&"x".repeat(10_000_000)).ends_with("x…"));
    }

    proptest! {
        #[test]
        fn never_long_never_controlling(raw in any::<String>(), times in 1usize..200) {
            let text = tidy(&raw.repeat(times));
            prop_assert!(text.len() <= MAX_TEXT);
            prop_assert!(!text.chars().any(deceives));
        }
    }
}
