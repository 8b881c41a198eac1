//! `cargo xtask test`: the one command that says whether all is well.

use crate::step::{Step, timed};
use crate::{Command, deps, only_flags};

pub const COMMAND: Command = Command {
    name: "test",
    summary: "everything a change must pass; stops at the first failure",
    help: "Runs, in this order: format check, the dependency law, clippy and all tests of the workspace,\n\
           the documentation, and the facade with no, default and all features; all without warnings.\n\n\
           --quick   only `cargo test --workspace`",
    run,
};

fn run(args: &[String]) -> Result<(), String> {
    only_flags(args, &["--quick"])?;
    if !args.is_empty() {
        return tests().run();
    }
    all()
}

/// Everything, cheapest first.
pub fn all() -> Result<(), String> {
    Step::cargo("format", "fmt --all --check").run()?;
    timed("dependency law", || deps::check(false))?;
    Step::cargo("clippy", "clippy --workspace --all-targets -- -D warnings").run()?;
    tests().run()?;
    Step::cargo("documentation", "doc --workspace --no-deps")
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    // The workspace's own build has every feature of the facade on: other members ask for them.
    Step::cargo("no features", "clippy -p spanwise --no-default-features -- -D warnings").run()?;
    Step::cargo("default features", "clippy -p spanwise -- -D warnings").run()?;
    Step::cargo("all features", "clippy -p spanwise --all-features -- -D warnings").run()
}

fn tests() -> Step {
    Step::cargo("tests", "test --workspace")
}
