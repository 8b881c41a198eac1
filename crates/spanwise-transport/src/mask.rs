//! Secrets of ours, taken out of what a server says.

use std::collections::HashMap;

use crate::text::REDACTED;

/// `said` with everything replaced that holds six letters and digits in a row of one of `secrets`.
///
/// A server may echo a header's value cut, escaped, in another case or by its words; so letters and
/// digits alone are compared, and what surrounds a match goes with it. A shorter secret is more often
/// a word of the sentence than a leak, and so is the scheme in front of a credential.
pub(crate) fn mask<S: AsRef<str>>(said: &str, secrets: impl IntoIterator<Item = S>) -> String {
    let said = cut(said);
    let letters: Vec<Letter> = letters(said).collect();
    let mut places: HashMap<[char; PIECE], Vec<usize>> = HashMap::new();
    // A sentence is no secret, though its words in a row may be one.
    let is_one = |piece: &[Letter]| {
        let ends = piece.first().zip(piece.last());
        let text = ends.and_then(|(first, last)| said.get(first.start..last.end));
        text.is_some_and(|text| !text.contains(char::is_whitespace))
    };
    for (at, piece) in letters.windows(PIECE).enumerate().filter(|(_, piece)| is_one(piece)) {
        places.entry(piece_of(piece)).or_default().push(at);
    }
    let mut hidden = vec![false; said.len()];
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
    replaced(said, &hidden)
}

/// A letter or digit in lower case, and where it stands.
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

/// A server's long page is not looked at to its end, nor shown.
fn cut(said: &str) -> &str {
    let end = (0..=MAX_TEXT_BYTES.min(said.len())).rev().find(|&end| said.is_char_boundary(end));
    said.get(..end.unwrap_or_default()).unwrap_or_default()
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

/// `said` with each hidden stretch, and what of a token stands around it, replaced.
fn replaced(said: &str, hidden: &[bool]) -> String {
    let mut masked = String::with_capacity(said.len());
    let is_hidden = |at: usize| hidden.get(at).copied().unwrap_or_default();
    let mut token = String::new();
    let mut leaks = false;
    let flush = |token: &mut String, leaks: &mut bool, masked: &mut String| {
        masked.push_str(if *leaks { REDACTED } else { token });
        token.clear();
        *leaks = false;
    };
    for (at, c) in said.char_indices() {
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
/// Bytes of what a server says that may be shown in the end.
const MAX_TEXT_BYTES: usize = 4096;
/// What belongs to a token, beside letters and digits (RFC 6750, and escapes of it).
const TOKEN: &str = "+/=_~%\\-";
const SCHEMES: [&str; 6] = ["bearer", "basic", "digest", "token", "apikey", "api-key"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoes_are_masked_however_they_are_written() {
        let secret = "Bearer ab/cd/Q\"uote+secret==";
        for (said, masked) in [
            ("bad token ab/cd/Q\"uote+secret==.", "bad token [redacted]."),
            ("bad token 'ab\\/cd\\/Q\\\"uote+secret==',", "bad token '[redacted]',"),
            ("ab%2Fcd%2FQ%22uote%2Bsecret%3D%3D", "[redacted]"),
            ("AB/CD/Q\"UOTE+SECRET==", "[redacted]"),
            ("it begins with uote+sec", "it begins with [redacted]"),
            ("a Bearer token is missing", "a Bearer token is missing"),
            ("nothing of it", "nothing of it"),
            ("", ""),
        ] {
            assert_eq!(mask(said, [secret]), masked);
        }
        let nested = ["acme-prod", "Bearer acme-prod-9f8e7d6c"];
        assert_eq!(mask("got acme-prod-9f8e7d6c", nested), "got [redacted]");
        assert_eq!(mask("got x", ["", "x", "short"]), "got x");
    }

    #[test]
    fn a_page_has_an_end() {
        let page = "ö".repeat(1 << 20);
        assert!(mask(&page, ["hunter2"]).len() <= MAX_TEXT_BYTES);
    }
}
