//! The results of all contestants in one scenario.

use super::calibration::Calibration;
use super::contestant::Contestant;
use super::judge::{Record, Weights};
use super::scenario::Scenario;
use super::world::World;
use std::sync::Mutex;

/// One scenario, and the results of all contestants.
pub(super) struct Sheet {
    pub(super) scenario: &'static Scenario,
    /// Spans that ended, by the second.
    pub(super) offered: Vec<f64>,
    pub(super) weights: Weights,
    pub(super) entries: Vec<Entry>,
}

pub(super) struct Entry {
    pub(super) contestant: Contestant,
    pub(super) record: Record,
}

impl Sheet {
    pub(super) fn run(
        scenario: &'static Scenario,
        calibration: &Calibration,
        contestants: &[Contestant],
    ) -> Result<Self, String> {
        let arrivals = scenario.arrivals();
        let mut offered = vec![0.0; scenario.seconds.ceil() as usize];
        for &time in &arrivals {
            if let Some(spans) = offered.get_mut(time as usize) {
                *spans += 1.0;
            }
        }
        let receiver = scenario.receiver(calibration);
        let waiting = Mutex::new(contestants.iter().enumerate().rev().collect::<Vec<_>>());
        let run = || {
            let mut done = Vec::new();
            loop {
                let next = waiting.lock().map_or(None, |mut waiting| waiting.pop());
                let Some((index, &contestant)) = next else { return Ok(done) };
                let record = World::run(contestant, receiver, &arrivals, scenario.seconds)
                    .map_err(|error| format!("{}, {contestant}: {error}", scenario.name))?;
                done.push((index, Entry { contestant, record }));
            }
        };
        // Continuous-integration runners guarantee no more than two cores.
        let results: Vec<Result<Vec<_>, String>> = std::thread::scope(|threads| {
            let other = threads.spawn(run);
            let own = run();
            let died = || Err("a contestant's thread panicked".to_owned());
            vec![own, other.join().unwrap_or_else(|_| died())]
        });
        let mut entries = Vec::new();
        for result in results {
            entries.extend(result?);
        }
        entries.sort_by_key(|(index, _)| *index);
        let entries = entries.into_iter().map(|(_, entry)| entry).collect();
        let weights = Weights::new(calibration.cpu_per_request(), calibration.wake);
        Ok(Self { scenario, offered, weights, entries })
    }

    /// The entry of the fixed size with the lowest cost under `weights`.
    pub(super) fn best_fixed(&self, weights: &Weights) -> Option<&Entry> {
        let fixed = self.entries.iter().filter(|entry| entry.contestant.is_fixed());
        fixed.min_by(|one, other| weights.cost(&one.record).total_cmp(&weights.cost(&other.record)))
    }

    /// The cost of a contestant over that of the best fixed size.
    pub(super) fn ratio(&self, contestant: Contestant, weights: &Weights) -> Option<f64> {
        let entry = self.entries.iter().find(|entry| entry.contestant == contestant)?;
        Some(weights.cost(&entry.record) / weights.cost(&self.best_fixed(weights)?.record))
    }

    /// The bound that our size exceeds, if it does.
    pub(super) fn breach(&self) -> Option<String> {
        let ratio = self.ratio(Contestant::Spanwise, &self.weights)?;
        let best = self.best_fixed(&self.weights)?.contestant;
        (ratio > MAX_RATIO).then(|| {
            format!(
                "{}: our cost is {ratio:.3} of that of {best}, at most {MAX_RATIO} is accepted",
                self.scenario.name
            )
        })
    }

    /// The table of the terminal.
    pub(super) fn lines(&self) -> String {
        let mut text = format!("{:<16}", self.scenario.name);
        for heading in HEADINGS {
            text += &format!("{heading:>14}");
        }
        for entry in &self.entries {
            text += &format!("\n  {:<14}", entry.contestant);
            for cell in self.cells(entry) {
                text += &format!("{cell:>14}");
            }
        }
        text
    }

    /// The cells of an entry, under [`HEADINGS`].
    pub(super) fn cells(&self, Entry { contestant, record }: &Entry) -> Vec<String> {
        let weights = &self.weights;
        let ratio = self.ratio(*contestant, weights).unwrap_or(f64::NAN);
        vec![
            format!("{:.3}", weights.cost(record)),
            format!("{ratio:.2}"),
            format!("{:.3}", weights.requests(record)),
            format!("{:.3}", weights.wakes(record)),
            format!("{:.3}", weights.ages(record)),
            format!("{:.3}", weights.losses(record)),
            format!("{:.2} %", record.lost as f64 / record.created as f64 * 100.0),
            format!("{:.3} s", record.mean_age),
            format!("{:.3} s", record.p99_age),
            format!("{:.0}", record.mean_spans),
        ]
    }
}

/// The most that our cost may be, over that of the best fixed size.
pub(super) const MAX_RATIO: f64 = 1.1;

pub(super) const HEADINGS: [&str; 10] = [
    "cost, µs/span",
    "× best fixed",
    "requests",
    "wake-ups",
    "age",
    "losses",
    "lost",
    "mean age",
    "p99 age",
    "spans/req.",
];
