//! One compiled test program: its place, and the outcome of a run.

use crate::step::{output_of_cargo, root};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A program with tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binary {
    /// Package and target, as `spanwise-wire tests/hostile`.
    pub(super) name: String,
    program: PathBuf,
    /// The package's folder, where cargo runs its tests.
    folder: PathBuf,
    environment: Option<(&'static str, &'static str)>,
}

/// The outcome of one run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Ran {
    /// Tests by name, with the seconds they took.
    pub(super) passed: Vec<(String, f64)>,
    pub(super) failed: Vec<String>,
    /// How the program itself failed, if not by a test: a hang, a signal, a status.
    pub(super) broken: Option<String>,
}

impl Binary {
    /// Builds the tests of these packages, or of the workspace if there are none, and finds them.
    ///
    /// # Errors
    /// Those of cargo.
    pub(super) fn build(packages: &[String]) -> Result<Vec<Self>, String> {
        let what = match packages {
            [] => "--workspace".to_owned(),
            some => some.iter().map(|package| format!("-p {package} ")).collect(),
        };
        Self::build_with(&what)
    }

    /// Builds the tests that cargo selects by these arguments, and finds them.
    ///
    /// # Errors
    /// Those of cargo.
    pub(super) fn build_with(arguments: &str) -> Result<Vec<Self>, String> {
        let messages = output_of_cargo(&format!(
            "test --no-run --tests --message-format=json-render-diagnostics {arguments}"
        ))?;
        Ok(messages.lines().filter_map(Self::of_message).collect())
    }

    /// The name of the package's folder.
    pub(super) fn package(&self) -> &str {
        self.name.split_once(' ').map_or(&self.name, |(package, _)| package)
    }

    /// The same tests with an environment variable.
    pub(super) fn with_environment(&self, (key, value): (&'static str, &'static str)) -> Self {
        let name = format!("{} with {key}={value}", self.name);
        Self { name, environment: Some((key, value)), ..self.clone() }
    }

    /// The program that a message of cargo's is about, if it is about one with tests.
    fn of_message(line: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(line).ok()?;
        if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
            return None;
        }
        let program = PathBuf::from(message["executable"].as_str()?);
        let folder = PathBuf::from(message["manifest_path"].as_str()?).parent()?.to_owned();
        let package = folder.file_name()?.to_string_lossy().into_owned();
        let (target, kind) = (message["target"]["name"].as_str()?, &message["target"]["kind"][0]);
        let name = match kind.as_str()? {
            "lib" => format!("{package} src"),
            "test" => format!("{package} tests/{target}"),
            other => format!("{package} {other} {target}"),
        };
        Some(Self { name, program, folder, environment: None })
    }

    /// Runs all its tests. Its output stays in `logs` if something failed.
    ///
    /// # Errors
    /// When it cannot be started or its log cannot be written.
    pub(super) fn run(&self, run: u32, logs: &Path, limit: Duration) -> Result<Ran, String> {
        let mut command = Command::new(&self.program);
        command
            .args(["-Zunstable-options", "--report-time"])
            // The test harness's own switch; nothing is compiled here.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .envs(self.environment)
            .current_dir(&self.folder);
        let log = logs.join(format!("{run}-{}.log", self.name.replace([' ', '/'], "-")));
        let failed = |error: std::io::Error| format!("{}: {error}", self.name);
        let ran = watch(command, &log, limit).map_err(failed)?;
        if ran.is_good() {
            std::fs::remove_file(&log).map_err(failed)?;
        } else {
            let text = std::fs::read(&log).map_err(failed)?;
            let log = log.strip_prefix(root()).unwrap_or(&log);
            println!("{} failed in run {run}: {}", self.name, log.display());
            println!("{}", end_of(&String::from_utf8_lossy(&text)));
        }
        Ok(ran)
    }
}

/// Runs a program with tests to its end, or to `limit`; what it prints goes to `log`.
fn watch(mut command: Command, log: &Path, limit: Duration) -> std::io::Result<Ran> {
    // Into a file: a pipe would be held open by what a test leaves running.
    let file = File::create(log)?;
    let output = file.try_clone()?;
    let mut child = command.stdin(Stdio::null()).stdout(output).stderr(file).spawn()?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            break None;
        }
        thread::sleep(POLL);
    };
    let mut ran = Ran::of_output(&String::from_utf8_lossy(&std::fs::read(log)?));
    ran.broken = match status {
        None => Some(format!("hangs: not done after {} s", limit.as_secs())),
        Some(status) if !status.success() && ran.failed.is_empty() => Some(status.to_string()),
        Some(_) => None,
    };
    Ok(ran)
}

impl Ran {
    pub(super) fn is_good(&self) -> bool {
        self.failed.is_empty() && self.broken.is_none()
    }

    /// Reads what the test harness printed. Tests that were running when the program ended count
    /// as failed if the harness had named them as slow.
    fn of_output(output: &str) -> Self {
        let mut ran = Self::default();
        let mut slow = Vec::new();
        for line in output.lines() {
            let Some(rest) = line.strip_prefix("test ") else { continue };
            if let Some((name, _)) = rest.split_once(" has been running for over") {
                slow.push(name.to_owned());
                continue;
            }
            let Some((name, result)) = rest.rsplit_once(" ... ") else { continue };
            let name = name.trim_end_matches(" - should panic").to_owned();
            let seconds = result
                .split_once('<')
                .and_then(|(_, time)| time.trim_end_matches(['s', '>']).parse().ok())
                .unwrap_or(0.0);
            slow.retain(|slow| *slow != name);
            if result.starts_with("ok") {
                ran.passed.push((name, seconds));
            } else if result.starts_with("FAILED") {
                ran.failed.push(name);
            }
        }
        // The list at the end is never mixed up with what tests print.
        let list = output.rsplit_once("\nfailures:\n").map_or("", |(_, list)| list);
        let listed = list.lines().map_while(|line| line.strip_prefix("    "));
        for name in listed.map(str::to_owned).chain(slow) {
            if !ran.failed.contains(&name) {
                ran.failed.push(name);
            }
        }
        ran
    }
}

/// The last lines of a log: what failed, and why.
fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let from = lines.len().saturating_sub(SHOWN_LINES);
    lines.get(from..).unwrap_or_default().join("\n")
}

const SHOWN_LINES: usize = 100;
/// How often a running program is looked at.
const POLL: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_harness_prints_is_read() {
        let output = "\nrunning 4 tests\n\
            test a ... ok <0.125s>\n\
            test b::c - should panic ... ok <0.001s>\n\
            test d has been running for over 60 seconds\n\
            mixed up: test e ... test e ... FAILED\n\
            test f ... ignored\n\
            test d ... FAILED <61.0s>\n\
            \nfailures:\n\n---- d stdout ----\ntext\n\n\
            \nfailures:\n    d\n    e\n\ntest result: FAILED. 2 passed\n";
        let ran = Ran::of_output(output);
        assert_eq!(ran.passed, [("a".to_owned(), 0.125), ("b::c".to_owned(), 0.001)]);
        assert_eq!(ran.failed, ["d", "e"]);
        assert!(!ran.is_good());
    }

    #[test]
    fn a_test_that_never_ended_is_named() {
        let ran = Ran::of_output("test a ... ok\ntest b has been running for over 60 seconds\n");
        assert_eq!(ran.failed, ["b"]);
    }

    #[test]
    fn programs_with_tests_are_found() {
        let message = |profile: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/repo/crates/spanwise-wire/Cargo.toml",
                "target":{{"kind":["test"],"name":"hostile"}},"profile":{{"test":{profile}}},
                "executable":"/repo/target/debug/deps/hostile-1"}}"#
            )
        };
        let binary = Binary::of_message(&message("true")).unwrap();
        assert_eq!(binary.name, "spanwise-wire tests/hostile");
        assert_eq!(binary.folder, Path::new("/repo/crates/spanwise-wire"));
        assert_eq!(Binary::of_message(&message("false")), None);
        assert_eq!(Binary::of_message("no JSON"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_hang_and_a_signal_are_failures_of_the_program() {
        let folder = std::env::temp_dir().join(format!("spanwise-repeat-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let run = |script: &str, limit| {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]);
            watch(shell, &folder.join("log"), limit).unwrap()
        };
        let long = Duration::from_secs(60);
        assert_eq!(run("exit 0", long), Ran::default());
        assert_eq!(run("echo 'test a ... ok <0.5s>'", long).passed, [("a".to_owned(), 0.5)]);
        let hung = run("echo 'test a ... ok'; exec sleep 600", Duration::from_millis(50));
        assert!(hung.broken.unwrap().contains("hangs"));
        assert!(run("kill -9 $$", long).broken.unwrap().contains("signal"));
        assert!(run("exit 101", long).broken.unwrap().contains("101"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
