//! A copy of the workspace, in which one mutation at a time is built and checked.

use super::mutation::Mutation;
use super::outcome::{Check, Outcome};
use crate::step::root;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The copy.
#[derive(Debug)]
pub struct Workspace {
    folder: PathBuf,
}

/// The end of a command.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Success(String),
    Failure,
    Hang,
}

impl Workspace {
    /// Copies every file that is not ignored into `folder`, if it differs from the one there.
    ///
    /// # Errors
    /// A file cannot be copied, or git cannot be run.
    pub fn copy_to(folder: &Path) -> Result<Self, String> {
        let mut git = Command::new("git");
        git.current_dir(root()).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
        let listed = git.output().map_err(|error| format!("git ls-files: {error}"))?;
        for path in String::from_utf8_lossy(&listed.stdout).lines() {
            let (from, to) = (root().join(path), folder.join(path));
            let failed = |error: std::io::Error| format!("{path}: {error}");
            // A file that was removed and not committed yet.
            let Ok(content) = fs::read(&from) else { continue };
            if fs::read(&to).ok().as_ref() != Some(&content) {
                fs::create_dir_all(to.parent().unwrap_or(folder)).map_err(failed)?;
                fs::write(&to, content).map_err(failed)?;
            }
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Checks that the sources as they are pass: otherwise each mutant would count as found.
    ///
    /// # Errors
    /// They do not.
    pub fn check_unchanged(&self) -> Result<(), String> {
        match (self.build(), self.check(Check::Simulator), self.check(Check::Tests)) {
            (true, true, true) => Ok(()),
            other => Err(format!("the sources fail without a mutant: {other:?}")),
        }
    }

    /// Applies a mutation, checks it, and restores the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn try_mutation(&self, mutation: &Mutation) -> Result<Outcome, String> {
        let path = self.folder.join(&mutation.path);
        let failed = |error: std::io::Error| format!("{}: {error}", mutation.path);
        let original = fs::read_to_string(&path).map_err(failed)?;
        let lines = original.lines().enumerate().map(|(line, text)| match line == mutation.line {
            true => mutation.after.as_str(),
            false => text,
        });
        fs::write(&path, lines.collect::<Vec<_>>().join("\n") + "\n").map_err(failed)?;
        let outcome = self.outcome();
        fs::write(&path, original).map_err(failed)?;
        Ok(outcome)
    }

    fn outcome(&self) -> Outcome {
        if !self.build() {
            return Outcome::Unviable;
        }
        let checks = [Check::Simulator, Check::Tests];
        let found = checks.into_iter().find(|&check| !self.check(check));
        found.map_or(Outcome::Survived, Outcome::Found)
    }

    fn build(&self) -> bool {
        matches!(self.cargo("build --quiet --package spanwise-sim"), End::Success(_))
    }

    /// Whether a check passes.
    fn check(&self, check: Check) -> bool {
        let end = match check {
            Check::Simulator => {
                let program = self.folder.join("target/debug/spanwise-sim");
                let mut command = Command::new(program);
                // One process, which a limit can end.
                command.args(["--worker", "1", "--seeds", SEEDS, "--until-found"]);
                run(command)
            }
            Check::Tests => self.cargo(
                "test --quiet --lib --tests --package spanwise-batch --package spanwise-export \
                 --package spanwise-ledger",
            ),
        };
        match end {
            End::Success(output) => !output.lines().any(|line| line.starts_with("failed ")),
            End::Failure | End::Hang => false,
        }
    }

    fn cargo(&self, arguments: &str) -> End {
        let mut command = Command::new("cargo");
        command.current_dir(&self.folder).args(arguments.split_whitespace());
        // Seeds run several times as fast; foreign crates stay as they are.
        for package in OPTIMIZED {
            command.arg("--config").arg(format!("profile.dev.package.{package}.opt-level=1"));
        }
        command.env("CARGO_TARGET_DIR", self.folder.join("target"));
        run(command)
    }
}

/// Runs a command until it ends, or for [`LIMIT`].
fn run(mut command: Command) -> End {
    own_group(&mut command);
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = started else { return End::Failure };
    let output = child.stdout.take();
    // Read beside the process, which would wait for a full pipe.
    let reader = thread::spawn(move || {
        output.and_then(|output| std::io::read_to_string(output).ok()).unwrap_or_default()
    });
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => {
                return End::Success(reader.join().unwrap_or_default());
            }
            Ok(Some(_)) | Err(_) => return End::Failure,
            Ok(None) if start.elapsed() > LIMIT => {
                kill(&mut child);
                return End::Hang;
            }
            Ok(None) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// The children of the command belong to it, and end with it.
#[cfg(unix)]
fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0);
}

#[cfg(unix)]
fn kill(child: &mut Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        // SAFETY: a system call without memory; the group is the child's own, which was not waited for.
        let _already_ended = unsafe { libc::kill(-group, libc::SIGKILL) };
    }
    let _already_ended = child.wait();
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) {}

#[cfg(not(unix))]
fn kill(child: &mut Child) {
    let _already_ended = child.kill();
    let _already_ended = child.wait();
}

/// Seeds for each mutant.
const SEEDS: &str = "400";
/// The packages that seeds run most.
const OPTIMIZED: [&str; 6] = [
    "spanwise-batch",
    "spanwise-export",
    "spanwise-ledger",
    "spanwise-sim",
    "spanwise-transport",
    "spanwise-wire",
];
/// The time after which a check hangs.
const LIMIT: Duration = Duration::from_secs(240);
