//! The plan of a matrix: its trials, and the judgement of their outcomes.

use super::cell::Cell;
use super::received::Received;
use super::report::Report;
use super::runner::{Ended, Laboratory};
use super::trial::{Trial, Variant};
use spanwise_testkit::SplitMix64;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The runs to make.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) times: u32,
    pub(super) at_once: usize,
    pub(super) only: String,
    /// The longest accepted overshoot.
    pub(super) limit: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self { times: 50, at_once: 128, only: String::new(), limit: LIMIT }
    }
}

impl Plan {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut plan = Self::default();
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            let number = |most: u32| {
                let number = value.parse().ok().filter(|number| (1..=most).contains(number));
                number.ok_or_else(|| format!("{name} {value:?}: accepted is 1 to {most}"))
            };
            match name.as_str() {
                "--times" => plan.times = number(1000)?,
                "--at-once" => plan.at_once = number(512)? as usize,
                "--only" => plan.only.clone_from(value),
                _ => return Err(format!("knows --times, --at-once and --only, but not {name:?}")),
            }
        }
        Ok(plan)
    }

    pub(super) fn run(&self) -> Result<(), String> {
        let started = Instant::now();
        let laboratory = Laboratory::start()?;
        let mut trials = Arc::new(self.trials(&laboratory)?);
        if trials.is_empty() {
            return Err(format!("no cell has {:?} in its name", self.only));
        }
        let mut report = Report::new(self.limit);
        let mut received = Received::default();
        let mut at_once = self.at_once;
        for round in 0..=REPEATS {
            let mut done = 0;
            let ended = laboratory.run(&trials, at_once, |_| {
                done += 1;
                progress(round, done, trials.len());
            })?;
            received.add(&trials, &ended);
            let again = self.judge(&trials, ended, round == REPEATS, &mut report);
            if again.is_empty() {
                break;
            }
            (trials, at_once) = (Arc::new(again), FEWER.min(self.at_once));
        }
        report.problems.extend(received.problems(&laboratory.collectors));
        report.elapsed = started.elapsed();
        print!("{report}");
        report.outcome()
    }

    /// All trials, in a random order that is the same each time.
    fn trials(&self, laboratory: &Laboratory) -> Result<Vec<Trial>, String> {
        let cells = Cell::all().into_iter().zip(0..);
        let cells = cells.filter(|(cell, _)| cell.to_string().contains(&self.only));
        let mut trials = Vec::new();
        for (cell, index) in cells {
            for time in 0..self.times {
                // With few runs of a cell, the cells differ in their settings.
                let variant = Variant(time + index * STRIDE);
                let endpoint = laboratory.collectors.endpoint(cell.behaviour, variant)?;
                trials.push(Trial { cell, variant, endpoint });
            }
        }
        let mut random = SplitMix64::new(1);
        for index in (1..trials.len()).rev() {
            trials.swap(index, random.below(index as u64 + 1) as usize);
        }
        Ok(trials)
    }

    /// Adds the runs that count to the report, and returns those to repeat.
    fn judge(
        &self,
        trials: &[Trial],
        ended: Vec<Ended>,
        is_last: bool,
        report: &mut Report,
    ) -> Vec<Trial> {
        let mut again = Vec::new();
        for Ended { index, outcome, delay } in ended {
            let Some(trial) = trials.get(index) else { continue };
            let is_late = outcome.overshoot > self.limit;
            if is_late && delay >= DELAYED && !is_last && outcome.problem.is_none() {
                report.repeated += 1;
                report.worst_delay = report.worst_delay.max(delay);
                again.push(trial.clone());
                continue;
            }
            report.add(trial.cell, outcome.overshoot);
            let late = || {
                let overshoot = outcome.overshoot;
                format!("{overshoot:.1?} beyond the deadline, control threads {delay:.1?} late")
            };
            if let Some(problem) = outcome.problem.clone().or_else(|| is_late.then(late)) {
                report.problems.push(format!("{}, {:?}: {problem}", trial.cell, trial.variant));
            }
        }
        again
    }
}

/// A line that is written over; nothing if standard error is no terminal.
fn progress(round: u32, done: usize, all: usize) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let again = if round == 0 { "" } else { ", again" };
        // A terminal that was closed is no reason to stop.
        let _ = write!(out, "\r\x1b[2K{done} of {all}{again}");
        let _ = out.flush();
    }
}

/// The longest time from the deadline to the return of the call.
const LIMIT: Duration = Duration::from_millis(50);
/// The delay of a thread that only sleeps from which on the machine is busy.
const DELAYED: Duration = Duration::from_millis(5);
/// The most repetitions of a run that the machine delayed.
const REPEATS: u32 = 10;
/// Runs at a time when they are repeated.
const FEWER: usize = 8;
/// The distance between the settings of neighbouring cells: odd, and no multiple of 5.
const STRIDE: u32 = 7;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shutdown_matrix::trial::Outcome;

    #[test]
    fn options() {
        let parse = |text: &str| {
            Plan::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(parse(""), Ok(Plan::default()));
        let plan = parse("--times 2 --only hung --at-once 9").unwrap();
        assert_eq!((plan.times, plan.at_once, plan.only.as_str()), (2, 9, "hung"));
        for wrong in ["--times", "--times 0", "--at-once 1000", "--fast 1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_late_run_is_repeated_only_beside_a_late_control_thread() {
        let cell = Cell::all().remove(0);
        let trials = [Trial { cell, variant: Variant(0), endpoint: String::new() }];
        let judge = |overshoot, delay, is_last| {
            let outcome =
                Outcome { overshoot: Duration::from_millis(overshoot), ..Outcome::default() };
            let ended = vec![Ended { index: 0, outcome, delay: Duration::from_millis(delay) }];
            let mut report = Report::default();
            let again = Plan::default().judge(&trials, ended, is_last, &mut report);
            (again.len(), report.runs, report.problems.len())
        };
        assert_eq!(judge(50, 0, false), (0, 1, 0));
        assert_eq!(judge(50, 90, false), (0, 1, 0));
        assert_eq!(judge(51, 0, false), (0, 1, 1));
        assert_eq!(judge(51, 5, false), (1, 0, 0));
        assert_eq!(judge(51, 5, true), (0, 1, 1));
    }

    #[test]
    fn each_cell_runs_as_often_as_asked() {
        let laboratory = Laboratory::start().unwrap();
        let trials = |times, only: &str| {
            let plan = Plan { times, only: only.to_owned(), ..Plan::default() };
            plan.trials(&laboratory).unwrap()
        };
        assert_eq!(trials(50, "").len(), 8400);
        assert_eq!(trials(3, "hung/5s").len(), 24);
        let of_a_cell = trials(8, "task/dying/0");
        let variants = of_a_cell.iter().map(|trial| trial.variant.0 % 8);
        assert_eq!(variants.collect::<std::collections::BTreeSet<_>>().len(), 8);
    }
}
