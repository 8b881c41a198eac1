//! `cargo xtask words`: no banned word in code, comments and pages.

mod glossary;
mod prose;
mod split;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use glossary::{BEGIN, END, Glossary, Term};

use crate::Command;
use crate::source_tree::SourceTree;
use crate::step::root;

pub const COMMAND: Command = Command {
    name: "words",
    summary: "checks that no banned word of docs/STYLE.md is used",
    help: "Reads crates/, xtask/, benches/, docs/, README.md and the section [Unreleased] of CHANGELOG.md\n\
           without its table of old and new names. Words are found in comments, strings, file names and\n\
           identifiers, which are split at `_` and at capitals; names in capitals are left out. Lists\n\
           every use with the words to write instead, then a count for each crate.\n\n\
           PATH   lists only what is below this path from the workspace's root",
    run,
};

fn run(args: &[String]) -> Result<(), String> {
    match args {
        [] => check(""),
        [place] => check(place),
        [_, other, ..] => Err(format!("takes one path, got {other:?} too")),
    }
}

/// Checks all files below `place`; the empty text is the whole workspace.
///
/// # Errors
/// Lists every use of a banned word, and every exception of docs/STYLE.md without use.
pub fn check(place: &str) -> Result<(), String> {
    let places = ["crates", "xtask", "benches", "docs", "README.md", "CHANGELOG.md"];
    let tree = SourceTree::read(&root(), &places)?;
    let page = tree.text(PAGE).ok_or_else(|| format!("{PAGE} does not exist"))?;
    let glossary = Glossary::read(page).map_err(|reason| format!("{PAGE}: {reason}"))?;
    if !tree.files().any(|(file, _)| file.starts_with(place)) {
        return Err(format!("no file is below {place:?}; a path starts at the workspace's root"));
    }
    let mut uses = uses(&tree, &glossary);
    uses.retain(|found| found.file.starts_with(place));
    if uses.is_empty() {
        println!("{} banned words and phrases, no use", glossary.terms.len());
        return Ok(());
    }
    Err(report(&uses))
}

const PAGE: &str = "docs/STYLE.md";
/// The files whose text is read, with the live page, rules and manifests.
const ENDINGS: [&str; 9] = [".rs", ".md", ".toml", ".js", ".css", ".html", ".go", ".yml", ".yaml"];

/// One use of a banned word.
#[derive(Debug, PartialEq, Eq)]
struct Use {
    file: String,
    /// 0 for the name of the file.
    line: usize,
    word: String,
    instead: String,
}

fn uses(tree: &SourceTree, glossary: &Glossary) -> Vec<Use> {
    let mut uses = Vec::new();
    for (file, text) in tree.files() {
        let mut found = named(file, glossary);
        if ENDINGS.iter().any(|end| file.ends_with(end)) {
            let text = checked_part(file, text);
            found.extend(written(&text, glossary));
            let sentences = match file.rsplit_once('.') {
                // Comments of JavaScript and Go are those of Rust.
                Some((_, "rs" | "js" | "go")) => prose::in_rust(&text),
                Some((_, "md")) => prose::in_markdown(&text),
                _ => Vec::new(),
            };
            found.extend(started(&sentences, glossary));
        }
        found.sort_by_key(|&(line, _)| line);
        let with_file = |(line, term): (usize, &Term)| Use {
            file: file.to_owned(),
            line,
            word: term.words.join(" "),
            instead: term.instead.clone(),
        };
        uses.extend(found.into_iter().map(with_file));
    }
    without_exceptions(uses, glossary)
}

/// Drops the uses that the page excepts, and adds a problem for each exception without use.
fn without_exceptions(mut uses: Vec<Use>, glossary: &Glossary) -> Vec<Use> {
    for exception in &glossary.exceptions {
        let before = uses.len();
        uses.retain(|found| found.file != exception.file || found.word != exception.word);
        if uses.len() == before {
            uses.push(Use {
                file: PAGE.to_owned(),
                line: 0,
                word: exception.word.clone(),
                instead: format!("nothing: {} no longer needs an exception", exception.file),
            });
        }
    }
    uses
}

type Found<'a> = Vec<(usize, &'a Term)>;

/// Banned words in the path of a file.
fn named<'a>(file: &str, glossary: &'a Glossary) -> Found<'a> {
    let found = matches(file, glossary);
    found.into_iter().map(|(_, term)| (0, term)).collect()
}

fn written<'a>(text: &str, glossary: &'a Glossary) -> Found<'a> {
    let found = matches(text, glossary).into_iter();
    found.map(|(at, term)| (text[..at].matches('\n').count() + 1, term)).collect()
}

/// Each banned word or phrase with its offset. The words of a phrase may stand on two lines of a
/// comment.
fn matches<'a>(text: &str, glossary: &'a Glossary) -> Vec<(usize, &'a Term)> {
    let words = split::words(text);
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate() {
        for term in glossary.terms.iter().filter(|term| !term.at_start) {
            let Some(here) = words.get(index..index + term.words.len()) else { continue };
            let near = here.windows(2).all(|pair| {
                text[pair[0].end..pair[1].start]
                    .chars()
                    .all(|c| c.is_whitespace() || matches!(c, '_' | '-' | '/' | '!'))
            });
            if near && here.iter().map(|word| &word.text).eq(&term.words) {
                found.push((word.start, term));
            }
        }
    }
    found
}

fn started<'a>(sentences: &[prose::Sentence], glossary: &'a Glossary) -> Found<'a> {
    let mut found = Vec::new();
    for sentence in sentences.iter().filter(|sentence| !sentence.is_question()) {
        let words: Vec<&str> = sentence.text.split_whitespace().collect();
        for term in glossary.terms.iter().filter(|term| term.at_start) {
            let same = words.len() >= term.words.len()
                && words.iter().zip(&term.words).all(|(word, banned)| {
                    // `What's` and `What,` too.
                    let end = word.find(|c: char| !c.is_alphabetic()).unwrap_or(word.len());
                    word[..end].to_lowercase() == *banned
                });
            if same && sentence.text.starts_with(char::is_uppercase) {
                found.push((sentence.line, term));
            }
        }
    }
    found
}

/// `text` with blank lines in place of what is not checked.
fn checked_part(file: &str, text: &str) -> String {
    let changelog = file == "CHANGELOG.md";
    let (mut skipped, mut unreleased, mut names) = (false, false, false);
    let mut part = String::new();
    for line in text.lines() {
        if file == PAGE && line == BEGIN {
            skipped = true;
        }
        if line.starts_with("## ") {
            unreleased = line.starts_with("## [Unreleased]");
        }
        names = line.starts_with('|') && (names || is_table_of_names(line));
        if !skipped && !names && (unreleased || !changelog) {
            part.push_str(line);
        }
        part.push('\n');
        if line == END {
            skipped = false;
        }
    }
    part
}

/// The head of the table of old and new names.
fn is_table_of_names(line: &str) -> bool {
    let cells: Vec<String> = line
        .split('|')
        .map(|cell| cell.trim().to_lowercase())
        .filter(|cell| !cell.is_empty())
        .collect();
    cells.iter().any(|cell| cell == "old") && cells.iter().any(|cell| cell == "new")
}

fn report(uses: &[Use]) -> String {
    let mut text = format!("{} uses of banned words\n", uses.len());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for Use { file, line, word, instead } in uses {
        let place = if *line == 0 { file.clone() } else { format!("{file}:{line}") };
        let _infallible = writeln!(text, "{place}: `{word}`; write {instead}");
        let mut parts = file.split('/');
        let first = parts.next().unwrap_or_default();
        let owner = if first == "crates" { parts.next().unwrap_or(first) } else { first };
        *counts.entry(owner).or_default() += 1;
    }
    for (owner, count) in counts {
        let _infallible = write!(text, "\n{count:>6}  {owner}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: (&str, &str) = (
        PAGE,
        "<!-- words:begin -->
| `alpha`, `beta gamma`, `delta` | reported |
| `Omega`, `Psi chi` | the subject |

| File | Word | Reason |
| `crates/x/delta.rs` | `delta` | the system's word |
<!-- words:end -->
",
    );

    /// The uses in one file beside a style page, as `line word`.
    fn check(file: (&str, &str), expected: &[&str]) {
        let allowed = ("crates/x/delta.rs", "");
        let tree = SourceTree::of(&[STYLE, allowed, file]);
        let glossary = Glossary::read(STYLE.1).unwrap();
        let found: Vec<String> = uses(&tree, &glossary)
            .iter()
            .map(|found| format!("{} {}", found.line, found.word))
            .collect();
        assert_eq!(found, expected, "{file:?}");
    }

    #[test]
    fn words_are_found_in_comments_strings_identifiers_and_file_names() {
        check(
            ("x/a.rs", "// alpha\nlet beta_gamma = \"delta\";"),
            &["1 alpha", "2 beta gamma", "2 delta"],
        );
        check(("x/a.rs", "// beta\n    // gamma\nfn f() { beta.gamma() }"), &["1 beta gamma"]);
        check(("x/alpha.json", "alpha"), &["0 alpha"]);
        check(("x/a.js", "// Omega it is.\n$(\"alpha\")"), &["1 omega", "2 alpha"]);
        check(("x/a.yml", "fix: alpha"), &["1 alpha"]);
        check(("x/a.rs", "// realpha DELTA, al_pha, whole deltas"), &[]);
    }

    #[test]
    fn a_headless_start_is_found_unless_it_is_a_question() {
        check(("x/a.rs", "/// A. Omega it is.\nfn f() {} // Omega?"), &["1 omega"]);
        check(("x/a.md", "Psi chi\nfor that. Do omega you must. psi chi"), &["1 psi chi"]);
        check(("x/a.md", "Omega's, it is. Omega, it is."), &["1 omega", "1 omega"]);
        check(("x/a.md", "```\nOmega is code\n```"), &[]);
    }

    #[test]
    fn of_the_changelog_only_new_sentences_are_checked() {
        let text = "alpha\n## [Unreleased]\nalpha\n| Old | New |\n|---|---|\n| alpha | x |\n\nalpha\n## 0.1\nalpha";
        check(("CHANGELOG.md", text), &["3 alpha", "8 alpha"]);
    }

    #[test]
    fn an_exception_without_use_is_reported() {
        let tree = SourceTree::of(&[STYLE]);
        let found = uses(&tree, &Glossary::read(STYLE.1).unwrap());
        assert!(found[0].instead.contains("crates/x/delta.rs no longer"), "{found:?}");
    }

    #[test]
    fn a_place_without_files_is_an_error() {
        let reason = super::check("./crates").unwrap_err();
        assert!(reason.contains("\"./crates\""), "{reason}");
    }

    #[test]
    fn the_report_has_every_use_and_a_count_for_each_crate() {
        let found = |file: &str| Use {
            file: file.to_owned(),
            line: 1,
            word: "alpha".to_owned(),
            instead: "reported".to_owned(),
        };
        let text = report(&[found("crates/a/x.rs"), found("crates/a/y.rs"), found("docs/z.md")]);
        assert!(text.contains("crates/a/y.rs:1: `alpha`; write reported\n"), "{text}");
        assert!(text.ends_with("\n     2  a\n     1  docs"), "{text}");
    }
}
