//! Patterns with wildcards.

use spanwise_wire::Value;

/// A pattern: `*` matches any number of characters, also none, and `?` exactly one.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// The texts between the stars; a single piece must match the whole text.
    pieces: Vec<String>,
}

impl Pattern {
    /// The pattern of a text; `*` and `?` have no escape.
    pub fn new(pattern: &str) -> Self {
        Self { pieces: pattern.split('*').map(str::to_owned).collect() }
    }

    /// Whether the whole text matches; upper and lower case differ.
    pub fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = &*self.pieces else {
            return self.pieces.first().is_some_and(|whole| after(whole, text) == Some(""));
        };
        let Some(mut rest) = after(first, text) else { return false };
        for piece in middle {
            // The first occurrence suffices: the stars around it match all other characters.
            let Some(next) = after_first(piece, rest) else { return false };
            rest = next;
        }
        ends_with(last, rest)
    }

    /// Whether a string matches, or the text of a number or boolean; a list never does.
    pub fn matches_value(&self, value: Value<'_>) -> bool {
        match value {
            Value::Str(text) => self.matches(text),
            Value::Bool(bool) => self.matches(if bool { "true" } else { "false" }),
            Value::I64(number) => self.matches(&number.to_string()),
            Value::F64(number) => self.matches(&number.to_string()),
            _ => false,
        }
    }
}

/// The rest of `text` after `piece`, if it begins with it.
fn after<'t>(piece: &str, text: &'t str) -> Option<&'t str> {
    if !piece.contains('?') {
        return text.strip_prefix(piece);
    }
    let mut rest = text.chars();
    let is_prefix = piece
        .chars()
        .all(|expected| rest.next().is_some_and(|found| expected == '?' || expected == found));
    is_prefix.then_some(rest.as_str())
}

fn after_first<'t>(piece: &str, text: &'t str) -> Option<&'t str> {
    if !piece.contains('?') {
        return text.split_once(piece).map(|(_, rest)| rest);
    }
    let starts = text.char_indices().map(|(start, _)| start).chain([text.len()]);
    starts.filter_map(|start| text.get(start..)).find_map(|rest| after(piece, rest))
}

fn ends_with(piece: &str, text: &str) -> bool {
    if !piece.contains('?') {
        return text.ends_with(piece);
    }
    let skipped = text.chars().count().checked_sub(piece.chars().count());
    let start =
        skipped.map(|skipped| text.char_indices().nth(skipped).map_or(text.len(), |(at, _)| at));
    start.and_then(|start| text.get(start..)).is_some_and(|end| after(piece, end) == Some(""))
}

#[cfg(test)]
mod tests {
    use super::Pattern;
    use proptest::prelude::*;

    #[test]
    fn question_marks_match_one_character() {
        let matches = |pattern: &str, text: &str| Pattern::new(pattern).matches(text);
        assert!(matches("a?c", "a\u{e4}c") && !matches("a?c", "ac") && !matches("a?c", "abbc"));
        assert!(matches("*?/b?", "xy/bz") && !matches("*?/b?", "/bz"));
        assert!(matches("/a*?c*", "/aXbc!") && matches("?*", "x") && !matches("?*", ""));
        assert!(matches("GET /find?q=*", "GET /find?q=1"));
    }

    /// The textbook's recursion, which takes exponential time.
    fn oracle(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => {
                oracle(rest, text)
                    || text.split_first().is_some_and(|(_, text)| oracle(pattern, text))
            }
            (Some((expected, pattern)), Some((found, text))) => {
                (*expected == '?' || expected == found) && oracle(pattern, text)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn patterns_match_as_the_textbook_defines(pattern in "[ab*?]{0,8}", text in "[ab\u{e4}]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = oracle(&chars(&pattern), &chars(&text));
            prop_assert_eq!(Pattern::new(&pattern).matches(&text), expected);
        }
    }
}
