//! The spans of all runs, compared with the counts of the collectors.

use super::cell::Behaviour;
use super::collectors::Collectors;
use super::runner::Ended;
use super::trial::Trial;

/// The outcomes of all spans that were sent to a collector that counts them.
#[derive(Debug, Default)]
pub(super) struct Received {
    up: Counts,
    slow: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    exported: u64,
    ambiguous: u64,
}

impl Received {
    pub(super) fn add(&mut self, trials: &[Trial], ended: &[Ended]) {
        for Ended { index, outcome, .. } in ended {
            let counts = match trials.get(*index).map(|trial| trial.cell.behaviour) {
                Some(Behaviour::Up) => &mut self.up,
                Some(Behaviour::Slow) => &mut self.slow,
                _ => continue,
            };
            counts.exported += outcome.exported;
            counts.ambiguous += outcome.ambiguous;
        }
    }

    /// The collectors have all exported spans, and beyond them at most those whose outcome is ambiguous.
    pub(super) fn problems(&self, collected: &Collectors) -> Vec<String> {
        let collectors = [(Behaviour::Up, &self.up), (Behaviour::Slow, &self.slow)];
        let wrong = collectors.into_iter().filter_map(|(behaviour, counts)| {
            let received = collected.received(behaviour)?;
            let Counts { exported, ambiguous } = *counts;
            let is_right = (exported..=exported + ambiguous).contains(&received);
            (!is_right).then(|| {
                let name = behaviour.name();
                format!("{name} received {received}: {exported} exported, {ambiguous} ambiguous")
            })
        });
        wrong.collect()
    }
}
