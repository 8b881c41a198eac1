//! A run in five numbers.

use super::contestant::TARGET;
use super::scenario::Scenario;
use spanwise_testkit::load::Series;
use std::fmt;

/// The results of an algorithm in a scenario. Rates are over the target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measurements {
    /// The most sampled in any second from the event on.
    pub(super) worst_second: f64,
    /// Sampled above the target from the event on, in seconds' worth of the target.
    pub(super) excess: f64,
    /// The mean from the scenario's settled time to the end.
    pub(super) settled: f64,
    /// Seconds from the event until the mean of any ten seconds stays within a quarter of what the
    /// scenario wants, to the end of the run.
    pub(super) settles_after: Option<f64>,
}

impl Measurements {
    pub(super) fn of(series: &Series, scenario: &Scenario) -> Self {
        let seconds = scenario.seconds as usize;
        let event = scenario.event as usize;
        let (low, high) = scenario.bounds;
        let middle = (low + high) / 2.0;
        let window = |at: f64| series.rate(at, at + 10.0) / TARGET;
        let near = |at: f64| (window(at) / middle - 1.0).abs() <= 0.25;
        let waits = (scenario.seconds - 10.0 - scenario.event).max(0.0) as usize;
        // Backwards from the end, for as long as it holds.
        let held = (0..=waits).rev().take_while(|&wait| near(scenario.event.floor() + wait as f64));
        let settles = held.last().map(|wait| wait as f64);
        let from = (scenario.event * 10.0) as usize;
        let after = Series {
            arrived: series.arrived[from..].to_vec(),
            sampled: series.sampled[from..].to_vec(),
        };
        Self {
            worst_second: after.max_per_second() / TARGET,
            excess: series.excess(TARGET, event, seconds) / TARGET,
            settled: series.rate(scenario.settled, scenario.seconds) / TARGET,
            settles_after: settles,
        }
    }

    /// The cells of a table, under [`HEADINGS`].
    pub(super) fn cells(&self) -> [String; 4] {
        [
            format!("{:.2}", self.settled),
            self.settles_after.map_or("not within the run".into(), |wait| format!("{wait:.0} s")),
            format!("{:.2}", self.worst_second),
            format!("{:.1}", self.excess),
        ]
    }
}

impl fmt::Display for Measurements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [settled, after, worst, excess] = self.cells();
        write!(
            f,
            "settled {settled:>5} T, after {after:<18} worst second {worst:>6} T, excess {excess:>7} T·s"
        )
    }
}

pub(super) const HEADINGS: [&str; 4] =
    ["settled mean, × target", "holds from", "worst second, × target", "excess, seconds of target"];
