//! `cargo xtask tail-bench`: the tail sampler against the processor of the Collector, on the same requests.

mod batch;
mod clock;
mod frames;
mod ours;
mod program;
mod resident;
mod rows;
mod soak;

use crate::Command;
use crate::interop::build::VERSION;
use crate::peers::{Cache, Scratch};
use rows::{ROWS, Row, Unit};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process;

pub(crate) use soak::COMMAND as SOAK;

pub(crate) const COMMAND: Command = Command {
    name: "tail-bench",
    summary: "the tail sampler against the Collector's processor, on the same requests",
    help: "\
Builds a Go program beside the Collector (once, into the cache of `cargo xtask interop`) that calls its processor tail_sampling as the
Collector does, and measures it and spanwise-tail in turns: a new process for each row, pinned to one CPU or to two.

  tail-append           storing the spans of new traces; the Collector gets them decoded, spanwise-tail as bytes
  tail-append-bytes     the same from bytes for both
  tail-append-bytes-2   the same on two CPUs: num_shards 2 and two senders, against two samplers
  tail-decide-…         decisions of waiting traces: two policies without conditions, one condition, five, and three that sample some traces
  tail-late             spans of traces that were not sampled, by the decision cache
  tail-memory           bytes for a waiting span: the live heap of Go, against resident memory
  tail-resident         resident memory of both

  --rounds N    processes of each row, of which the median counts; 3 by default
  --only WORD   only rows with WORD in their names

Times are those of the processor, so that other programs on the machine change little; the row of two CPUs has the time of day. Both must
sample the same number of spans of those that came in. Needs go. Without an optimized build, the numbers of spanwise-tail mean
nothing.",
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    if let [first, rest @ ..] = arguments
        && first == OURS
    {
        return ours::run(rest);
    }
    let options = Options::parse(arguments)?;
    let program = program::program(&Cache::open()?)?;
    let scratch = Scratch::new("tail-bench")?;
    let requests = scratch.path().join("requests");
    let mut file = Vec::new();
    (0..BATCHES).for_each(|number| frames::push(&mut file, &batch::request(number)));
    fs::write(&requests, file).map_err(|error| error.to_string())?;
    println!("{BATCHES} requests of {} traces and {} spans", batch::TRACES, batch::SPANS);
    println!("| row | | Collector {VERSION} | spanwise | ratio | spans sampled of {} |", spans());
    println!("|---|---|--:|--:|--:|--:|");
    for row in ROWS.iter().filter(|row| row.name.contains(&options.only)) {
        let policies = scratch.path().join("policies.yaml");
        fs::write(&policies, row.policies).map_err(|error| error.to_string())?;
        let (theirs, ours) = in_turns(row, &options, &program, &requests, &policies)?;
        if theirs.spans_out != ours.spans_out || (ours.spans_out > 0) != row.samples {
            return Err(format!(
                "{}: the Collector sampled {} spans, and spanwise-tail {}",
                row.name, theirs.spans_out, ours.spans_out
            ));
        }
        let [theirs_each, ours_each] = [&theirs, &ours].map(|measured| each(row, measured.value));
        println!(
            "| {} | {} | {theirs_each:.1} | {ours_each:.1} | {:.1} | {} |",
            row.name,
            row.unit.name(),
            theirs_each / ours_each,
            ours.spans_out
        );
    }
    Ok(())
}

struct Options {
    rounds: usize,
    only: String,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self { rounds: 3, only: String::new() };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--rounds" => {
                    let rounds = value.parse().ok().filter(|rounds| (1..=100).contains(rounds));
                    options.rounds = rounds.ok_or("--rounds needs a number from 1 to 100")?;
                }
                "--only" => options.only = value.clone(),
                _ => return Err(format!("knows --rounds and --only, but not {name:?}")),
            }
        }
        Ok(options)
    }
}

/// The result of one process.
#[derive(Debug, Clone, Copy)]
struct Measured {
    value: f64,
    spans_out: u64,
}

/// The medians of both.
fn in_turns(
    row: &Row,
    options: &Options,
    program: &Path,
    requests: &Path,
    policies: &Path,
) -> Result<(Measured, Measured), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let mut command = process::Command::new(program);
        command.arg(requests).arg(policies).arg(row.kind);
        command.env("GOMAXPROCS", row.cpus.to_string());
        theirs.push(measured(row, command)?);
        let mut command = process::Command::new(&own);
        command.args([COMMAND.name, OURS]).arg(requests).arg(policies).arg(row.kind);
        ours.push(measured(row, command.arg(row.cpus.to_string()))?);
    }
    Ok((median(theirs)?, median(ours)?))
}

/// The value in the middle; all numbers of sampled spans are the same.
fn median(mut all: Vec<Measured>) -> Result<Measured, String> {
    all.sort_by(|a, b| a.value.total_cmp(&b.value));
    let middle = all.get(all.len() / 2).copied().ok_or("no measurement")?;
    if all.iter().all(|one| one.spans_out == middle.spans_out) {
        return Ok(middle);
    }
    Err(format!("the sampled spans differ between processes: {all:?}"))
}

fn measured(
    row: &Row,
    mut command: impl std::borrow::BorrowMut<process::Command>,
) -> Result<Measured, String> {
    let command = command.borrow_mut();
    pin(command, row.cpus);
    let output = command.output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers.as_slice() {
        [value, spans_in, spans_out] if *spans_in == spans() as f64 => {
            Ok(Measured { value: *value, spans_out: *spans_out as u64 })
        }
        _ => Err(format!("{}: {text}{}", row.name, String::from_utf8_lossy(&output.stderr))),
    }
}

/// Pins a process to the first CPUs.
fn pin(command: &mut process::Command, cpus: usize) {
    #[cfg(target_os = "linux")]
    {
        let pin = move || {
            // SAFETY: a set of zeros is an empty one, `CPU_SET` writes inside of it, and the call reads it.
            unsafe {
                let mut set: libc::cpu_set_t = std::mem::zeroed();
                (0..cpus).for_each(|cpu| libc::CPU_SET(cpu, &mut set));
                libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
            }
            Ok(())
        };
        // SAFETY: the closure neither allocates nor takes a lock.
        unsafe { command.pre_exec(pin) };
    }
    #[cfg(not(target_os = "linux"))]
    let _unpinned = (command, cpus);
}

fn each(row: &Row, value: f64) -> f64 {
    match row.unit {
        Unit::NanosPerSpan | Unit::BytesPerSpan => value / spans() as f64,
        Unit::NanosPerTrace => value / (BATCHES as usize * batch::TRACES) as f64,
    }
}

fn spans() -> usize {
    BATCHES as usize * batch::SPANS
}

/// Requests of a measurement.
const BATCHES: u64 = 60;
/// The first argument of the process that measures `spanwise-tail`.
const OURS: &str = "ours";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked() {
        let parse = |text: &str| {
            Options::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        };
        let options = parse("--rounds 5 --only late").unwrap();
        assert_eq!((options.rounds, options.only.as_str()), (5, "late"));
        for wrong in ["--rounds", "--rounds 0", "--only", "--fast 1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_median_needs_the_same_spans_from_all() {
        let one = |value, spans_out| Measured { value, spans_out };
        let found = median(vec![one(3.0, 7), one(1.0, 7), one(2.0, 7)]).unwrap();
        assert_eq!(found.value, 2.0);
        assert!(median(vec![one(1.0, 7), one(2.0, 8)]).is_err());
    }
}
