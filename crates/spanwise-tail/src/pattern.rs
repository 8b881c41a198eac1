//! Regular expressions of Go's syntax, matched by the crate `regex`.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// A regular expression of RE2's syntax as Go has it, not anchored. It matches in linear time.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    regex: Regex,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Result<Self, PatternError> {
        let error = |error: &dyn fmt::Display| PatternError {
            text: text.chars().take(80).collect(),
            message: error.to_string(),
        };
        if text.len() > MAX_BYTES {
            return Err(error(&format_args!("it has more than {MAX_BYTES} bytes")));
        }
        match Regex::new(&translated(text)) {
            Ok(regex) => Ok(Self { regex }),
            Err(cause) => {
                // The lines before the last one show the expression.
                let cause = cause.to_string();
                let last = cause.lines().last().unwrap_or_default();
                Err(error(&last.strip_prefix("error: ").unwrap_or(last)))
            }
        }
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
    }
}

/// A text is not a regular expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PatternError {
    text: String,
    message: String,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a regular expression: {}", self.text, self.message)
    }
}

/// The expression in the syntax of the crate `regex`, which differs from Go's: `\d`, `\s`, `\w` and `\b` are ASCII in Go, `\Q…\E`
/// quotes, and sets have no sets inside.
fn translated(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
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
            // In the crate `regex`, two of them are a difference of sets.
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
                // A named set such as `[:alpha:]`, up to its end.
                range = Range::None;
                out.push('[');
                for letter in letters.by_ref() {
                    out.push(letter);
                    if letter == ']' {
                        break;
                    }
                }
            }
            ']' if in_set && !was_first => {
                in_set = false;
                out.push(']');
            }
            _ => {
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
        Some('b') if !in_set => out.push_str(r"(?-u:\b)"),
        Some('Q') if !in_set => quote(letters, out),
        Some(escaped) => out.extend(['\\', escaped]),
        None => out.push('\\'),
    }
}

/// Quotes up to `\E`, or to the end.
fn quote(letters: &mut Peekable<Chars<'_>>, out: &mut String) {
    while let Some(letter) = letters.next() {
        if letter == '\\' && letters.next_if_eq(&'E').is_some() {
            return;
        }
        out.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4])));
    }
}

/// The longest expression; its program is bounded by the crate `regex`.
const MAX_BYTES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::Pattern;

    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let pattern = Pattern::new(pattern).unwrap();
        for text in matching {
            assert!(pattern.is_match(text), "{pattern:?} should match {text:?}");
        }
        for text in others {
            assert!(!pattern.is_match(text), "{pattern:?} should not match {text:?}");
        }
    }

    #[test]
    fn expressions_mean_what_go_means() {
        check(r"^\d+$", &["12"], &["", "1a", "٣"]);
        check(r"^\w\W$", &["a-", "aé"], &["é-"]);
        check(r"^[\d_]+$", &["1_2"], &["٣"]);
        check(r"\bab\b", &["ab", "éab"], &["cab"]);
        check(r"^a\Q.*\Eb$", &["a.*b"], &["axxb"]);
        check(r"\Q[x", &["[x"], &["x"]);
        check(r"^[[a]$", &["[", "a"], &["]"]);
        check(r"^[]a]$", &["]", "a"], &["["]);
        check(r"^[^]a]$", &["b"], &["]", "a"]);
        check(r"^[a&&b]$", &["&", "a", "b"], &["c"]);
        check(r"^[[:alpha:]~]+$", &["ab~"], &["1"]);
        check(r"^[+--]$", &["+", ",", "-"], &["*", "."]);
        check(r"^[--/]$", &["-", ".", "/"], &["0"]);
        check(r"^[a-z--]$", &["a", "-"], &["A"]);
        check(r"^[a-c-e]$", &["b", "-", "e"], &["d"]);
        check(r"^[\w--.]$", &["a", "-", "."], &["/"]);
        check(r"v[0-9]+.HealthCheck$", &["grpc.health.v1.HealthCheck"], &["v1.HealthCheckX"]);
        check(r"\/health", &["/health"], &["/heal"]);
        check(r"(?i)É", &["é"], &["e"]);
        check(r"", &["", "x"], &[]);
    }

    #[test]
    fn wrong_expressions_are_errors() {
        for text in
            ["(", "[", "a{2,1}", "*", "\\", "(?=a)", &"x".repeat(10_001), "((a{999}){999}){999}"]
        {
            assert!(Pattern::new(text).is_err(), "{text}");
        }
        let error = Pattern::new("(").unwrap_err().to_string();
        assert_eq!(error, "\"(\" is not a regular expression: unclosed group");
    }
}
