//! The command line.

use crate::check;
use crate::config::{ConfigOptions, ConfigSource};
use crate::operations::{FileContent, SettingsFile, serve};
use crate::settings::Role;
use crate::start_error::ExitKind;
use lexopt::prelude::{Long, Short, Value};
use spanwise_config::hint;
use std::ffi::OsString;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the command with these arguments, without the name of the program.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    match parse(arguments) {
        Ok(Command::Text(text)) => print(&text, 0),
        Ok(Command::Check(source, json)) => {
            let checked = source.read();
            let status = checked.as_ref().err().map_or(0, |error| error.kind().code());
            print(&check::text(source.path(), &checked, json), status)
        }
        Ok(Command::Run(source)) => start(&source),
        Err(problem) => {
            eprintln!("spanwise-node: {}\n\n{USAGE}", printable(&problem));
            ExitCode::from(ExitKind::Settings.code())
        }
    }
}

fn start(source: &ConfigSource) -> ExitCode {
    let content = FileContent::of(source.path());
    let read = match source.read() {
        Ok(read) => read,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(error.kind().code());
        }
    };
    let read_again = || {
        source.read().map_err(|error| error.problems().iter().map(ToString::to_string).collect())
    };
    let name = source.path().display().to_string();
    let path = source.path();
    serve(read, &SettingsFile { path, content, name: &name, read: &read_again })
}

#[derive(Debug)]
enum Command {
    Run(ConfigSource),
    /// With the choice of JSON.
    Check(ConfigSource, bool),
    Text(String),
}

#[derive(Default)]
struct Given {
    is_check: bool,
    json: bool,
    file: Option<PathBuf>,
    options: ConfigOptions,
}

fn parse(arguments: Vec<OsString>) -> Result<Command, String> {
    let mut given = Given::default();
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut is_first = true;
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Long("help") | Short('h') => return Ok(Command::Text(format!("{USAGE}\n\n{HELP}"))),
            Long("version") | Short('V') => {
                return Ok(Command::Text(format!("spanwise-node {}", env!("CARGO_PKG_VERSION"))));
            }
            Long("check") => given.is_check = true,
            Long("json") => given.json = true,
            Long("insecure-listeners") => given.options.insecure_listeners = true,
            Long("config") => {
                let path = parser.value().map_err(|error| error.to_string())?;
                given.set_file(path)?;
            }
            Long("role") => {
                let name = parser.value().map_err(|error| error.to_string())?;
                given.options.role = Some(role(&name.to_string_lossy())?);
            }
            Value(word) if is_first && word == "check" => given.is_check = true,
            Value(path) => given.set_file(path)?,
            Long(option) => {
                let hint = hint(&format!("--{option}"), OPTIONS);
                return Err(format!("{}{hint}", Long(option).unexpected()));
            }
            other => return Err(other.unexpected().to_string()),
        }
        is_first = false;
    }
    let file = given.file.ok_or("a file is missing")?;
    if given.json && !given.is_check {
        return Err("only `check` has the option `--json`".to_owned());
    }
    let source = ConfigSource::new(file, given.options);
    Ok(if given.is_check { Command::Check(source, given.json) } else { Command::Run(source) })
}

impl Given {
    fn set_file(&mut self, path: OsString) -> Result<(), String> {
        let Some(first) = &self.file else {
            self.file = Some(path.into());
            return Ok(());
        };
        let (first, second) = (first.to_string_lossy(), path.to_string_lossy());
        // `chek FILE` names the command by mistake.
        let hint = hint(&first, &["check"]);
        Err(format!("one file is expected, not `{first}` and `{second}`{hint}"))
    }
}

fn role(name: &str) -> Result<Role, String> {
    let found = Role::NAMES.iter().find(|(known, _)| *known == name);
    found.map(|(_, role)| *role).ok_or_else(|| {
        let names: Vec<&str> = Role::NAMES.iter().map(|(known, _)| *known).collect();
        let hint = hint(name, &names);
        format!("no role `{name}`{hint}; accepted is `gateway`, `sampler` or `both`")
    })
}

/// `problem` without the escape sequences of an argument, which a terminal would follow.
fn printable(problem: &str) -> String {
    let mut text = String::with_capacity(problem.len());
    for letter in problem.chars() {
        match letter {
            '\'' | '"' | '\\' => text.push(letter),
            other => text.extend(other.escape_debug()),
        }
    }
    text
}

/// Prints a text. A closed pipe is no error: the reader has what it wants. A full disk is one.
fn print(text: &str, status: u8) -> ExitCode {
    let mut output = std::io::stdout().lock();
    match writeln!(output, "{}", text.trim_end()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _also_closed =
                writeln!(std::io::stderr(), "spanwise-node: the output cannot be written: {error}");
            ExitCode::from(ExitKind::Other.code())
        }
        _ => ExitCode::from(status),
    }
}

const USAGE: &str = "\
Usage: spanwise-node [--role gateway|sampler|both] [--insecure-listeners] [--check] FILE
       spanwise-node check [--json] FILE";

const HELP: &str = "\
Receives OTLP, redacts, samples whole traces, stores on disk and forwards, as FILE states: a file of its own, or one of the
OpenTelemetry Collector, which has the key `service` or `exporters`. ${VARIABLES} have the values of this environment.

  --config FILE         the file, also without the option
  --role ROLE           gateway, sampler or both; overrides `role` of the file
  --check               as the command `check`: prints the work of a node with this file, or every mistake with its place
  --json                one object, with `check`
  --insecure-listeners  permits listeners that other machines reach without TLS or without a token or client certificates
  -h, --help            this text
  -V, --version         the version

The exit status is 0 after an end by a signal or a check without mistakes; 2: the file or the arguments are not valid; 3: an address
is in use or not permitted; 4: a key, a certificate or a token cannot be read; 5: a spool is locked, read-only or full; 1: another error.";

const OPTIONS: &[&str] =
    &["--config", "--role", "--check", "--json", "--insecure-listeners", "--help", "--version"];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn a_file_is_run_or_checked() {
        let is_run = |line: &str| matches!(parsed(line), Ok(Command::Run(source)) if source.path().to_str() == Some("n.yaml"));
        assert!(is_run("n.yaml") && is_run("--config n.yaml") && is_run("--role both n.yaml"));
        let is_check = |line: &str, json: bool| matches!(parsed(line), Ok(Command::Check(source, found)) if found == json && source.path().to_str() == Some("n.yaml"));
        assert!(is_check("check n.yaml", false) && is_check("--check --config=n.yaml", false));
        assert!(is_check("check n.yaml --json", true) && is_check("check --json n.yaml", true));
        assert!(matches!(parsed("--config check"), Ok(Command::Run(_))));
    }

    #[test]
    fn arguments_that_are_not_accepted_are_named() {
        for (line, expected) in [
            ("", "a file is missing"),
            ("check", "a file is missing"),
            ("chek n.yaml", "one file is expected, not `chek` and `n.yaml`; did you mean `check`?"),
            ("a.yaml b.yaml", "one file is expected, not `a.yaml` and `b.yaml`"),
            ("--json n.yaml", "only `check` has the option `--json`"),
            ("--rol both n.yaml", "invalid option '--rol'; did you mean `--role`?"),
            ("--insecure n.yaml", "invalid option '--insecure'"),
            (
                "--insecure-listner n.yaml",
                "invalid option '--insecure-listner'; did you mean `--insecure-listeners`?",
            ),
            ("-x", "invalid option '-x'"),
            (
                "--role gatway n.yaml",
                "no role `gatway`; did you mean `gateway`?; accepted is `gateway`, `sampler` or `both`",
            ),
        ] {
            assert_eq!(parsed(line).unwrap_err(), expected, "{line}");
        }
    }

    #[test]
    fn each_option_is_explained() {
        let Ok(Command::Text(text)) = parsed("--help") else { panic!("no help") };
        assert!(OPTIONS.iter().all(|option| text.contains(option)), "{text}");
        assert!(
            matches!(parsed("-V"), Ok(Command::Text(text)) if text.starts_with("spanwise-node "))
        );
    }
}
