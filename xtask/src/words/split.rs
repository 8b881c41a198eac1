//! Text and identifiers as single words in lower case.

/// One word of a text.
#[derive(Debug, PartialEq, Eq)]
pub struct Word {
    /// In lower case.
    pub text: String,
    /// Offsets in the text.
    pub start: usize,
    pub end: usize,
}

/// Splits `text` at everything that is no letter, at `_`, and identifiers at their capitals.
/// A name in capitals, such as `HOME`, is no word, nor is any part of an address.
pub fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find(|c: char| c.is_alphabetic()) {
        let start = text.len() - rest.len() + begin;
        let token = &text[start..];
        let length = token.find(|c: char| !c.is_alphanumeric() && c != '_');
        let mut length = length.unwrap_or(token.len());
        if token[length..].starts_with("://") {
            length = token.find(is_after_address).unwrap_or(token.len());
        } else if !is_constant(&token[..length]) {
            split_identifier(&token[..length], start, &mut words);
        }
        rest = &token[length..];
    }
    words
}

fn is_after_address(c: char) -> bool {
    c.is_whitespace() || matches!(c, ')' | '>' | '"' | '|' | '`')
}

/// Whether all letters are capitals, and there are several.
fn is_constant(token: &str) -> bool {
    token.chars().filter(|c| c.is_alphabetic()).count() > 1 && !token.contains(char::is_lowercase)
}

fn split_identifier(token: &str, offset: usize, words: &mut Vec<Word>) {
    let characters: Vec<(usize, char)> = token.char_indices().collect();
    let mut begin = None;
    for (index, &(at, c)) in characters.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| characters[index].1);
        let after = characters.get(index + 1).map(|&(_, c)| c);
        let hump = c.is_uppercase()
            && (before.is_some_and(char::is_lowercase) || after.is_some_and(char::is_lowercase));
        if begin.is_some() && (hump || !c.is_alphabetic()) {
            push(token, begin.take(), at, offset, words);
        }
        if begin.is_none() && c.is_alphabetic() {
            begin = Some(at);
        }
    }
    push(token, begin, token.len(), offset, words);
}

fn push(token: &str, begin: Option<usize>, end: usize, offset: usize, words: &mut Vec<Word>) {
    if let Some(begin) = begin {
        let text = token[begin..end].to_lowercase();
        words.push(Word { text, start: offset + begin, end: offset + end });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<String> = words(text).into_iter().map(|word| word.text).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn identifiers_are_split_at_their_seams() {
        check("beta_gamma_SpanKinds", &["beta", "gamma", "span", "kinds"]);
        check("HTTPServer2Go x", &["http", "server", "go", "x"]);
        check("let's push(A)", &["let", "s", "push", "a"]);
    }

    #[test]
    fn names_in_capitals_and_addresses_are_no_words() {
        check("DELTA and CARGO_DELTA2", &["and"]);
        check("see https://alpha.example/delta) here", &["see", "here"]);
    }

    #[test]
    fn a_word_knows_where_it_is() {
        let text = "a\n// isReady";
        let word = &words(text)[2];
        assert_eq!((word.text.as_str(), &text[word.start..word.end]), ("ready", "Ready"));
    }
}
