//! `cargo xtask node-check`: `spanwise-node` as processes, under faults, and beside the Collector.

mod account;
mod admin;
mod compare;
mod crashes;
mod faults;
mod files;
mod hostile;
mod kills;
mod ledger;
mod limits;
mod load;
mod node;
mod options;
mod outage;
mod process;
mod program;
mod readings;
mod sender;
mod senders;
mod sink;
mod step_bounds;
mod system;
mod totals;

use crate::Command;
use crate::peers::Scratch;
use options::Options;
use std::path::Path;
use std::time::Instant;

pub(crate) const COMMAND: Command = Command {
    name: options::NAME,
    summary: "spanwise-node as processes: faults, kills, hostile clients, and the Collector beside it",
    help: "\
Builds `spanwise-node` and runs it with senders and destinations as processes on loopback. The ids of all spans are numbered: a
destination finds out which spans it has, and a sum is exact.

  node-crashes         idle processes are killed, each twice: a sampler with undecided traces, a gateway whose peer is down, a node whose
                       destinations are down. Each report of lost spans is exact, and no span on a disk is lost
  node-faults          two gateways, three samplers, two destinations: a destination is down, a peer comes and goes, files are read again,
                       processes end by their signals. No accepted span is missing. Senders are our transport, a Collector's exporter
                       with its queue, and the exporters of the Python and JavaScript SDKs; what they count as acknowledged is accepted
  node-kills           processes of the same system are killed under load, one at a time, some twice, and start again. For each, the spans
                       that are missing differ from those that it reports as lost by no more than the steps of spans that it
                       did not write: those between its last write (each 250 ms) and its end, by accounts read each few milliseconds,
                       and by no more than lets the account read last be what was in memory at the end.
                       A destination that closes its connections without an answer loses nothing
  node-outage          a destination is down for six times the seconds: its spans go to the disk and arrive, the other destination gets
                       them at once, and memory stays within the limit of the file
  node-hostile         hostile clients beside one that measures its answers: within which time 99 % of them come at most doubles (25 ms
                       are permitted in any case), none of its spans is lost, and each attack gets the answer that it should
  node-size            the static binary that is shipped: at most 15 MiB
  node-ready           from the start to ready: at most 200 ms, and 2 s with a spool of 1 GiB
  node-drain           from SIGTERM to the end, with a destination that never answers: at most 50 ms after the deadline
  node-overload        twice the load that the destination takes: the resident memory does not grow; `--seconds 600` for a claim,
  node-overload-tail   and the same with tail sampling
  node-pass-through    the node and the Collector with the same file, in turns: spans a second, processor time, memory, answers
  node-tail-sampling   the same with tail sampling: a wait of 2 s, five policies
  node-gateway         the same as a gateway that routes each trace to one of two destinations

Spans of requests that a sender had to repeat, or that it gave up, may have two places: as many are permitted, and printed. Kills prove the
report of a process, and not that of the machine: a power failure may lose more (docs/spool.md).

  --seconds N   seconds of load in each measurement; 10 by default
  --rounds N    measurements of each program, of which the median counts; 3 by default
  --only WORD   only parts with WORD in their names
  --debug       the program as the tests build it: sums are checked, and no time is
  --quick       as --debug, short: node-crashes, node-faults with our senders alone, node-outage

`cargo xtask interop` builds the Collector; without it, its measurements and its exporter are left out, as are SDKs that cannot be
installed; a line names them. All processes of a measurement share the processors of this machine.",
    run,
};

/// A part: its name, whether a merge has to pass it, and its function.
type Part = (&'static str, bool, fn(&Options, &Path, &Path) -> Result<(), String>);

const PARTS: [Part; 5] = [
    ("node-crashes", true, |_, program, folder| crashes::run(program, folder)),
    ("node-faults", true, faults::run),
    ("node-kills", false, kills::run),
    ("node-outage", true, outage::run),
    ("node-hostile", false, hostile::run),
];

fn run(arguments: &[String]) -> Result<(), String> {
    match arguments {
        [name, rest @ ..] if name == sender::NAME => return sender::run(rest),
        [name, rest @ ..] if name == sink::NAME => return sink::run(rest),
        [name, rest @ ..] if name == hostile::NAME => return hostile::attack(rest),
        _ => {}
    }
    let options = Options::parse(arguments)?;
    let scratch = Scratch::new("node-check")?;
    let program = program::build(&options, &scratch)?;
    for (name, in_quick, part) in PARTS {
        if options.wants(name, in_quick) {
            println!("{name}");
            let started = Instant::now();
            part(&options, &program, scratch.path())
                .map_err(|problem| format!("{name}: {problem}"))?;
            println!("  {:.1} s", started.elapsed().as_secs_f64());
        }
    }
    limits::run(&options, &program, &scratch)?;
    compare::run(&options, &program, &scratch)
}
