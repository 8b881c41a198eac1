//! `cargo xtask ci`: `test`, and the checks that need tools not everybody has.

use crate::step::Step;
use crate::{Command, only_flags, test};

pub const COMMAND: Command = Command {
    name: "ci",
    summary: "`test`, then licences, advisories and the oldest Rust, where the tools are there",
    help: "After `cargo xtask test`: `cargo deny check` if cargo-deny is installed, and a check of the\n\
           published crates with Rust 1.88 if rustup has it. What is missing is named and skipped.",
    run,
};

fn run(args: &[String]) -> Result<(), String> {
    only_flags(args, &[])?;
    test::all()?;
    if Step::cargo("", "deny --version").succeeds_quietly() {
        Step::cargo("licences, advisories, bans, sources", "deny check").run()?;
    } else {
        println!("skipped: licences and advisories (cargo install cargo-deny)");
    }
    if Step::rustup("", OLDEST, "--version").succeeds_quietly() {
        Step::rustup("oldest Rust", OLDEST, PUBLISHED).run()?;
    } else {
        println!("skipped: the oldest Rust (rustup toolchain install {OLDEST})");
    }
    Ok(())
}

/// `rust-version` of the workspace.
const OLDEST: &str = "1.88";

const PUBLISHED: &str =
    "check --workspace --exclude spanwise-testkit --exclude spanwise-benches --exclude xtask";
