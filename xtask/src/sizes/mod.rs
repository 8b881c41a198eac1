//! `cargo xtask sizes`: lines of files, and packages of a dependency tree.

mod files;
mod packages;

use crate::source_tree::SourceTree;
use crate::step::root;
use crate::{Command, only_flags};

pub const COMMAND: Command = Command {
    name: "sizes",
    summary: "checks the length of files and the number of packages that crates bring in",
    help: "No Rust file has more than 450 lines, and half of those that are no tests at most 150. The\n\
           crates of xtask/src/sizes/packages.rs bring in at most the packages that stand there, and\n\
           the facade none in two versions.",
    run,
};

fn run(args: &[String]) -> Result<(), String> {
    only_flags(args, &[])?;
    check()
}

/// Checks files and packages, and prints the present numbers.
///
/// # Errors
/// Lists every limit that is exceeded.
pub fn check() -> Result<(), String> {
    let tree = SourceTree::read(&root(), &["crates", "xtask", "benches"])?;
    let mut problems = files::problems(&tree);
    problems.extend(packages::problems()?);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(format!("limits exceeded\n{}", problems.join("\n")))
    }
}
