//! Spanwise's automation: `cargo xtask` lists what there is.

mod batching_lab;
mod bench_all;
mod browser;
mod cli;
mod command;
mod container;
mod date;
mod demo;
mod demo_service;
mod deploy_check;
mod deps;
mod fuzz;
mod imports;
mod interop;
mod lab;
mod live_check;
mod markers;
mod matrix;
mod mutants;
mod node_check;
mod ops_check;
mod optional;
mod oracle;
mod overload;
mod paths;
mod peers;
mod profile;
mod public_api;
mod repeat;
mod sampling_compare;
mod sampling_lab;
mod sanitize;
mod settings;
mod shutdown_matrix;
mod sim;
mod sizes;
mod sizing;
mod source_tree;
mod spool_crash;
mod step;
mod tail_bench;
mod test;
mod words;

use std::fmt::Write as _;
use std::process::ExitCode;

use command::{Command, only_flags};
use step::Step;

const COMMANDS: &[Command] = &[
    demo::COMMAND,
    cli::DOCTOR,
    cli::CONFIG,
    bench_all::COMMAND,
    tail_bench::COMMAND,
    tail_bench::SOAK,
    sampling_lab::COMMAND,
    sampling_compare::COMMAND,
    batching_lab::COMMAND,
    shutdown_matrix::COMMAND,
    overload::COMMAND,
    container::COMMAND,
    sizing::COMMAND,
    test::COMMAND,
    sim::COMMAND,
    fuzz::COMMAND,
    spool_crash::COMMAND,
    mutants::COMMAND,
    sanitize::COMMAND,
    interop::COMMAND,
    oracle::COMMAND,
    node_check::COMMAND,
    ops_check::COMMAND,
    deploy_check::COMMAND,
    live_check::COMMAND,
    profile::COMMAND,
    deps::COMMAND,
    words::COMMAND,
    imports::COMMAND,
    matrix::COMMAND,
    public_api::COMMAND,
    sizes::COMMAND,
    paths::COMMAND,
    settings::COMMAND,
    demo::RECEIVER,
    demo_service::COMMAND,
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if public_api::is_wrapper() {
        return exit("rustdoc", public_api::run_wrapper(&args));
    }
    let (name, rest) = match args.split_first() {
        None => return print(&overview(), ExitCode::SUCCESS),
        Some((first, _)) if is_help(first) => return print(&overview(), ExitCode::SUCCESS),
        Some((name, rest)) => (name, rest),
    };
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("no subcommand {name:?}\n");
        return print(&overview(), ExitCode::from(2));
    };
    if rest.iter().any(|argument| is_help(argument)) {
        let Command { name, summary, help, .. } = command;
        return print(&format!("cargo xtask {name}: {summary}\n\n{help}"), ExitCode::SUCCESS);
    }
    let measures_itself = MEASURE_THEMSELVES.contains(&command.name);
    match measures_itself && !is_release() {
        true => exit(name, Step::cargo("release build", RELEASE).args(&args).run()),
        false => exit(name, (command.run)(rest)),
    }
}

/// Commands whose numbers depend on the speed of this program. They run in a release build, because the profile `tool` of `cargo xtask` has no LTO.
/// `node-check` is none of them: it compares other programs, with the same sender and destination.
const MEASURE_THEMSELVES: &[&str] =
    &["batching-lab", "overload", "sampling-compare", "sizing", "tail-bench", "tail-soak"];

const RELEASE: &str = "run --quiet --release --package xtask --";

fn is_release() -> bool {
    // Cargo names the folder of a program after its profile.
    let folder = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned()));
    folder.is_none_or(|folder| folder.ends_with("release"))
}

fn exit(name: &str, result: Result<(), String>) -> ExitCode {
    match result {
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
        let _infallible = writeln!(text, "  {name:<16} {summary}");
    }
    text + "\n`cargo xtask <command> --help` explains one of them."
}

fn print(text: &str, status: ExitCode) -> ExitCode {
    println!("{}", text.trim_end());
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_measure_themselves_exist() {
        let is_known = |name: &&str| COMMANDS.iter().any(|command| command.name == *name);
        assert!(MEASURE_THEMSELVES.iter().all(is_known));
    }

    #[test]
    fn every_command_is_listed_once() {
        let overview = overview();
        for command in COMMANDS {
            let heading = format!("\n  {} ", command.name);
            assert_eq!(overview.matches(&heading).count(), 1, "{}", command.name);
        }
    }
}
