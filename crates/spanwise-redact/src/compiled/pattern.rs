//! Regular expressions over bytes, in linear time.

use crate::rule::KeyPattern;
use regex_automata::meta;
use regex_automata::util::syntax;

/// ASCII classes, and matches that need not be text: a value may hold any bytes.
pub(super) fn syntax() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false)
}

/// The limits of one expression.
pub(super) fn limits() -> meta::Config {
    meta::Config::new()
        .utf8_empty(false)
        .nfa_size_limit(Some(MAX_PROGRAM))
        .hybrid_cache_capacity(MAX_PROGRAM)
}

/// Compiles one expression.
///
/// # Errors
/// The problem, in words.
pub(super) fn compile(pattern: &str) -> Result<meta::Regex, String> {
    if pattern.len() > MAX_BYTES {
        return Err(format!("{} bytes: at most {MAX_BYTES} are accepted", pattern.len()));
    }
    let built = meta::Builder::new().syntax(syntax()).configure(limits()).build(pattern);
    built.map_err(|error| message(&error))
}

/// Whether an expression compiles.
///
/// # Errors
/// As [`compile`].
#[cfg(feature = "config")]
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    compile(pattern).map(drop)
}

/// The problem of an expression without the lines that show it.
fn message(error: &meta::BuildError) -> String {
    let text = match error.syntax_error() {
        Some(error) => error.to_string(),
        None if error.size_limit().is_some() => {
            return format!("it needs more than {MAX_PROGRAM} bytes");
        }
        None => error.to_string(),
    };
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// The expression of a key pattern.
pub(super) fn of_key(key: &KeyPattern) -> String {
    match key {
        KeyPattern::Regex(text) => text.to_string(),
        KeyPattern::Glob(glob) => {
            let mut text = String::from("(?s)\\A");
            for letter in glob.chars() {
                match letter {
                    '*' => text.push_str(".*"),
                    // A character, of one to four bytes.
                    '?' => text.push_str("[\\x00-\\x7f\\xc0-\\xff][\\x80-\\xbf]*"),
                    letter if letter.is_ascii_alphanumeric() || letter == '_' => text.push(letter),
                    letter if letter.is_ascii() => {
                        text.push('\\');
                        text.push(letter);
                    }
                    letter => text.push(letter),
                }
            }
            text.push_str("\\z");
            text
        }
    }
}

/// The longest expression, in bytes.
const MAX_BYTES: usize = 10_000;
/// The largest program of an expression, and its largest cache, in bytes.
const MAX_PROGRAM: usize = 1 << 20;
