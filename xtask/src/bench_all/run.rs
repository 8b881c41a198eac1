//! The contest: every implementation in processes of its own, in turns.

use super::against::Revision;
use super::build::Binaries;
use super::contest::{Entry, Package, entries};
use super::instructions;
use super::load::Load;
use super::options::Options;
use super::process::measure;
use super::progress::Progress;
use super::repeat::Rounds;
use super::row::Row;
use super::targets;
use std::path::PathBuf;

/// Runs what the options ask for; one row an implementation and workload.
///
/// # Errors
/// When an answer is wrong. Implementations that are not built are left out.
pub(super) fn run(
    options: &Options,
    binaries: &Binaries,
    other: Option<&Revision>,
) -> Result<Vec<Row>, String> {
    let mut runners = runners(options, binaries, other);
    let rounds = Rounds::new(options.quick);
    let counted = runners.iter().filter(|runner| runner.counting.is_some()).count();
    let mut progress = Progress::new(runners.len() * rounds.planned + counted);
    // In turns: what the machine does meanwhile is done to all.
    for _ in 0..rounds.planned {
        for runner in runners.iter_mut().filter(|runner| !runner.failed) {
            progress.next(&runner.row);
            if let Err(reason) = runner.time(options.quick) {
                // Another revision may not have this workload yet.
                if !runner.may_fail {
                    return Err(reason);
                }
                runner.failed = true;
            }
        }
    }
    runners.retain(|runner| !runner.failed);
    for runner in &mut runners {
        if let Some(program) = runner.counting.clone() {
            progress.next(&runner.row);
            let answer =
                measure(&program, &runner.sink, &runner.entry, &runner.arguments("alloc"))?;
            runner.row.add_allocations(&answer);
        }
    }
    repeat(&mut runners, rounds, options.quick, &mut progress)?;
    progress.done();
    count_instructions(&mut runners)?;
    Ok(runners.into_iter().map(|runner| runner.row).collect())
}

/// Measures the rows that want it again, in turns.
fn repeat(
    runners: &mut [Runner],
    rounds: Rounds,
    quick: bool,
    progress: &mut Progress,
) -> Result<(), String> {
    loop {
        let (mut again, _): (Vec<_>, Vec<_>) =
            runners.iter_mut().partition(|runner| rounds.wants_another(&runner.row));
        if again.is_empty() {
            return Ok(());
        }
        progress.add(again.len());
        for runner in &mut again {
            progress.next(&runner.row);
            runner.time(quick)?;
        }
    }
}

/// Counts the instructions that a target compares, where valgrind is there.
fn count_instructions(runners: &mut [Runner]) -> Result<(), String> {
    let mut counted: Vec<&mut Runner> = runners
        .iter_mut()
        .filter(|runner| !runner.may_fail && targets::compares_instructions(&runner.row))
        .collect();
    if counted.is_empty() || !instructions::is_possible() {
        return Ok(());
    }
    for runner in &mut counted {
        runner.row.instructions = Some(instructions::count(&runner.program, &runner.entry)?);
    }
    Ok(())
}

/// An entry with its binaries and what it measured so far.
struct Runner {
    entry: Entry,
    program: PathBuf,
    counting: Option<PathBuf>,
    sink: PathBuf,
    row: Row,
    may_fail: bool,
    failed: bool,
}

fn runners(options: &Options, binaries: &Binaries, other: Option<&Revision>) -> Vec<Runner> {
    let mut runners = Vec::new();
    for entry in entries().into_iter().filter(|entry| options.wants(entry.workload)) {
        let runner = |binaries: &Binaries, name: &str, may_fail: bool| {
            Some(Runner {
                program: binaries.timed(&entry)?,
                counting: binaries.counting(&entry),
                // All send to the same receiver.
                sink: binaries.sink(),
                row: Row::new(entry.workload, name),
                entry: entry.clone(),
                may_fail,
                failed: false,
            })
        };
        runners.extend(runner(binaries, entry.implementation, false));
        if let (Some(other), Package::Ours) = (other, entry.package) {
            runners.extend(runner(&other.binaries, &other.name(entry.implementation), true));
        }
    }
    runners
}

impl Runner {
    fn time(&mut self, quick: bool) -> Result<(), String> {
        let mut arguments = self.arguments("time");
        if self.entry.is_end_to_end() {
            let ops = self.entry.ops(quick).to_string();
            arguments.extend(["--ops".to_owned(), ops, "--samples".to_owned(), "2".to_owned()]);
        }
        let load = Load::watch();
        // Waits for both processes, so that their time is known to be our own.
        let answer = measure(&self.program, &self.sink, &self.entry, &arguments)?;
        self.row.add(&answer, load.foreign());
        Ok(())
    }

    fn arguments(&self, mode: &str) -> Vec<String> {
        let Entry { workload, implementation, .. } = &self.entry;
        ["--workload", workload, "--impl", implementation, "--mode", mode]
            .map(str::to_owned)
            .to_vec()
    }
}
