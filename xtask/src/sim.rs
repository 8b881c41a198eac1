//! `cargo xtask sim`: the seeded world that tries to break the export path.

use crate::Command;
use crate::step::Step;

pub const COMMAND: Command = Command {
    name: "sim",
    summary: "seeded worlds in virtual time that try to break the export path",
    help: "\
Builds spanwise-sim with the profile `tool` and runs it. A world drives the production code of shards, batcher, export
machine, retries and ledger with a receiver and a network that fail in every way, and checks its rules after
each step. A seed that breaks a rule is printed with the command that replays it.

  --tail        the world of the tail sampler, without I/O, instead
  --spool       the world of the spool, with processes that crash and restart, instead
  --seeds N     seeds 0 to N - 1, on all cores; default 1000
  --first S     begins at the seed S
  --jobs J      processes, default one for each core
  --seed N      one seed
  --trace       with --seed: prints each event with its virtual time
  --planted     plants each bug of the world in turn, and prints the first seed that finds it
  --plant BUG   with --seed or --seeds: plants this bug

Exit status 1 when a seed breaks a rule, or a planted bug is not found.",
    run,
};

/// Together with this package, whose dependencies have other features and are built already.
const BUILD: &str =
    "build --quiet --profile tool --package xtask --package spanwise-sim --bin spanwise-sim";

fn run(arguments: &[String]) -> Result<(), String> {
    Step::cargo("build the simulator", BUILD).run()?;
    Step::beside_us("simulator", "spanwise-sim")?.args(arguments).run()
}
