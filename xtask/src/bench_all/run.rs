//! The contest: every implementation in processes of its own, in turns.

use super::against::Revision;
use super::build::Binaries;
use super::contest::{Entry, Package, entries};
use super::options::Options;
use super::process::measure;
use super::row::Row;
use std::io::{IsTerminal as _, Write as _, stderr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

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
    let rounds = if options.quick { 2 } else { 5 };
    let counted = runners.iter().filter(|runner| runner.counting.is_some()).count();
    let mut progress = Progress::new(runners.len() * rounds + counted);
    // In turns: what the machine does meanwhile is done to all.
    for _ in 0..rounds {
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
            let answer = measure(&program, &runner.sink, &runner.arguments("alloc"))?;
            runner.row.add_allocations(&answer);
        }
    }
    progress.done();
    Ok(runners.into_iter().map(|runner| runner.row).collect())
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
                // Everybody sends to the same receiver.
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
        let answer = measure(&self.program, &self.sink, &arguments)?;
        self.row.add(&answer);
        Ok(())
    }

    fn arguments(&self, mode: &str) -> Vec<String> {
        let Entry { workload, implementation, .. } = &self.entry;
        ["--workload", workload, "--impl", implementation, "--mode", mode]
            .map(str::to_owned)
            .to_vec()
    }
}

/// A line that is written over, with the time left; nothing if standard error is no terminal.
struct Progress {
    started: Instant,
    done: usize,
    all: usize,
}

impl Progress {
    fn new(all: usize) -> Self {
        Self { started: Instant::now(), done: 0, all }
    }

    fn next(&mut self, row: &Row) {
        let left = match self.done {
            0 => String::new(),
            done => {
                let each = self.started.elapsed() / done as u32;
                let left: Duration = each * (self.all - done) as u32;
                format!("{} s left", left.as_secs())
            }
        };
        self.done += 1;
        self.line(&format!(
            "{:3}/{} {:<12} {:<18} {left}",
            self.done, self.all, row.workload, row.implementation
        ));
    }

    fn done(&self) {
        self.line("");
    }

    fn line(&self, text: &str) {
        let mut out = stderr();
        if out.is_terminal() {
            // A terminal that went away is no reason to stop.
            let _ = write!(out, "\r\x1b[2K{text}");
            let _ = out.flush();
        }
    }
}
