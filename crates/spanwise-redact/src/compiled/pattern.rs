//! Regular expressions over bytes, in linear time.

use regex_automata::meta;
use regex_automata::util::syntax;
use regex_syntax::hir::Hir;

/// Reads an expression.
///
/// # Errors
/// The problem, in words.
pub(super) fn parse(pattern: &str) -> Result<Hir, String> {
    if pattern.len() > MAX_BYTES {
        return Err(format!("{} bytes: at most {MAX_BYTES} are accepted", pattern.len()));
    }
    // ASCII classes, and matches that need not be text: a value may hold any bytes.
    let syntax = syntax::Config::new().unicode(false).utf8(false).nest_limit(MAX_NESTING);
    syntax::parse_with(pattern, &syntax).map_err(|error| last_line(&error))
}

/// Compiles an expression.
///
/// # Errors
/// The problem, in words.
pub(super) fn compile(expression: &Hir) -> Result<meta::Regex, String> {
    let limits = meta::Config::new()
        .utf8_empty(false)
        .nfa_size_limit(Some(MAX_PROGRAM))
        .onepass(false)
        .hybrid_cache_capacity(MAX_CACHE);
    let built = meta::Builder::new().configure(limits).build_from_hir(expression);
    built.map_err(|error| match error.size_limit() {
        Some(_) => format!("it needs more than {MAX_PROGRAM} bytes"),
        None => last_line(&error),
    })
}

/// Whether an expression compiles.
///
/// # Errors
/// As [`compile`].
#[cfg(feature = "config")]
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    parse(pattern).and_then(|expression| compile(&expression)).map(drop)
}

/// The problem of an expression without the lines that show it.
fn last_line(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// The expression of a key glob.
pub(super) fn of_glob(glob: &str) -> String {
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

/// The longest expression, in bytes.
const MAX_BYTES: usize = 10_000;
/// Groups and repetitions inside of each other.
const MAX_NESTING: u32 = 50;
/// The largest program of an expression, in bytes.
const MAX_PROGRAM: usize = 1 << 20;
/// The largest cache of an expression for each thread that searches at the same time, in bytes.
const MAX_CACHE: usize = 256 << 10;
