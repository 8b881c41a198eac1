//! `cargo xtask node-check`: `spanwise-node` as processes, under faults, and beside the Collector.

mod account;
mod compare;
mod load;
mod node;
mod options;
mod process;
mod sender;
mod sink;
mod system;

use crate::Command;
use crate::peers::{Scratch, Tool};
use crate::step::root;
use options::Options;
use std::path::PathBuf;
use std::time::Duration;
use system::Faults;

pub(crate) const COMMAND: Command = Command {
    name: options::NAME,
    summary: "spanwise-node as processes: faults, accounts, and the Collector beside it",
    help: "\
Builds `spanwise-node` and runs it with senders and destinations as processes on loopback:

  node-faults          two gateways, three samplers, two destinations: a destination is down, a peer comes and goes, files are read again,
                       processes end by their signals; every accepted span is in an account
  node-kills           the same with processes that are killed and start again
  node-pass-through    the node and the Collector with the same file, in turns: spans a second, processor time, memory, answers
  node-tail-sampling   the same with tail sampling: a wait of 2 s, five policies

  --seconds N   seconds of load in each measurement; 10 by default
  --rounds N    measurements of each program, of which the median counts; 3 by default
  --only WORD   only parts with WORD in their names

`cargo xtask interop` builds the Collector; without it, its measurements are left out. All processes of a measurement share the
processors of this machine.",
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    match arguments {
        [name, rest @ ..] if name == sender::NAME => return sender::run(rest),
        [name, rest @ ..] if name == sink::NAME => return sink::run(rest),
        _ => {}
    }
    let options = Options::parse(arguments)?;
    let scratch = Scratch::new("node-check")?;
    let node = node(&scratch)?;
    for (name, faults) in [("node-faults", Faults::Orderly), ("node-kills", Faults::Kills)] {
        if options.wants(name) {
            println!("{name}");
            system::run(&options, faults, &node, scratch.path())?;
        }
    }
    compare::run(&options, &node, &scratch)
}

/// The program, built with optimization.
fn node(scratch: &Scratch) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = [
        "build",
        "--release",
        "-p",
        "spanwise-node",
        "--message-format",
        "json-render-diagnostics",
    ];
    let text = Tool::new(cargo, &arguments, Duration::from_secs(3_600))
        .dir(&root())
        .run(&scratch.path().join("build"))?;
    let artifacts =
        text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut programs =
        artifacts.filter_map(|artifact| Some(PathBuf::from(artifact["executable"].as_str()?)));
    programs.find(|path| path.ends_with("spanwise-node")).ok_or("cargo built no program".to_owned())
}
