//! Many seeds, on all cores: each core has a process of its own, since the generation of forks and a
//! planted bug belong to a process.

use crate::planted_bug::PlantedBug;
use crate::simulation::{WorldKind, run_seed};
use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A range of seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seeds {
    pub(crate) world: WorldKind,
    pub(crate) first: u64,
    pub(crate) count: u64,
    /// The distance between two seeds of one process.
    pub(crate) step: u64,
    /// Processes.
    pub(crate) jobs: usize,
    /// Whether a process ends at its first failure.
    pub(crate) until_found: bool,
}

/// A seed that broke a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Failure {
    pub(crate) seed: u64,
    /// The rule, and the numbers.
    pub(crate) violation: String,
}

/// The results of all seeds.
#[derive(Debug, Default)]
pub(crate) struct Total {
    pub(crate) failures: Vec<Failure>,
    /// Seeds, spans, requests, attempts, checks, and milliseconds of virtual time.
    sums: [u64; 6],
}

impl Seeds {
    /// Runs the seeds in this number of processes.
    ///
    /// # Errors
    /// A process cannot be started, or ends before its seeds.
    pub(crate) fn run_all(&self, bug: Option<PlantedBug>) -> Result<Total, String> {
        let jobs = (self.jobs as u64).min(self.count.max(1));
        let part = |job: u64| Self {
            first: self.first.saturating_add(job),
            count: (self.count + jobs - 1 - job) / jobs,
            step: jobs,
            ..*self
        };
        let started: Vec<Worker> =
            (0..jobs).map(|job| part(job).start(bug)).collect::<Result<_, _>>()?;
        let mut total = Total::default();
        for worker in started {
            worker.collect(&mut total)?;
        }
        total.failures.sort();
        Ok(total)
    }

    /// Starts a process that runs these seeds.
    pub(crate) fn start(&self, bug: Option<PlantedBug>) -> Result<Worker, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        let numbers = [("--first", self.first), ("--seeds", self.count), ("--worker", self.step)];
        for (name, number) in numbers {
            command.arg(name).arg(number.to_string());
        }
        if let Some(bug) = bug {
            command.arg("--plant").arg(bug.to_string());
        }
        if let Some(option) = self.world.option() {
            command.arg(option);
        }
        if self.until_found {
            command.arg("--until-found");
        }
        let child = command.stdout(Stdio::piped()).spawn();
        child.map(Worker).map_err(|error| format!("a process cannot be started: {error}"))
    }
}

/// A process that runs seeds.
#[derive(Debug)]
pub(crate) struct Worker(Child);

impl Worker {
    /// Waits for the process, and adds its results to `total`.
    pub(crate) fn collect(mut self, total: &mut Total) -> Result<(), String> {
        let lines = self.0.stdout.take().map(BufReader::new);
        let mut is_complete = false;
        for line in lines.into_iter().flat_map(BufRead::lines) {
            let line = line.map_err(|error| error.to_string())?;
            match line.split_once(' ') {
                Some(("failed", failure)) => total.failures.extend(Failure::parse(failure)),
                Some(("total", numbers)) => {
                    is_complete = true;
                    let numbers = numbers.split(' ').filter_map(|number| number.parse().ok());
                    let add = |(sum, number): (&mut u64, u64)| *sum += number;
                    total.sums.iter_mut().zip(numbers).for_each(add);
                }
                _ => return Err(format!("a process printed {line:?}")),
            }
        }
        let status = self.0.wait().map_err(|error| error.to_string())?;
        match is_complete && status.success() {
            true => Ok(()),
            false => Err(format!("a process ended before its seeds: {status}")),
        }
    }
}

impl Failure {
    fn parse(line: &str) -> Option<Self> {
        let (seed, violation) = line.split_once(' ')?;
        Some(Self { seed: seed.parse().ok()?, violation: violation.to_owned() })
    }
}

/// Runs seeds in this process, and prints a line for each that fails and one for all.
pub(crate) fn run_range(seeds: Seeds) {
    let mut sums = [0; 6];
    for index in 0..seeds.count {
        let seed = seeds.first.wrapping_add(index.wrapping_mul(seeds.step));
        let report = run_seed(seeds.world, seed, false);
        let counts = report.counts;
        let millis = counts.time.as_millis() as u64;
        let numbers = [1, counts.spans, counts.requests, counts.attempts, counts.checks, millis];
        sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
        if let Some(violation) = report.violation {
            let one_line = violation.to_string().replace('\n', "; ");
            println!("failed {} {one_line}", report.seed);
            if seeds.until_found {
                break;
            }
        }
    }
    let [count, spans, requests, attempts, checks, millis] = sums;
    println!("total {count} {spans} {requests} {attempts} {checks} {millis}");
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [seeds, spans, requests, attempts, checks, millis] = self.sums;
        let hours = Duration::from_millis(millis).as_secs() / 3_600;
        write!(
            f,
            "{seeds} seeds, {} of which break a rule: {spans} spans, {requests} requests, {attempts} \
             attempts, {checks} checks, {hours} hours of virtual time",
            self.failures.len(),
        )
    }
}
