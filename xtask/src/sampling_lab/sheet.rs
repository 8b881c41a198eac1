//! The results of all algorithms in one scenario.

use super::contestant::Contestant;
use super::measurements::Measurements;
use super::scenario::Scenario;
use spanwise_testkit::load::Series;

/// One scenario, and the results of all algorithms.
pub(super) struct Sheet {
    pub(super) scenario: &'static Scenario,
    /// Roots offered, by the second.
    pub(super) offered: Vec<f64>,
    pub(super) entries: Vec<Entry>,
}

pub(super) struct Entry {
    pub(super) contestant: Contestant,
    pub(super) series: Series,
    pub(super) measurements: Measurements,
}

impl Sheet {
    pub(super) fn run(scenario: &'static Scenario) -> Self {
        // Two cores are all one can count on, and each contestant needs nothing of the others.
        let entries: Vec<Entry> = std::thread::scope(|threads| {
            let running: Vec<_> = Contestant::ALL
                .into_iter()
                .filter(|contestant| !contestant.only_for_slow_changes() || scenario.slow)
                .map(|contestant| (contestant, threads.spawn(move || scenario.run(contestant))))
                .collect();
            running
                .into_iter()
                .filter_map(|(contestant, thread)| {
                    let series = thread.join().ok()?;
                    let measurements = Measurements::of(&series, scenario);
                    Some(Entry { contestant, series, measurements })
                })
                .collect()
        });
        let tenths = entries.first().map(|entry| entry.series.arrived.clone()).unwrap_or_default();
        let offered = tenths.chunks(10).map(|tenths| tenths.iter().sum::<u32>().into()).collect();
        Self { scenario, offered, entries }
    }

    /// The bounds that our algorithm violates, if any.
    pub(super) fn breach(&self) -> Option<String> {
        let ours = self.entries.iter().find(|entry| entry.contestant == Contestant::Spanwise)?;
        let Measurements { worst_second, settled, .. } = ours.measurements;
        let (low, high) = self.scenario.bounds;
        let held = worst_second <= self.scenario.worst && (low..=high).contains(&settled);
        (!held).then(|| {
            format!(
                "{}: worst second {worst_second:.2} T (at most {}), settled at {settled:.2} T \
                 ({low} to {high})",
                self.scenario.name, self.scenario.worst
            )
        })
    }

    pub(super) fn lines(&self) -> String {
        let mut text = self.scenario.name.to_owned();
        for Entry { contestant, measurements, .. } in &self.entries {
            text += &format!("\n  {:<20} {measurements}", contestant.name());
        }
        text
    }
}
