//! `cargo xtask deps`: a crate depends only on crates of a lower rank.

mod docs;
mod ranks;
mod tree;

use crate::step::{output_of_cargo, root};
use crate::{Command, only_flags};

pub const COMMAND: Command = Command {
    name: "deps",
    summary: "checks the ranks of the crates and prints the picture",
    help: "Reads `cargo metadata` and `cargo tree`, and fails when a crate depends on one of its own or a\n\
           higher rank, or brings in what its place forbids (async runtimes below rank 1, tonic and\n\
           prost by default), or when the picture in docs/ARCHITECTURE.md is out of date.\n\n\
           --write   redraws that picture",
    run,
};

fn run(args: &[String]) -> Result<(), String> {
    only_flags(args, &["--write"])?;
    check(!args.is_empty())
}

/// Checks the ranks, prints the picture, and compares it with the page, or writes it there.
pub fn check(write: bool) -> Result<(), String> {
    let members = ranks::members(&output_of_cargo("metadata --format-version 1 --no-deps")?)?;
    let picture = ranks::picture(&members);
    println!("{picture}");
    let mut violations = ranks::violations(&members);
    violations.extend(tree::violations(&members)?);
    if !violations.is_empty() {
        return Err(format!("a dependency violates the ranks\n  {}", violations.join("\n  ")));
    }
    docs::picture_in(&root().join("docs/ARCHITECTURE.md"), &picture, write)
}

/// The names of the published crates.
///
/// # Errors
/// When cargo fails.
pub fn published() -> Result<Vec<String>, String> {
    let members = ranks::members(&output_of_cargo("metadata --format-version 1 --no-deps")?)?;
    Ok(members.into_iter().filter(|member| member.published).map(|member| member.name).collect())
}
