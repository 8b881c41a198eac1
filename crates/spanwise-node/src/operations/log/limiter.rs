//! [`Limiter`]: repeated events become one line now and then, with their number.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::event::Level;

/// Lines of the same event and subject: a few at once, then one for each [`PERIOD`]. The rest are counted.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    keys: HashMap<Key, State>,
    /// Of all keys beyond [`MAX_KEYS`], which share one state for each event.
    overflow: HashMap<&'static str, State>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    name: &'static str,
    subject: String,
}

#[derive(Debug)]
struct State {
    level: Level,
    /// The lines that are written at once.
    burst: u32,
    last: Instant,
    left_out: u64,
}

/// Lines that were left out and that no later line counts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) level: Level,
    pub(crate) name: &'static str,
    pub(crate) subject: String,
    pub(crate) left_out: u64,
}

impl Limiter {
    /// Whether an event is written now: the number of those before it that were not, or `None`.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        name: &'static str,
        level: Level,
        subject: &str,
    ) -> Option<u64> {
        let new = || State { level, burst: BURST, last: now, left_out: 0 };
        let key = Key { name, subject: subject.chars().take(MAX_SUBJECT_CHARS).collect() };
        let is_known = self.keys.len() < MAX_KEYS || self.keys.contains_key(&key);
        let state = match is_known {
            true => self.keys.entry(key).or_insert_with(new),
            // Names are a fixed set.
            false => self.overflow.entry(name).or_insert_with(new),
        };
        state.admit(now)
    }

    /// The lines that were left out for a whole [`PERIOD`] without one that counts them. Forgets keys that are idle.
    pub(crate) fn summaries(&mut self, now: Instant) -> Vec<Summary> {
        let mut summaries = Vec::new();
        let is_due = |state: &State| now.saturating_duration_since(state.last) >= PERIOD;
        let mut take = |name, subject: &str, state: &mut State| {
            if is_due(state) && state.left_out > 0 {
                let left_out = std::mem::take(&mut state.left_out);
                state.last = now;
                summaries.push(Summary {
                    level: state.level,
                    name,
                    subject: subject.to_owned(),
                    left_out,
                });
            }
        };
        self.keys.iter_mut().for_each(|(key, state)| take(key.name, &key.subject, state));
        self.overflow.iter_mut().for_each(|(name, state)| take(name, "", state));
        self.keys.retain(|_, state| now.saturating_duration_since(state.last) < FORGOTTEN);
        summaries.sort_by(|one, other| (one.name, &one.subject).cmp(&(other.name, &other.subject)));
        summaries
    }
}

impl State {
    fn admit(&mut self, now: Instant) -> Option<u64> {
        let is_due = now.saturating_duration_since(self.last) >= PERIOD;
        if is_due {
            self.burst = BURST;
        }
        match self.burst {
            0 => {
                self.left_out += 1;
                None
            }
            _ => {
                self.burst -= 1;
                self.last = now;
                Some(std::mem::take(&mut self.left_out))
            }
        }
    }
}

/// Lines at once.
const BURST: u32 = 3;
const PERIOD: Duration = Duration::from_secs(10);
const FORGOTTEN: Duration = Duration::from_secs(600);
const MAX_KEYS: usize = 256;
const MAX_SUBJECT_CHARS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_events_are_written_now_and_then_with_their_number() {
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        let mut at = |millis, subject: &str| {
            limiter.admit(start + Duration::from_millis(millis), "down", Level::Warn, subject)
        };
        assert_eq!(
            [at(0, "a"), at(1, "a"), at(2, "a"), at(3, "a"), at(4, "a")],
            [Some(0), Some(0), Some(0), None, None]
        );
        assert_eq!(at(5, "b"), Some(0), "another subject has a limit of its own");
        assert_eq!(at(10_001, "a"), None, "a period begins at the last line");
        assert_eq!(at(10_002, "a"), Some(3));
    }

    #[test]
    fn events_that_end_are_summed_up_once() {
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..10 {
            limiter.admit(start, "down", Level::Warn, "a");
        }
        assert_eq!(limiter.summaries(after(9)), []);
        let expected =
            Summary { level: Level::Warn, name: "down", subject: "a".to_owned(), left_out: 7 };
        assert_eq!(limiter.summaries(after(10)), [expected]);
        assert_eq!(limiter.summaries(after(30)), []);
    }

    #[test]
    fn the_table_has_a_bound_and_counts_all() {
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        let events = 10_000_u64;
        let written = (0..events).filter(|number| {
            limiter.admit(start, "down", Level::Warn, &number.to_string()).is_some()
        });
        let written = written.count() as u64;
        assert_eq!(written, MAX_KEYS as u64 + u64::from(BURST));
        assert!(limiter.keys.len() == MAX_KEYS && limiter.overflow.len() == 1);
        let left_out: u64 = limiter.summaries(start + PERIOD).iter().map(|it| it.left_out).sum();
        assert_eq!(written + left_out, events);
        limiter.summaries(start + FORGOTTEN + PERIOD);
        assert_eq!(limiter.keys.len(), 0);
    }
}
