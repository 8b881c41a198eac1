//! `cargo xtask node-check`: `spanwise-node` as processes, under faults, and beside the Collector.

mod account;
mod compare;
mod limits;
mod load;
mod node;
mod options;
mod process;
mod program;
mod sender;
mod sink;
mod system;

use crate::Command;
use crate::peers::Scratch;
use options::Options;
use system::Faults;

pub(crate) const COMMAND: Command = Command {
    name: options::NAME,
    summary: "spanwise-node as processes: faults, accounts, and the Collector beside it",
    help: "\
Builds `spanwise-node` and runs it with senders and destinations as processes on loopback:

  node-faults          two gateways, three samplers, two destinations: a destination is down, a peer comes and goes, files are read again,
                       processes end by their signals; every accepted span is in an account
  node-kills           the same with processes that are killed and start again
  node-size            the static binary that is shipped: at most 15 MiB
  node-ready           from the start to ready: at most 200 ms, and 2 s with a spool of 1 GiB
  node-drain           from SIGTERM to the end, with a destination that never answers: at most 50 ms after the deadline
  node-overload        twice the load that the destination takes: the resident memory does not grow; `--seconds 600` for a claim
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
    let node = program::release(&scratch)?;
    for (name, faults) in [("node-faults", Faults::Orderly), ("node-kills", Faults::Kills)] {
        if options.wants(name) {
            println!("{name}");
            system::run(&options, faults, &node, scratch.path())?;
        }
    }
    limits::run(&options, &node, &scratch)?;
    compare::run(&options, &node, &scratch)
}
