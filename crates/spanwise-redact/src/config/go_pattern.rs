//! Regular expressions of Go's syntax, RE2, in that of `regex-automata`.

use std::iter::Peekable;
use std::str::Chars;

/// The expression in our syntax. The differences: in Go `\d`, `\s`, `\w` and `\b` are ASCII while `.`, sets and `(?i)` are Unicode,
/// `\Q…\E` quotes, and sets have no sets inside.
pub(super) fn translated(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    // No group around all: it would make an expression of `a)(b`.
    out.push_str("(?u)");
    let mut letters = text.chars().peekable();
    let mut in_set = false;
    // A `]` that stands first in a set is a letter.
    let mut is_first = false;
    let mut range = Range::None;
    while let Some(letter) = letters.next() {
        let was_first = std::mem::take(&mut is_first);
        match letter {
            '\\' => {
                let is_class = letters.peek().is_some_and(|letter| "dDwWsS".contains(*letter));
                range = if is_class { Range::None } else { range.after_letter() };
                escape(&mut letters, in_set, &mut out);
            }
            // In ours, two of them are a difference of sets.
            '-' if in_set => {
                let is_range = letters.peek().is_some_and(|next| *next != ']');
                if range == Range::Low && is_range {
                    range = Range::Open;
                    out.push('-');
                } else {
                    range = range.after_letter();
                    out.push_str("\\-");
                }
            }
            '[' if !in_set => {
                (in_set, is_first, range) = (true, true, Range::None);
                out.push('[');
                if letters.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
            }
            '[' if letters.peek() == Some(&':') => {
                range = Range::None;
                named_set(&mut letters, &mut out);
            }
            ']' if in_set && !was_first => {
                in_set = false;
                out.push(']');
            }
            letter => {
                range = range.after_letter();
                if in_set && "[]&~".contains(letter) {
                    out.push('\\');
                }
                out.push(letter);
            }
        }
    }
    out
}

/// The place in a range of a set, `a-z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Range {
    /// A `-` is a letter.
    None,
    /// Behind a letter that may begin a range.
    Low,
    /// Behind the `-` of a range.
    Open,
}

impl Range {
    fn after_letter(self) -> Self {
        if self == Self::Open { Self::None } else { Self::Low }
    }
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
        // An error, as in Go.
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

#[cfg(test)]
mod tests {
    use super::translated;
    use crate::rule::{Action, Rule};
    use crate::{Redacted, Redactor, Scratch};

    /// Whether the expression matches in the name of a span.
    fn is_match(pattern: &str, text: &str) -> bool {
        let rule = Rule::new(Action::Mask).with_value_pattern(translated(pattern));
        let redactor = Redactor::builder().with_rule(rule).build().unwrap();
        let mut span = vec![5 << 3 | 2, text.len() as u8];
        span.extend_from_slice(text.as_bytes());
        redactor.redact_span(&span, &mut Scratch::default()) != Redacted::Unchanged
    }

    /// The answers are those of Go 1.26's `regexp.MatchString`.
    #[test]
    fn expressions_mean_what_go_means() {
        for (pattern, matching, others) in [
            (r"^\d+$", &["12"][..], &["1a", "٣"][..]),
            (r"^\w\W$", &["a-", "aé"], &["é-"]),
            (r"^[\d_]+$", &["1_2"], &["٣"]),
            (r"\bab\b", &["ab", "éab"], &["cab"]),
            (r"a\Bb", &["ab"], &["a b"]),
            (r"^a\Q.*\Eb$", &["a.*b"], &["axxb"]),
            (r"\Q[x", &["[x"], &["x"]),
            (r"\Q\", &["\\"], &["Q"]),
            (r"^[[a]$", &["[", "a"], &["]"]),
            (r"^[]a]$", &["]", "a"], &["["]),
            (r"^[^]a]$", &["b", "é"], &["]", "a"]),
            (r"^[a&&b]$", &["&", "a", "b"], &["c"]),
            (r"^[a~~b]$", &["~", "a"], &["c"]),
            (r"^[[:alpha:]~]+$", &["ab~"], &["1"]),
            (r"^[+--]$", &["+", ",", "-"], &["*", "."]),
            (r"^[--/]$", &["-", ".", "/"], &["0"]),
            (r"^[^--/]$", &["a"], &["-", "."]),
            (r"^[a-z--]$", &["a", "-"], &["A"]),
            (r"^[a-c-e]$", &["b", "-", "e"], &["d"]),
            (r"^[\d-z]$", &["1", "-", "z"], &["p"]),
            (r"^[\w--.]$", &["a", "-", "."], &["/"]),
            (r"^[\---]$", &["-"], &["a"]),
            (r"^.$", &["a", "é"], &["ab"]),
            (r"(?i)É", &["é", "É"], &["e"]),
            (r"(?i)ſ", &["S", "s"], &["t"]),
            (r"^\pL\p{Greek}$", &["aα"], &["1α", "aa"]),
            (r"^a\sb$", &["a b", "a\tb"], &["a\u{b}b", "a\u{a0}b"]),
            (r"\x41\x{e9}", &["Aé"], &["ae"]),
            (r"(?P<x>a)(?:b)", &["ab"], &["ba"]),
            (r"(?s)a.b", &["a\nb"], &["ab"]),
            (r"a.b", &["a-b"], &["a\nb"]),
            (r"\/health", &["/health"], &["/heal"]),
        ] {
            for text in matching {
                assert!(is_match(pattern, text), "{pattern} should match {text:?}");
            }
            for text in others {
                assert!(!is_match(pattern, text), "{pattern} should not match {text:?}");
            }
        }
    }

    #[test]
    fn wrong_expressions_are_errors() {
        for pattern in ["(", ")", "a)(b", "[", r"a{2,1}", "*", r"\", r"(?=a)", r"(?<!a)b", r"(a)\1"]
        {
            let rule = Rule::new(Action::Mask).with_value_pattern(translated(pattern));
            let built = Redactor::builder().with_rule(rule).build();
            assert!(built.is_err(), "{pattern}");
        }
    }
}
