//! Regular expressions of Go's syntax, RE2, in that of `regex-automata`.

use std::iter::Peekable;
use std::str::Chars;

/// The expression in our syntax. The differences: in Go `\d`, `\s`, `\w` and `\b` are ASCII while `.`, sets and `(?i)` are Unicode,
/// `\Q…\E` quotes, and sets have no sets inside.
pub(super) fn translated(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str("(?u:");
    let mut letters = text.chars().peekable();
    let mut in_set = false;
    // A `]` that stands first in a set is a letter.
    let mut is_first = false;
    while let Some(letter) = letters.next() {
        let was_first = std::mem::take(&mut is_first);
        match letter {
            '\\' => escape(&mut letters, in_set, &mut out),
            '[' if !in_set => {
                (in_set, is_first) = (true, true);
                out.push('[');
                if letters.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
            }
            '[' if letters.peek() == Some(&':') => named_set(&mut letters, &mut out),
            ']' if in_set && !was_first => {
                in_set = false;
                out.push(']');
            }
            '[' | ']' | '&' | '~' if in_set => out.extend(['\\', letter]),
            letter => out.push(letter),
        }
    }
    out.push(')');
    out
}

/// The letters behind a backslash.
fn escape(letters: &mut Peekable<Chars<'_>>, in_set: bool, out: &mut String) {
    match letters.next() {
        Some('d') => out.push_str("[0-9]"),
        Some('D') => out.push_str("[^0-9]"),
        Some('w') => out.push_str("[0-9A-Za-z_]"),
        Some('W') => out.push_str("[^0-9A-Za-z_]"),
        Some('s') => out.push_str(r"[\t\n\f\r ]"),
        Some('S') => out.push_str(r"[^\t\n\f\r ]"),
        Some(boundary @ ('b' | 'B')) if !in_set => {
            out.push_str(r"(?-u:\");
            out.push(boundary);
            out.push(')');
        }
        Some('Q') if !in_set => quote(letters, out),
        Some(escaped) => out.extend(['\\', escaped]),
        // The group of all has no end then: an error, as in Go.
        None => out.push('\\'),
    }
}

/// A named set such as `[:alpha:]`, up to its end.
fn named_set(letters: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    for letter in letters.by_ref() {
        out.push(letter);
        if letter == ']' {
            return;
        }
    }
}

/// Quotes up to `\E`, or to the end.
fn quote(letters: &mut Peekable<Chars<'_>>, out: &mut String) {
    while let Some(letter) = letters.next() {
        if letter == '\\' && letters.next_if_eq(&'E').is_some() {
            return;
        }
        if letter.is_ascii() && !letter.is_ascii_alphanumeric() && letter != '_' {
            out.push('\\');
        }
        out.push(letter);
    }
}
