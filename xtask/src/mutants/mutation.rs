//! One change of one place in a source file.

use crate::source_tree::SourceTree;
use spanwise_testkit::SplitMix64;
use std::collections::BTreeSet;
use std::fmt;

/// A change of one line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mutation {
    /// The file, from the workspace's root.
    pub path: String,
    /// The line, from 0.
    pub line: usize,
    /// The line as it is.
    pub before: String,
    /// The line as it becomes.
    pub after: String,
}

/// `count` different mutations, drawn from `seed`.
///
/// # Errors
/// The sources cannot be read.
pub fn draw(seed: u64, count: usize) -> Result<Vec<Mutation>, String> {
    let tree = SourceTree::read(
        &crate::step::root(),
        &CRATES.map(|name| format!("crates/{name}/src")).each_ref().map(String::as_str),
    )?;
    let sources = tree.files().filter(|(path, _)| is_mutated(path));
    let mut all: Vec<Mutation> = sources.flat_map(|(path, text)| of_file(path, text)).collect();
    all.sort();
    let mut random = SplitMix64::new(seed);
    let mut drawn = BTreeSet::new();
    let mut chosen = Vec::new();
    while chosen.len() < count.min(all.len()) {
        let index = (random.next_u64() % all.len() as u64) as usize;
        if drawn.insert(index) {
            chosen.push(all[index].clone());
        }
    }
    Ok(chosen)
}

fn is_mutated(path: &str) -> bool {
    let is_source = CRATES.iter().any(|name| path.starts_with(&format!("crates/{name}/src/")));
    // Their own tests, and the bugs of the simulator.
    is_source
        && path.ends_with(".rs")
        && !path.ends_with("tests.rs")
        && !path.ends_with("planted.rs")
}

/// All mutations of a file: those of its code, without comments, attributes, texts and tests.
fn of_file(path: &str, text: &str) -> Vec<Mutation> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((line, before)) = lines.next() {
        let code = before.trim_start();
        if code == "#[cfg(test)]" {
            break;
        }
        if code.starts_with("#[cfg(feature = \"planted-bugs\")]") {
            skip_block(&mut lines);
            continue;
        }
        let is_code = !code.is_empty() && !NO_CODE.iter().any(|start| code.starts_with(start));
        if !is_code || code.contains("fmt::") || code.contains("write!") {
            continue;
        }
        for after in changes(before) {
            let (path, before) = (path.to_owned(), before.to_owned());
            found.push(Mutation { path, line, before, after });
        }
    }
    found
}

/// Skips the statement, item or arm behind an attribute.
fn skip_block<'a>(lines: &mut impl Iterator<Item = (usize, &'a str)>) {
    let mut depth = 0_i32;
    for (_, line) in lines {
        let count = |sought: char| line.chars().filter(|&found| found == sought).count() as i32;
        depth += count('{') - count('}') + count('(') - count(')');
        if depth <= 0 {
            return;
        }
    }
}

/// The changed versions of a line.
fn changes(line: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for &(from, to) in REPLACEMENTS {
        for (at, _) in line.match_indices(from) {
            found.push(format!("{}{to}{}", &line[..at], &line[at + from.len()..]));
        }
    }
    let code = line.trim_start();
    let indent = &line[..line.len() - code.len()];
    // A condition that always or never holds.
    for start in ["if ", "} else if "] {
        if let Some(rest) = code.strip_prefix(start)
            && let Some(condition) = rest.strip_suffix(" {")
            && !condition.starts_with("let ")
            && !condition.contains(" let ")
        {
            found.push(format!("{indent}{start}!({condition}) {{"));
        }
    }
    // A statement that is left out: a call whose result is not used, or an assignment.
    let is_statement = code.ends_with(';')
        && !["let ", "return", "use ", "mod ", "pub ", "const ", "static ", "}", ")", ".", "break"]
            .iter()
            .any(|start| code.starts_with(start));
    let is_whole = code.matches('(').count() == code.matches(')').count()
        && code.matches('{').count() == code.matches('}').count();
    if is_statement && is_whole {
        found.push(format!("{indent}{{}}"));
    }
    found
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, before, after } = self;
        write!(f, "{path}:{}: `{}` -> `{}`", line + 1, before.trim(), after.trim())
    }
}

const CRATES: [&str; 3] = ["spanwise-batch", "spanwise-export", "spanwise-ledger"];

/// The starts of lines without code that runs.
const NO_CODE: &[&str] = &[
    "//",
    "#",
    "use ",
    "pub use ",
    "mod ",
    "pub mod ",
    "pub(crate) use",
    "struct ",
    "pub struct ",
    "impl",
    "fn ",
    "pub fn ",
    "pub(crate) fn ",
    "pub(super) fn ",
    "type ",
    "trait ",
    "pub trait ",
    "\"",
    "debug_assert",
    "where",
    "enum ",
    "pub enum ",
];

const REPLACEMENTS: &[(&str, &str)] = &[
    (" < ", " <= "),
    (" <= ", " < "),
    (" > ", " >= "),
    (" >= ", " > "),
    (" == ", " != "),
    (" != ", " == "),
    (" && ", " || "),
    (" || ", " && "),
    (" + ", " - "),
    (" - ", " + "),
    (" += ", " -= "),
    (" -= ", " += "),
    (" * ", " + "),
    (" / ", " * "),
    (" % ", " / "),
    ("(true", "(false"),
    ("(false", "(true"),
    (" true,", " false,"),
    (" false,", " true,"),
    (" true;", " false;"),
    (" false;", " true;"),
    (".min(", ".max("),
    (".max(", ".min("),
    ("!self.", "self."),
    (".is_some()", ".is_none()"),
    (".is_none()", ".is_some()"),
    (".is_ok()", ".is_err()"),
    (".or_else(", ".and_then("),
    (".any(", ".all("),
    (".all(", ".any("),
    ("checked_add", "checked_sub"),
    ("saturating_add", "saturating_sub"),
    ("saturating_sub", "saturating_add"),
    ("wrapping_add", "wrapping_sub"),
    ("fetch_add", "fetch_sub"),
    ("fetch_sub", "fetch_add"),
    ("pop_front", "pop_back"),
    ("push_back", "push_front"),
    ("Some(1)", "Some(2)"),
    (", 1)", ", 2)"),
    ("(0)", "(1)"),
    (" 0;", " 1;"),
    (" 1;", " 2;"),
    (" 0,", " 1,"),
    ("usize::MAX", "0"),
    ("u64::MAX", "0"),
    ("DropReason::ShutdownDeadline", "DropReason::Transport"),
    ("DropReason::AmbiguousShutdown", "DropReason::ShutdownDeadline"),
    ("DropReason::ExporterPanic", "DropReason::WorkerUnavailable"),
    ("DropReason::WorkerUnavailable", "DropReason::ExporterPanic"),
    ("DropReason::AmbiguousTimeout", "DropReason::RetryDeadline"),
    ("DropReason::RetryDeadline", "DropReason::Rejected"),
    ("DropReason::QueueBytes", "DropReason::QueueFull"),
    ("DropReason::QueueFull", "DropReason::QueueBytes"),
    ("Stage::Send", "Stage::Report"),
    ("Stage::Reply", "Stage::Wait"),
    ("Drain::Full", "Drain::ForMemory"),
    ("DrainFull", "DrainAll"),
    ("DrainAll", "DrainFull"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_changes_in_one_place_at_a_time() {
        assert_eq!(
            changes("    if left < right && more {"),
            [
                "    if left <= right && more {",
                "    if left < right || more {",
                "    if !(left < right && more) {",
            ]
        );
        assert_eq!(
            changes("    self.waiting.push_back(next);"),
            ["    self.waiting.push_front(next);", "    {}",]
        );
        assert_eq!(changes("    let name = \"a\";"), [""; 0]);
    }

    #[test]
    fn only_code_changes() {
        let text = "use a < b;\n// a < b\n#[cfg(feature = \"planted-bugs\")]\nif a < b {\n  x();\n}\n\
                    let c = a < b;\n#[cfg(test)]\nlet d = a < b;\n";
        let found = of_file("x.rs", text);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].line, found[0].after.as_str()), (6, "let c = a <= b;"));
    }
}
