//! Masks our secrets in messages of a server.

use std::collections::HashMap;

use crate::text::REDACTED;

/// Replaces each token of `text` that contains six consecutive letters and digits of one of
/// `secrets`.
///
/// A server may echo a header value truncated, escaped, in another case or word by word; so only
/// letters and digits are compared, and the whole token around a match is replaced. A shorter secret
/// is more often a word of the sentence than a leak, and so is the scheme in front of a credential.
pub(crate) fn mask<S: AsRef<str>>(text: &str, secrets: impl IntoIterator<Item = S>) -> String {
    let text = truncated(text);
    let letters: Vec<Letter> = letters(text).collect();
    let mut places: HashMap<[char; PIECE], Vec<usize>> = HashMap::new();
    // A match across white space is not one: words of a sentence may form it.
    let is_one = |piece: &[Letter]| {
        let ends = piece.first().zip(piece.last());
        let text = ends.and_then(|(first, last)| text.get(first.start..last.end));
        text.is_some_and(|text| !text.contains(char::is_whitespace))
    };
    for (at, piece) in letters.windows(PIECE).enumerate().filter(|(_, piece)| is_one(piece)) {
        places.entry(piece_of(piece)).or_default().push(at);
    }
    let mut hidden = vec![false; text.len()];
    for secret in secrets {
        let secret: Vec<Letter> = self::letters(without_scheme(secret.as_ref())).collect();
        for piece in secret.windows(PIECE) {
            for &at in places.get(&piece_of(piece)).into_iter().flatten() {
                let ends = letters.get(at).zip(letters.get(at + PIECE - 1));
                if let Some((first, last)) = ends
                    && let Some(hidden) = hidden.get_mut(first.start..last.end)
                {
                    hidden.fill(true);
                }
            }
        }
    }
    replaced(text, &hidden)
}

/// A letter or digit in lower case, and its byte range.
struct Letter {
    char: char,
    start: usize,
    end: usize,
}

fn letters(text: &str) -> impl Iterator<Item = Letter> {
    text.char_indices().filter(|(_, c)| c.is_alphanumeric()).map(|(start, c)| Letter {
        char: c.to_ascii_lowercase(),
        start,
        end: start + c.len_utf8(),
    })
}

fn piece_of(letters: &[Letter]) -> [char; PIECE] {
    std::array::from_fn(|at| letters.get(at).map_or('\0', |letter| letter.char))
}

/// The first [`MAX_TEXT_BYTES`] of a message: the rest is neither searched nor shown.
fn truncated(text: &str) -> &str {
    let end = (0..=MAX_TEXT_BYTES.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// `Bearer token` without `Bearer` (RFC 9110, 11.1: the names of schemes are public).
fn without_scheme(secret: &str) -> &str {
    match secret.trim_start().split_once(' ') {
        Some((scheme, rest)) if SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
            rest
        }
        _ => secret,
    }
}

/// Replaces each token of `text` that contains a hidden byte.
fn replaced(text: &str, hidden: &[bool]) -> String {
    let mut masked = String::with_capacity(text.len());
    let is_hidden = |at: usize| hidden.get(at).copied().unwrap_or_default();
    let mut token = String::new();
    let mut leaks = false;
    let flush = |token: &mut String, leaks: &mut bool, masked: &mut String| {
        masked.push_str(if *leaks { REDACTED } else { token });
        token.clear();
        *leaks = false;
    };
    for (at, c) in text.char_indices() {
        if is_hidden(at) || c.is_alphanumeric() || TOKEN.contains(c) {
            leaks |= is_hidden(at);
            token.push(c);
        } else {
            flush(&mut token, &mut leaks, &mut masked);
            masked.push(c);
        }
    }
    flush(&mut token, &mut leaks, &mut masked);
    masked
}

const PIECE: usize = 6;
/// Maximum bytes of a message that are searched and shown.
const MAX_TEXT_BYTES: usize = 4096;
/// The characters of a token, besides letters and digits (RFC 6750, and escapes of it).
const TOKEN: &str = "+/=_~%\\-";
const SCHEMES: [&str; 6] = ["bearer", "basic", "digest", "token", "apikey", "api-key"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echoed_secret_is_masked_in_every_spelling() {
        let secret = "Bearer ab/cd/Q\"uote+secret==";
        for (text, masked) in [
            ("bad token ab/cd/Q\"uote+secret==.", "bad token [redacted]."),
            ("bad token 'ab\\/cd\\/Q\\\"uote+secret==',", "bad token '[redacted]',"),
            ("ab%2Fcd%2FQ%22uote%2Bsecret%3D%3D", "[redacted]"),
            ("AB/CD/Q\"UOTE+SECRET==", "[redacted]"),
            ("it begins with uote+sec", "it begins with [redacted]"),
            ("a Bearer token is missing", "a Bearer token is missing"),
            ("nothing of it", "nothing of it"),
            ("", ""),
        ] {
            assert_eq!(mask(text, [secret]), masked);
        }
        let nested = ["acme-prod", "Bearer acme-prod-9f8e7d6c"];
        assert_eq!(mask("got acme-prod-9f8e7d6c", nested), "got [redacted]");
        assert_eq!(mask("got x", ["", "x", "short"]), "got x");
    }

    #[test]
    fn a_long_message_is_truncated() {
        let page = "ö".repeat(1 << 20);
        assert!(mask(&page, ["hunter2"]).len() <= MAX_TEXT_BYTES);
    }
}
