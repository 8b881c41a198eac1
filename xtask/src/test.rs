//! `cargo xtask test`: every check that a change must pass.

use crate::step::{Step, timed};
use crate::{
    Command, deps, imports, matrix, optional, paths, public_api, repeat, settings, shutdown_matrix,
    sizes, words,
};
use std::time::Duration;

pub const COMMAND: Command = Command {
    name: "test",
    summary: "everything a change must pass; stops at the first failure",
    help: "Runs, in this order: format check, the ranks of dependencies, clippy and all tests of the workspace\n\
           with all features, several programs at once, those of packages that time spans once more\n\
           without the processor's counter (SPANWISE_CLOCK=monotonic, same programs), each\n\
           cell of the shutdown matrix once, the documentation, every crate alone with no features and\n\
           with its default ones (`cargo xtask matrix --quick`); all without warnings. Then `cargo deny\n\
           check` and a check of the published crates with Rust 1.88, if they are installed. The last\n\
           lines name what was skipped.\n\n\
           --quick       only `cargo test --workspace`\n\
           --repeat N    all tests but those in the documentation, N times (1 to 10000): built once,\n\
           \x20               then a report of what failed how often and what took longest\n\
           --load        with busy loops beside them, one a core and two at least\n\
           --package P   repeats the tests of this package only; may be given more than once\n\
           --jobs J      test programs at once, default 1 (1 to 64)\n\
           --limit S     seconds after which a test program hangs, default 600 (1 to 86400)",
    run,
};

fn run(args: &[String]) -> Result<(), String> {
    match Asked::parse(args)? {
        Asked::All => all(),
        Asked::Quick => tests().run(),
        Asked::Repeat(options) => repeat::run(&options),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    All,
    Quick,
    Repeat(repeat::Options),
}

impl Asked {
    fn parse(args: &[String]) -> Result<Self, String> {
        let (mut quick, mut repeated) = (false, false);
        let mut options = repeat::Options::default();
        let mut arguments = args.iter();
        while let Some(name) = arguments.next() {
            let mut value =
                || arguments.next().cloned().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--quick" => quick = true,
                "--load" => options.load = true,
                "--repeat" => {
                    options.runs = in_range(name, &value()?, 10_000)?;
                    repeated = true;
                }
                "--package" => options.packages.push(value()?),
                "--jobs" => options.jobs = in_range(name, &value()?, 64)?,
                "--limit" => {
                    let seconds = in_range(name, &value()?, 86_400)?;
                    options.limit = Duration::from_secs(seconds.into());
                }
                _ => return Err(format!("no option {name:?}; see cargo xtask test --help")),
            }
        }
        match (repeated, quick, options == repeat::Options::default()) {
            // The tests alone are what is repeated.
            (true, _, _) => Ok(Self::Repeat(options)),
            (false, _, false) => {
                Err("--load, --package, --jobs and --limit go with --repeat N".to_owned())
            }
            (false, true, true) => Ok(Self::Quick),
            (false, false, true) => Ok(Self::All),
        }
    }
}

fn in_range(name: &str, value: &str, most: u32) -> Result<u32, String> {
    let number = value.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("{name} {value:?}: accepted is 1 to {most}"))
}

/// A check that reads files: its name, and the function that lists what is wrong.
type Check = (&'static str, fn() -> Result<(), String>);

const CHECKS: &[Check] = &[
    ("ranks of crates", || deps::check(false)),
    ("banned words", || words::check("")),
    ("imports", imports::check),
    ("sizes", sizes::check),
    ("paths in pages", paths::check),
    ("settings in pages", settings::check),
];

/// Everything, cheapest first.
fn all() -> Result<(), String> {
    Step::cargo("format", "fmt --all --check").run()?;
    for (name, check) in CHECKS {
        timed(name, check)?;
    }
    Step::cargo("clippy", &format!("clippy {WHOLE} --all-targets -- -D warnings")).run()?;
    repeat::once(WHOLE, (TIMING_PACKAGES, WITHOUT_THE_COUNTER))?;
    Step::cargo("tests in the documentation", &format!("test {WHOLE} --doc")).run()?;
    timed("shutdown matrix, each cell once", shutdown_matrix::quick)?;
    documentation()?;
    // The builds before have features on that a crate's users may not have.
    matrix::quick()?;
    let skipped = optional::run()?;
    println!("{}", optional::summary(&skipped));
    Ok(())
}

/// The documentation of the packages that the check of public signatures leaves out.
fn documentation() -> Result<(), String> {
    let others: String =
        public_api::documented()?.iter().map(|name| format!(" --exclude {name}")).collect();
    Step::cargo("documentation", &format!("doc {WHOLE} --no-deps{others}"))
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()
}

fn tests() -> Step {
    Step::cargo("tests", "test --workspace")
}

/// With the features, too, that no member of the workspace asks for. Each other selection would be built anew.
const WHOLE: &str = "--workspace --all-features";
/// The packages that time spans.
const TIMING_PACKAGES: &[&str] = &["spanwise-worker", "spanwise-sdk"];
/// As on a machine whose counter is not reliable.
const WITHOUT_THE_COUNTER: (&str, &str) = ("SPANWISE_CLOCK", "monotonic");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let parse = |text: &str| {
            Asked::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(parse(""), Ok(Asked::All));
        assert_eq!(parse("--quick"), Ok(Asked::Quick));
        let Ok(Asked::Repeat(options)) = parse("--repeat 30 --load --package x --limit 5 --jobs 3")
        else {
            unreachable!("a repetition")
        };
        assert_eq!((options.runs, options.load, options.packages.len()), (30, true, 1));
        assert_eq!((options.limit, options.jobs), (Duration::from_secs(5), 3));
        for wrong in ["--repeat", "--repeat 0", "--repeat many", "--load", "--fast", "--limit 9"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
