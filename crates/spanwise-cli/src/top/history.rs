//! Rates: what changed between two answers.

use super::model::Model;
use std::collections::VecDeque;

/// The answers of a process, as rates over time.
#[derive(Debug, Default)]
pub(super) struct History {
    last: Option<Model>,
    /// The oldest first; at most [`MAX_RATES`].
    rates: VecDeque<Rates>,
    /// The reasons of the spans that were dropped between the last two answers, per second.
    dropped: Vec<(String, f64)>,
}

/// Spans per second between two answers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) created: f64,
    pub(super) sampled_out: f64,
    pub(super) exported: f64,
    pub(super) dropped: f64,
    pub(super) tail_not_sampled: f64,
}

impl History {
    /// Adds an answer. One of a process that started anew begins a new history.
    pub(super) fn push(&mut self, model: Model) {
        if let Some(last) = &self.last {
            if model.uptime < last.uptime || model.spans.created < last.spans.created {
                self.rates.clear();
                self.dropped.clear();
            } else if let Some(rates) = Rates::between(last, &model) {
                if self.rates.len() == MAX_RATES {
                    self.rates.pop_front();
                }
                self.rates.push_back(rates);
                self.dropped = dropped(last, &model);
            }
        }
        self.last = Some(model);
    }

    /// The last answer.
    pub(super) fn last(&self) -> Option<&Model> {
        self.last.as_ref()
    }

    /// The last rates.
    pub(super) fn rates(&self) -> Option<Rates> {
        self.rates.back().copied()
    }

    /// Spans that were dropped for this reason, per second.
    pub(super) fn dropped(&self, reason: &str) -> Option<f64> {
        self.dropped.iter().find(|(name, _)| name == reason).map(|(_, rate)| *rate)
    }

    /// The last `count` rates of created spans, the newest first.
    pub(super) fn created(&self, count: usize) -> impl Iterator<Item = u64> + '_ {
        self.rates.iter().rev().take(count).map(|rates| rates.created as u64)
    }
}

impl Rates {
    /// `None` if no time passed in the process, whose clock leaves out the delays of the network.
    fn between(before: &Model, after: &Model) -> Option<Self> {
        let seconds = after.uptime.checked_sub(before.uptime)?.as_secs_f64();
        let (old, new) = (&before.spans, &after.spans);
        let rate = |old: u64, new: u64| new.saturating_sub(old) as f64 / seconds;
        (seconds > 0.0).then(|| Self {
            created: rate(old.created, new.created),
            sampled_out: rate(old.sampled_out, new.sampled_out),
            exported: rate(old.exported, new.exported),
            dropped: rate(old.dropped, new.dropped),
            tail_not_sampled: rate(old.tail_not_sampled, new.tail_not_sampled),
        })
    }
}

/// The rate of each reason. Both models have the same reasons, but for those that are new.
fn dropped(before: &Model, after: &Model) -> Vec<(String, f64)> {
    let seconds = after.uptime.saturating_sub(before.uptime).as_secs_f64();
    let of = |(name, spans): &(String, u64)| {
        let old =
            before.spans.reasons.iter().find(|(old, _)| old == name).map_or(0, |(_, old)| *old);
        (name.clone(), spans.saturating_sub(old) as f64 / seconds)
    };
    after.spans.reasons.iter().map(of).collect()
}

/// More than the columns of a terminal.
const MAX_RATES: usize = 512;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use std::time::Duration;

    fn at(seconds: f64, created: u64) -> Model {
        let mut model = Model { uptime: Duration::from_secs_f64(seconds), ..Model::default() };
        model.spans.created = created;
        model.spans.dropped = created / 10;
        model.spans.reasons = vec![("tls".to_owned(), created / 10)];
        model
    }

    #[test]
    fn rates_are_per_second_of_the_process() {
        let mut history = History::default();
        history.push(at(10.0, 1000));
        assert_eq!((history.rates(), history.last().unwrap().spans.created), (None, 1000));
        history.push(at(10.0, 1000));
        assert_eq!(history.rates(), None, "no time passed");
        history.push(at(12.0, 1100));
        let expected = Rates { created: 50.0, dropped: 5.0, ..Rates::default() };
        assert_eq!(history.rates(), Some(expected));
        assert_eq!((history.dropped("tls"), history.dropped("shed")), (Some(5.0), None));
        history.push(at(13.0, 1100));
        assert_eq!(history.created(9).collect::<Vec<_>>(), [0, 50]);
        assert_eq!(history.created(1).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_process_that_started_anew_begins_a_new_history() {
        for anew in [at(1.0, 2000), at(11.5, 3)] {
            let mut history = History::default();
            history.push(at(10.0, 1000));
            history.push(at(11.0, 1100));
            history.push(anew);
            assert_eq!(history.rates(), None);
        }
    }

    #[test]
    fn the_history_is_bounded() {
        let mut history = History::default();
        (0..2000_u32).for_each(|second| history.push(at(f64::from(second), 0)));
        assert_eq!(history.created(usize::MAX).count(), MAX_RATES);
    }
}
