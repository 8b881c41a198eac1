//! How far the report of a killed process may be from its loss: the steps of spans that it did not write.

use super::account::Account;
use super::readings::Reading;
use std::time::{Duration, SystemTime};

/// The spans of a killed process that its report may lack, and those that it may have although they are elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Accepted after the last write, and in memory at the end.
    pub(super) misses: u64,
    /// In memory at the last write, and not at the end; or not answered, and sent again.
    pub(super) exceeds: u64,
    /// For each destination, spans on their way to it at the end.
    pub(super) in_flight: [u64; 2],
}

/// The end of a process, and its report.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// The time of the last write.
    pub(super) written: SystemTime,
    pub(super) killed: SystemTime,
    /// Spans in memory by the last write.
    pub(super) reported: u64,
}

impl Bounds {
    /// The bounds of a process with these readings of its account.
    ///
    /// # Errors
    /// There is no reading from before the last write.
    pub(super) fn of(
        readings: &[Reading],
        end: End,
        destinations: [&str; 2],
    ) -> Result<Self, String> {
        let End { written, killed, reported } = end;
        // The numbers of the write are a little older than its time.
        let at =
            |margin: Duration| readings.iter().rev().find(|reading| reading.at + margin <= written);
        let before = at(WRITE).ok_or("there is no account from before its last write")?;
        let last = readings.last().unwrap_or(before);
        // Between the last reading and the end, as much may have happened as in any other time of that length.
        let unseen = killed.duration_since(last.at).unwrap_or_default();
        let step = |number: &dyn Fn(&Account) -> u64| largest_step(readings, unseen, number);
        let grown = |number: &dyn Fn(&Account) -> u64, from: &Reading| {
            number(&last.account).saturating_sub(number(&from.account)) + step(number)
        };
        let accepted = |account: &Account| account.number("/intake/accepted");
        // The spans in memory at the end, by the last reading.
        let most = last.account.in_memory() + step(&accepted);
        let least = last.account.in_memory().saturating_sub(step(&Account::left));
        // The sender of a request that was accepted right before the write may wait for its answer still, and sends it again.
        let is_answered =
            last.at.duration_since(written).is_ok_and(|since_then| since_then >= ANSWER);
        let unanswered = match (is_answered, at(WRITE + ANSWER)) {
            (true, _) => 0,
            (false, early) => grown(&accepted, early.unwrap_or(before)),
        };
        // A peer may have spans whose acceptance did not reach this process.
        let unacknowledged = last.account.number("/gateway/in_flight");
        let left = grown(&Account::left, before).min(reported.saturating_sub(least));
        Ok(Self {
            misses: grown(&accepted, before).min(most.saturating_sub(reported)),
            exceeds: left + unanswered + unacknowledged,
            in_flight: destinations.map(|name| {
                last.account.of(name, "in_flight") + step(&|it| it.of(name, "created"))
            }),
        })
    }
}

/// The most by which a number grew between two readings that are at least `time` apart, and no further than needed.
fn largest_step(readings: &[Reading], time: Duration, number: &dyn Fn(&Account) -> u64) -> u64 {
    let numbers: Vec<(SystemTime, u64)> =
        readings.iter().map(|reading| (reading.at, number(&reading.account))).collect();
    let steps = numbers.iter().enumerate().filter_map(|(index, (at, number))| {
        let mut later = numbers.iter().skip(index + 1);
        let (_, then) = later.find(|(later, _)| *later >= *at + time)?;
        Some(then.saturating_sub(*number))
    });
    steps.max().unwrap_or(0)
}

/// The time between the numbers of a write and its own.
const WRITE: Duration = Duration::from_millis(20);
/// A longer time than an answer takes.
const ANSWER: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bounds_are_the_steps_since_the_last_write() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        let reading = |millis: u64, accepted: u64, pending: u64| Reading {
            at: start + Duration::from_millis(millis),
            account: Account(json!({
                "intake": {"accepted": accepted},
                "sampler": {"pending": pending},
                "destinations": [{"name": "one", "created": accepted - pending, "in_flight": 3}],
            })),
        };
        let readings =
            [reading(0, 10, 10), reading(50, 20, 10), reading(100, 40, 25), reading(250, 70, 40)];
        let bounds = |written: u64, reported| {
            let time = |millis| start + Duration::from_millis(millis);
            let end = End { written: time(written), killed: time(255), reported };
            Bounds::of(&readings, end, ["one", "two"])
        };
        // In memory at the end: at most 40 and a step of 30, at least 40 less a step of 15.
        let expected = Bounds { misses: 70 - 25, exceeds: 0, in_flight: [18, 0] };
        assert_eq!(bounds(90, 25), Ok(expected));
        // Left since the reading at 50: 20, and a step of 15.
        assert_eq!(bounds(90, 80).map(|it| (it.misses, it.exceeds)), Ok((0, 35)));
        // The reading at 100 is the last one before 220; the sender may wait for its answers still.
        assert_eq!(bounds(220, 9).map(|it| (it.misses, it.exceeds)), Ok((60, 60)));
        assert!(bounds(10, 0).is_err());
        // Nothing was read for 150 ms: as much may follow as in the busiest time of that length.
        let accepted = |account: &Account| account.number("/intake/accepted");
        let millis = [10, 60, 150, 300];
        let steps =
            millis.map(|time| largest_step(&readings, Duration::from_millis(time), &accepted));
        assert_eq!(steps, [30, 50, 60, 0]);
    }
}
