//! `cargo xtask shutdown-matrix`: shutdown returns by its deadline, wherever a program calls it and whatever
//! the collector does.

mod cell;
mod child;
mod collectors;
mod context;
mod control;
mod plan;
mod received;
mod report;
mod runner;
mod trial;

use crate::Command;
use plan::Plan;
use std::time::Duration;

pub(crate) const COMMAND: Command = Command {
    name: "shutdown-matrix",
    summary: "shutdown by its deadline, in every context, against every kind of collector",
    help: "\
Shuts a provider with queued spans down in eight contexts (no runtime, inside block_on, in a task, in
spawn_blocking, at the end of main, in a panic, after the runtime of the spans was dropped, at the exit of a
thread or the process), against seven collectors (up, down, slow, hung, refusing, dying, garbage), with the
deadlines 0, 100 ms and 5 s. Each run has to return by its deadline plus 50 ms, and afterwards its ledger has
to balance, with an outcome for each span that fits the collector. The runs of a cell differ in protocol,
compression, kind of fault, place of the call, and in a diagnostics handler that blocks.

  --times N     runs of each cell, default 50 (1 to 1000): 8,400 runs
  --at-once N   runs at a time, default 128 (1 to 512)
  --only WORD   only cells whose name (context/collector/deadline) has WORD in it

Beside the runs a thread a core only sleeps, and records how late it wakes. A run beyond 50 ms has failed,
unless such a thread was 5 ms late or more in that time: then the run is repeated, fewer at once, up to ten times.
A run that is never in time has failed. Exit status 1 when a run has failed.",
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    if let Some((child::OPTION, rest)) =
        arguments.split_first().map(|(first, rest)| (first.as_str(), rest))
    {
        return child::serve(rest);
    }
    Plan::parse(arguments)?.run()
}

/// The short form of the matrix: runs each cell once. A call may return seconds late on a loaded machine, and
/// has to return.
///
/// # Errors
/// A run broke a rule.
pub(crate) fn quick() -> Result<(), String> {
    Plan { times: 1, at_once: 32, limit: Duration::from_secs(5), ..Plan::default() }.run()
}
