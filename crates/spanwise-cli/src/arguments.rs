//! The arguments of the command line, and the subcommand that they select.

use crate::command::{Arguments, Command, FileArgument, Output};
#[cfg(feature = "top")]
use crate::top;
use crate::{attributes, config_check, config_explain, doctor, explain, redact, slip, spool};
use lexopt::prelude::{Long, Short, Value};
use std::ffi::OsString;
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

const COMMANDS: &[Command] = &[
    doctor::COMMAND,
    config_explain::COMMAND,
    config_check::COMMAND,
    explain::COMMAND,
    attributes::COMMAND,
    spool::LS,
    spool::FIND,
    spool::REPLAY,
    spool::VERIFY,
    spool::STATS,
    redact::COMMAND,
    #[cfg(feature = "top")]
    top::COMMAND,
];

/// Runs the subcommand of `arguments`. Exits with 0 if all is well, 1 if not, and 2 for arguments that are not accepted.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    match parse(arguments) {
        Ok(Parsed::Run(command, arguments)) => {
            let Output { text, is_well } = (command.run)(&arguments);
            ExitCode::from(u8::from(!print(&text) || !is_well))
        }
        Ok(Parsed::Text(text)) => ExitCode::from(u8::from(!print(&text))),
        Err(problem) => {
            eprintln!("spanwise: {}\n\n{}", printable(&problem), overview());
            ExitCode::from(USAGE)
        }
    }
}

enum Parsed {
    Run(&'static Command, Box<Arguments>),
    Text(String),
}

fn parse(arguments: Vec<OsString>) -> Result<Parsed, String> {
    let mut words: Vec<String> = Vec::new();
    let mut command: Option<&Command> = None;
    let mut given = Arguments::default();
    let (mut wants_help, mut wants_version) = (false, false);
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Long(option)
                if command.is_some_and(|it| it.file == FileArgument::Spool)
                    && spool::is_option(option) =>
            {
                let option = option.to_owned();
                given.spool.set(&option, &mut parser)?;
            }
            Value(value) if command.is_some_and(|it| it.file == FileArgument::Spool) => {
                given.spool.push(value)?;
            }
            Long("json") => given.json = true,
            Long("once") => given.once = true,
            Long("processor") => {
                let name = parser.value().map_err(|error| error.to_string())?;
                given.processor = Some(name.to_string_lossy().into_owned());
            }
            Long("endpoint") => {
                let url = parser.value().map_err(|error| error.to_string())?;
                given.endpoint = Some(url.to_string_lossy().into_owned());
            }
            Long("help") | Short('h') => wants_help = true,
            Long("version") | Short('V') => wants_version = true,
            Value(value) if command.is_none() => {
                words.push(value.to_string_lossy().into_owned());
                let name = match words.join(" ") {
                    short if short == "replay" => spool::REPLAY.name.to_owned(),
                    name => name,
                };
                command = COMMANDS.iter().find(|command| command.name == name);
                let begins = format!("{name} ");
                if command.is_none() && !COMMANDS.iter().any(|it| it.name.starts_with(&begins)) {
                    let known = COMMANDS.iter().map(|command| command.name);
                    return Err(format!("no command `{name}`{}", slip::hint(&name, known)));
                }
            }
            Value(value)
                if given.url.is_none()
                    && command.is_some_and(|it| it.file == FileArgument::Url) =>
            {
                given.url = Some(value.to_string_lossy().into_owned());
            }
            Value(value)
                if given.file.is_none()
                    && command.is_some_and(|it| {
                        !matches!(it.file, FileArgument::None | FileArgument::Url)
                    }) =>
            {
                given.file = Some(value.into());
            }
            Value(value)
                if given.traces.is_none()
                    && command.is_some_and(|it| it.file == FileArgument::WithTraces) =>
            {
                given.traces = Some(value.into());
            }
            Long(option) if command.is_some() && OPTIONS.contains(&&*format!("--{option}")) => {
                let name = command.map_or("", |command| command.name);
                return Err(format!("`{name}` has no option `--{option}`"));
            }
            Long(option) => {
                let hint = slip::hint(&format!("--{option}"), OPTIONS.iter().copied());
                return Err(format!("{}{hint}", Long(option).unexpected()));
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    match command {
        _ if wants_version => Ok(Parsed::Text(format!("spanwise {}", env!("CARGO_PKG_VERSION")))),
        Some(Command { name, usage, summary, help, .. }) if wants_help => {
            Ok(Parsed::Text(format!("spanwise {name} {usage}\n\n{summary}\n\n{help}")))
        }
        Some(command) if command.file == FileArgument::WithTraces && given.traces.is_none() => {
            let files = command.usage.split(" [").next().unwrap_or_default();
            Err(format!("`{}` needs two files: {files}", command.name))
        }
        Some(Command { file, name, .. })
            if *file != FileArgument::WithTraces && given.processor.is_some() =>
        {
            Err(format!("`{name}` has no option `--processor`"))
        }
        Some(Command { file, name, .. })
            if *file != FileArgument::OrEndpoint && given.endpoint.is_some() =>
        {
            Err(format!("`{name}` has no option `--endpoint`"))
        }
        Some(Command { file: FileArgument::OrEndpoint, name, .. })
            if given.file.is_some() == given.endpoint.is_some() =>
        {
            Err(format!("`{name}` needs a file, or `--endpoint` with the URL of a process"))
        }
        Some(Command { file, name, .. }) if *file != FileArgument::Url && given.once => {
            Err(format!("`{name}` has no option `--once`"))
        }
        Some(Command { file: FileArgument::Url, name, .. }) if given.json => {
            Err(format!("`{name}` has no option `--json`: the endpoint itself is JSON"))
        }
        Some(command) if command.file == FileArgument::Required && given.file.is_none() => {
            Err(format!("`{}` needs a file", command.name))
        }
        Some(command) => {
            if command.file == FileArgument::Spool {
                given.spool.check(command.name)?;
            }
            Ok(Parsed::Run(command, Box::new(given)))
        }
        None if wants_help && words.is_empty() => Ok(Parsed::Text(overview())),
        None if wants_help => Ok(Parsed::Text(group(&words.join(" ")))),
        None if words.is_empty() => Err("a command is missing".to_owned()),
        None => {
            let name = words.join(" ");
            let begins = format!("{name} ");
            let like = COMMANDS.iter().filter(|command| command.name.starts_with(&begins));
            let like: Vec<_> = like.map(|command| format!("`{}`", command.name)).collect();
            Err(format!("no command `{name}`; {} begin like it", like.join(" and ")))
        }
    }
}

/// The commands that begin with the word `name`.
fn group(name: &str) -> String {
    let begins = format!("{name} ");
    let commands = COMMANDS.iter().filter(|command| command.name.starts_with(&begins));
    format!("Usage: spanwise {name} <command> [options]\n\n{}{EACH}", listed(commands))
}

fn listed<'c>(commands: impl Iterator<Item = &'c Command>) -> String {
    let line = |Command { name, usage, summary, .. }: &Command| {
        format!("  {:<30} {summary}\n", format!("{name} {usage}"))
    };
    commands.map(line).collect()
}

fn overview() -> String {
    format!("Usage: spanwise <command> [options]\n\n{}{EACH}", listed(COMMANDS.iter()))
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

/// Whether the text is written; no text is no line. A closed pipe is no error: the reader has what it wants. A full disk is one.
fn print(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let mut output = std::io::stdout().lock();
    match writeln!(output, "{}", text.trim_end()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _also_closed =
                writeln!(std::io::stderr(), "spanwise: the output cannot be written: {error}");
            false
        }
        _ => true,
    }
}

const EACH: &str = "\n`spanwise <command> --help` explains one of them. The exit status is 0 if all is well, 1 if not, and 2 for \
                    arguments that are not accepted.";
const OPTIONS: [&str; 11] = [
    "--json",
    "--help",
    "--version",
    "--processor",
    "--once",
    "--service",
    "--since",
    "--until",
    "--limit",
    "--endpoint",
    "--skip-rejected",
];
/// The exit status for arguments that are not accepted.
const USAGE: u8 = 2;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;

    fn parsed(line: &str) -> Result<Parsed, String> {
        parse(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn arguments_that_are_not_accepted_are_named() {
        let problem = |line: &str| match parsed(line) {
            Err(problem) => problem,
            Ok(_) => panic!("{line} is accepted"),
        };
        assert_eq!(problem(""), "a command is missing");
        assert_eq!(problem("--json"), "a command is missing");
        assert_eq!(problem("docto"), "no command `docto`; did you mean `doctor`?");
        assert_eq!(problem("trace"), "no command `trace`");
        assert_eq!(
            problem("config"),
            "no command `config`; `config explain` and `config check` begin like it"
        );
        assert_eq!(
            problem("config chek"),
            "no command `config chek`; did you mean `config check`?"
        );
        assert_eq!(problem("config check"), "`config check` needs a file");
        assert_eq!(problem("doctor --jsn"), "invalid option '--jsn'; did you mean `--json`?");
        assert_eq!(problem("doctor --verbose"), "invalid option '--verbose'");
        let files = "`explain` needs two files: FILE TRACES";
        assert_eq!((problem("explain"), problem("explain a")), (files.into(), files.into()));
        assert!(problem("explain a b c").contains('c'), "{}", problem("explain a b c"));
        assert!(problem("explain a b --processor").contains("--processor"));
        assert_eq!(problem("doctor --processor x"), "`doctor` has no option `--processor`");
        assert!(problem("doctor a b").contains('a'), "{}", problem("doctor a b"));
        assert_eq!(problem("doctor --endpoint x"), "`doctor` has no option `--endpoint`");
        let either = "`attributes` needs a file, or `--endpoint` with the URL of a process";
        assert_eq!(problem("attributes"), either);
        assert_eq!(problem("attributes a --endpoint x"), either);
        assert_eq!(problem("doctor --once"), "`doctor` has no option `--once`");
    }

    #[test]
    fn an_argument_does_not_reach_the_terminal_as_an_escape_sequence() {
        let Err(problem) = parsed("x\u{1b}[31m\u{202e}é'\\") else { panic!("accepted") };
        assert_eq!(printable(&problem), "no command `x\\u{1b}[31m\\u{202e}é'\\`");
    }

    #[test]
    fn every_command_is_listed_and_explained() {
        for command in COMMANDS {
            assert_eq!(overview().matches(&format!("\n  {} ", command.name)).count(), 1);
            let Ok(Parsed::Text(help)) = parsed(&format!("{} --help", command.name)) else {
                panic!("{} has no help", command.name);
            };
            assert!(help.contains(command.summary));
        }
        let Ok(Parsed::Text(group)) = parsed("config --help") else { panic!("config has no help") };
        assert!(group.starts_with("Usage: spanwise config <command>"), "{group}");
        assert_eq!(
            (group.matches("\n  config ").count(), group.matches("\n  doctor ").count()),
            (2, 0)
        );
        assert!(matches!(parsed("--help"), Ok(Parsed::Text(text)) if text == overview()));
        assert!(
            matches!(parsed("--version"), Ok(Parsed::Text(text)) if text.starts_with("spanwise "))
        );
    }
}
