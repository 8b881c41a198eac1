//! `cargo xtask paths`: the files that pages name exist.

use std::collections::BTreeSet;

use crate::source_tree::SourceTree;
use crate::step::root;
use crate::{Command, only_flags};

pub const COMMAND: Command = Command {
    name: "paths",
    summary: "checks that the files named in docs/tour.md and docs/ARCHITECTURE.md exist",
    help: "Looks up every path in backticks that ends in .rs, .md or .toml, or in `/` for a folder: from\n\
           the workspace's root, from crates/, and after crates/spanwise-. In docs/ARCHITECTURE.md only\n\
           paths of the form `crate/src/file.rs` and `crate/tests/file.rs` are checked.",
    run,
};

fn run(args: &[String]) -> Result<(), String> {
    only_flags(args, &[])?;
    check()
}

/// Checks both pages.
///
/// # Errors
/// Lists every path without a file, and every page that is missing.
pub fn check() -> Result<(), String> {
    let tree = SourceTree::read(&root(), &["crates", "xtask", "benches", "docs"])?;
    let mut problems = missing(&tree, "docs/tour.md", false);
    problems.extend(missing(&tree, "docs/ARCHITECTURE.md", true));
    if problems.is_empty() {
        return Ok(());
    }
    Err(format!("{} files do not exist\n{}", problems.len(), problems.join("\n")))
}

/// The paths in `page` that do not exist. `in_crates` checks only those of the form `x/src/y.rs`
/// and `x/tests/y.rs`, whose first part is a crate.
fn missing(tree: &SourceTree, page: &str, in_crates: bool) -> Vec<String> {
    let Some(text) = tree.text(page) else { return vec![format!("{page} does not exist")] };
    let known: BTreeSet<&str> = tree.files().flat_map(|(path, _)| with_folders(path)).collect();
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        // Every second part is between backticks.
        for path in line.split('`').skip(1).step_by(2).filter(|path| is_path(path, in_crates)) {
            let path = path.trim_end_matches('/');
            let places =
                [path.to_owned(), format!("crates/{path}"), format!("crates/spanwise-{path}")];
            if !places.iter().any(|place| known.contains(place.as_str())) {
                problems.push(format!("{page}:{}: `{path}`", index + 1));
            }
        }
    }
    problems
}

/// A file, and every folder above it.
fn with_folders(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| Some(path.rsplit_once('/')?.0))
}

fn is_path(text: &str, in_crates: bool) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '.');
    let file = [".rs", ".md", ".toml", "/"].iter().any(|end| text.ends_with(end));
    let inside = ["src", "tests"].contains(&text.split('/').nth(1).unwrap_or_default());
    file && text.contains('/') && text.chars().all(plain) && (inside || !in_crates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, in_crates: bool, expected: &[&str]) {
        let files = [("crates/spanwise-wire/src/a/b.rs", ""), ("docs/p.md", text)];
        assert_eq!(missing(&SourceTree::of(&files), "docs/p.md", in_crates), expected);
    }

    #[test]
    fn paths_are_found_from_the_root_and_from_the_crates() {
        check("`crates/spanwise-wire/src/a/b.rs`, `spanwise-wire/src/a/b.rs`", false, &[]);
        check("`wire/src/a/b.rs` and `wire/src/a/`, `docs/p.md`", false, &[]);
    }

    #[test]
    fn a_file_that_does_not_exist_is_reported_with_its_line() {
        check("x\n`wire/src/c.rs` `Type` `a/b`", false, &["docs/p.md:2: `wire/src/c.rs`"]);
        check("`wire/src/c.rs` `a/c.rs`", true, &["docs/p.md:1: `wire/src/c.rs`"]);
        check("`wire/src/{a,c}.rs`", true, &[]);
    }

    #[test]
    fn a_page_that_does_not_exist_is_an_error() {
        let found = missing(&SourceTree::of(&[]), "docs/tour.md", false);
        assert_eq!(found, ["docs/tour.md does not exist"]);
    }
}
