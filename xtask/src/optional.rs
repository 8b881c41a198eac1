//! Checks that need a tool which not every machine has.

use crate::step::Step;
use crate::{deps, public_api};

/// Runs every check whose tool is installed, and returns a line for each of the others.
///
/// # Errors
/// That of the first check that fails.
pub fn run() -> Result<Vec<String>, String> {
    let mut skipped = Vec::new();
    if Step::cargo("", "deny --version").succeeds_quietly() {
        Step::cargo("licenses, advisories, bans, sources", "deny check").run()?;
    } else {
        skipped.push("licenses, advisories, bans, sources: cargo install cargo-deny".to_owned());
    }
    if Step::rustup("", OLDEST, "--version").succeeds_quietly() {
        let packages: Vec<String> =
            deps::published()?.iter().map(|name| format!("--package {name}")).collect();
        Step::rustup("oldest Rust", OLDEST, &format!("check {}", packages.join(" "))).run()?;
    } else {
        skipped.push(format!("Rust {OLDEST}: rustup toolchain install {OLDEST}"));
    }
    skipped.extend(public_api::check_or_skip()?);
    Ok(skipped)
}

/// A block for the end of the output; empty if nothing was skipped.
pub fn summary(skipped: &[String]) -> String {
    if skipped.is_empty() {
        return String::new();
    }
    let rule = "═".repeat(80);
    let lines: Vec<String> = skipped.iter().map(|line| format!("  {line}")).collect();
    format!(
        "{rule}\nSKIPPED: {} checks, for want of a tool\n{}\n{rule}",
        skipped.len(),
        lines.join("\n")
    )
}

/// `rust-version` of the workspace.
const OLDEST: &str = "1.88";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_every_check_that_was_skipped() {
        assert_eq!(summary(&[]), "");
        let text = summary(&["licenses: install a".to_owned(), "Rust 1: install b".to_owned()]);
        assert!(text.contains("SKIPPED: 2 checks"), "{text}");
        assert!(text.contains("\n  licenses: install a\n  Rust 1: install b\n"), "{text}");
    }

    #[test]
    fn the_oldest_rust_is_that_of_the_workspace() {
        let manifest = std::fs::read_to_string(crate::step::root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains(&format!("rust-version = \"{OLDEST}\"")));
    }
}
