//! `cargo xtask sanitize`: the tests of `unsafe` code and of hostile callers, under a sanitizer.

use crate::Command;
use crate::step::{Step, root};
use std::process::{Command as Process, Stdio};

pub const COMMAND: Command = Command {
    name: "sanitize",
    summary: "tests of the crates with `unsafe`, and all hostile tests, under AddressSanitizer",
    help: "Builds with the nightly toolchain into target/sanitize and runs the unit and integration\n\
           tests of the crates that have `unsafe`, and tests/hostile*.rs of the others: values, buffers,\n\
           iterators and drops that break every promise. Without a sanitizer these are ordinary tests\n\
           that `cargo xtask test` runs, too.\n\n\
           --thread       under ThreadSanitizer instead\n\
           --package P    only this crate; may be repeated\n\
           --allow-skip   succeeds where the toolchain or a sanitizer for this system is missing\n\n\
           ThreadSanitizer does not see into the standard library, which comes without it, and calls\n\
           these races there: the fence in the drop of `Arc` (synchronised by a fence it does not\n\
           model), the queue of `std::sync::mpsc`, the start and end of `std::thread` and\n\
           `std::thread::scope`, and the locks behind `Once` and `OnceLock`. They are suppressed; its\n\
           reports on our own frames stand.",
    run,
};

fn run(args: &[String]) -> Result<(), String> {
    let options = Options::parse(args)?;
    let host = match host() {
        Ok(host) => host,
        Err(reason) if options.allow_skip => {
            println!("skipped: {} ({reason})", options.sanitizer.name());
            return Ok(());
        }
        Err(reason) => return Err(format!("{reason}, or pass --allow-skip")),
    };
    let hostile = crates_with_hostile_tests();
    let known = |name: &&String| UNSAFE.contains(&name.as_str()) || hostile.contains(name);
    if let Some(unknown) = options.packages.iter().find(|name| !known(name)) {
        return Err(format!(
            "{unknown:?} has no unsafe code and no hostile tests; there are: {}, {}",
            UNSAFE.join(", "),
            hostile.join(", ")
        ));
    }
    for (name, arguments) in steps(&options.packages, &hostile) {
        let target = format!("target/sanitize/{}", options.sanitizer.flag());
        let mut step = Step::rustup(name, TOOLCHAIN, &format!("test --target {host} {arguments}"))
            .env("CARGO_TARGET_DIR", &root().join(target).to_string_lossy());
        for (key, value) in options.sanitizer.environment() {
            step = step.env(key, &value);
        }
        step.run()?;
    }
    Ok(())
}

/// The tests that cargo runs: everything of the crates with `unsafe`, of the others the hostile
/// tests; of the crates in `only`, if there are any.
fn steps(only: &[String], hostile: &[String]) -> Vec<(&'static str, String)> {
    let is_wanted = |name: &str| only.is_empty() || only.iter().any(|wanted| wanted == name);
    let flags = |names: Vec<&str>| -> String {
        names.iter().filter(|name| is_wanted(name)).map(|name| format!(" -p {name}")).collect()
    };
    let all_of = flags(UNSAFE.to_vec());
    let others = hostile.iter().map(String::as_str).filter(|name| !UNSAFE.contains(name));
    let others = flags(others.collect());
    let mut steps = Vec::new();
    if !all_of.is_empty() {
        steps.push(("crates with unsafe", format!("--lib --tests{all_of}")));
    }
    if !others.is_empty() {
        steps.push(("hostile tests of the others", format!("--test hostile*{others}")));
    }
    steps
}

/// Names of the crates under `crates/` that have a `tests/hostile.rs`, sorted.
fn crates_with_hostile_tests() -> Vec<String> {
    let folders = std::fs::read_dir(root().join("crates")).into_iter().flatten().flatten();
    let mut names: Vec<String> = folders
        .filter(|folder| folder.path().join("tests/hostile.rs").is_file())
        .map(|folder| folder.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The system that the nightly toolchain builds for, if a sanitizer runs there.
///
/// # Errors
/// In words, with what would help.
fn host() -> Result<String, String> {
    let output = Process::new("rustup")
        .args(["run", TOOLCHAIN, "rustc", "-vV"])
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())
        .ok_or_else(|| format!("no {TOOLCHAIN} toolchain: rustup toolchain install {TOOLCHAIN}"))?;
    let version = String::from_utf8_lossy(&output.stdout);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    if SANITIZED.contains(&host) {
        return Ok(host.to_owned());
    }
    Err(format!("no sanitizer for {host:?}: run it on one of {}", SANITIZED.join(", ")))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sanitizer {
    Address,
    Thread,
}

impl Sanitizer {
    fn name(self) -> &'static str {
        match self {
            Self::Address => "AddressSanitizer",
            Self::Thread => "ThreadSanitizer",
        }
    }

    /// Its name for `-Zsanitizer`.
    fn flag(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Thread => "thread",
        }
    }

    fn environment(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Address => vec![
                ("RUSTFLAGS", "-Zsanitizer=address".to_owned()),
                // The payload of a panic is forgotten on purpose, since its drop may panic again:
                // a leak is no finding.
                ("ASAN_OPTIONS", "detect_leaks=0:detect_stack_use_after_return=1".to_owned()),
            ],
            Self::Thread => {
                let path = root().join("xtask/src/sanitize.supp");
                vec![
                    // The standard library is not built with it.
                    (
                        "RUSTFLAGS",
                        "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer".to_owned(),
                    ),
                    ("TSAN_OPTIONS", format!("suppressions={}", path.display())),
                ]
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Options {
    sanitizer: Sanitizer,
    allow_skip: bool,
    packages: Vec<String>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut options =
            Self { sanitizer: Sanitizer::Address, allow_skip: false, packages: Vec::new() };
        let mut args = args.iter();
        while let Some(name) = args.next() {
            match name.as_str() {
                "--thread" => options.sanitizer = Sanitizer::Thread,
                "--allow-skip" => options.allow_skip = true,
                "--package" => {
                    options.packages.push(args.next().ok_or("--package needs a value")?.clone());
                }
                _ => return Err(format!("no option {name:?}; see cargo xtask sanitize --help")),
            }
        }
        Ok(options)
    }
}

const TOOLCHAIN: &str = "nightly";

/// The crates that have `unsafe`.
const UNSAFE: &[&str] = &[
    "spanwise-bytes",
    "spanwise-wire",
    "spanwise-batch",
    "spanwise-pool",
    "spanwise-profiling",
    "spanwise-tracing",
    "spanwise-worker",
    "spanwise-transport",
    "spanwise-receiver",
    "spanwise-sdk",
    "spanwise",
];

/// Systems that both sanitizers run on.
const SANITIZED: &[&str] = &[
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options() {
        let options = Options::parse(&words("--thread --package spanwise-wire --allow-skip"));
        let options = options.unwrap();
        assert_eq!((options.sanitizer, options.allow_skip), (Sanitizer::Thread, true));
        assert_eq!(options.packages, ["spanwise-wire"]);
        assert!(Options::parse(&words("--package")).is_err());
        assert!(Options::parse(&words("--memory")).is_err());
    }

    #[test]
    fn each_crate_is_tested_once() {
        let hostile = words("spanwise-sampling spanwise-wire");
        let all = steps(&[], &hostile);
        assert!(all[0].1.contains("-p spanwise-wire") && !all[1].1.contains("-p spanwise-wire"));
        assert_eq!(all[1].1, "--test hostile* -p spanwise-sampling");
        let one = steps(&words("spanwise-pool"), &hostile);
        assert_eq!(one, [("crates with unsafe", "--lib --tests -p spanwise-pool".to_owned())]);
    }

    /// A crate that gets its first `unsafe` has to be listed.
    #[test]
    fn the_crates_with_unsafe_are_listed() {
        fn has_unsafe(folder: &std::path::Path) -> bool {
            std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
                let path = entry.path();
                let is_block = |line: &str| {
                    let line = line.trim_start();
                    !line.starts_with("//") && line.contains("unsafe {")
                };
                path.is_dir() && has_unsafe(&path)
                    || std::fs::read_to_string(&path).is_ok_and(|text| text.lines().any(is_block))
            })
        }
        for entry in std::fs::read_dir(root().join("crates")).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_listed = UNSAFE.contains(&name.as_str()) || name == "spanwise-testkit";
            assert!(is_listed || !has_unsafe(&entry.path().join("src")), "{name}");
        }
    }
}
