//! Spanwise's automation: `cargo xtask` lists what there is.

mod bench_all;
mod ci;
mod demo;
mod deps;
mod repeat;
mod sampling_lab;
mod sanitize;
mod step;
mod test;

use std::fmt::Write as _;
use std::process::ExitCode;

/// One subcommand. A new one is a module with a `COMMAND` and a line in [`COMMANDS`].
struct Command {
    name: &'static str,
    /// One line for the list.
    summary: &'static str,
    /// What `cargo xtask <name> --help` says below the summary.
    help: &'static str,
    /// Takes the arguments after the name; an error is printed and makes the exit status 1.
    run: fn(&[String]) -> Result<(), String>,
}

const COMMANDS: &[Command] = &[
    demo::COMMAND,
    bench_all::COMMAND,
    sampling_lab::COMMAND,
    test::COMMAND,
    sanitize::COMMAND,
    deps::COMMAND,
    ci::COMMAND,
    demo::RECEIVER,
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (name, rest) = match args.split_first() {
        None => return say(&overview(), ExitCode::SUCCESS),
        Some((first, _)) if is_help(first) => return say(&overview(), ExitCode::SUCCESS),
        Some((name, rest)) => (name, rest),
    };
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("no subcommand {name:?}\n");
        return say(&overview(), ExitCode::from(2));
    };
    if rest.iter().any(|argument| is_help(argument)) {
        let Command { name, summary, help, .. } = command;
        return say(&format!("cargo xtask {name}: {summary}\n\n{help}"), ExitCode::SUCCESS);
    }
    match (command.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("cargo xtask {name}: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn is_help(argument: &str) -> bool {
    matches!(argument, "help" | "--help" | "-h")
}

fn overview() -> String {
    let mut text = String::from("Usage: cargo xtask <command> [options]\n\n");
    for Command { name, summary, .. } in COMMANDS {
        let _infallible = writeln!(text, "  {name:<12} {summary}");
    }
    text + "\n`cargo xtask <command> --help` says more about one of them."
}

fn say(text: &str, status: ExitCode) -> ExitCode {
    println!("{}", text.trim_end());
    status
}

/// Refuses arguments a command does not know.
fn only_flags(args: &[String], known: &[&str]) -> Result<(), String> {
    match args.iter().find(|argument| !known.contains(&argument.as_str())) {
        None => Ok(()),
        Some(other) if known.is_empty() => Err(format!("takes no arguments, got {other:?}")),
        Some(other) => Err(format!("knows {} but not {other:?}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_listed_once() {
        let overview = overview();
        for command in COMMANDS {
            let heading = format!("\n  {} ", command.name);
            assert_eq!(overview.matches(&heading).count(), 1, "{}", command.name);
        }
    }

    #[test]
    fn unknown_flags_are_refused() {
        let args = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        assert_eq!(only_flags(&args(&["--quick"]), &["--quick"]), Ok(()));
        assert!(only_flags(&args(&["--quack"]), &["--quick"]).is_err());
        assert!(only_flags(&args(&["x"]), &[]).is_err());
    }
}
