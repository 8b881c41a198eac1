//! When to send: by size, by count, by age. No clock and no thread here.

use std::time::{Duration, Instant};

/// When waiting spans become requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushScheduleConfig {
    /// A span waits at most so long before it is sent, a tick more at the worst
    /// (`OTEL_BSP_SCHEDULE_DELAY`). Default 1 s, at least 1 ms.
    pub max_delay: Duration,
    /// Full chunks that make a request worth sending at once. Default 8: half a MiB.
    pub chunks: usize,
    /// How often to look for full chunks while nothing says there are any. Default 100 ms, at
    /// least 1 ms.
    pub tick: Duration,
}

impl Default for FlushScheduleConfig {
    fn default() -> Self {
        Self { max_delay: Duration::from_secs(1), chunks: 8, tick: Duration::from_millis(100) }
    }
}

/// Decides, each time it is asked, what the worker should do with what waits.
#[derive(Debug)]
pub struct FlushSchedule {
    config: FlushScheduleConfig,
    /// When open chunks were last taken: nothing in them is older.
    swept: Instant,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushAction {
    /// Send all there is, the open chunks too: the oldest span has waited long enough.
    DrainAll,
    /// Send the full chunks.
    DrainFull,
    /// Nothing until this instant, or until woken.
    WaitUntil(Instant),
}

impl FlushSchedule {
    /// A schedule that starts at `now`.
    pub fn new(mut config: FlushScheduleConfig, now: Instant) -> Self {
        // Zero would be a worker that never sleeps.
        config.max_delay = config.max_delay.max(SHORTEST);
        config.tick = config.tick.max(SHORTEST);
        Self { config, swept: now }
    }

    /// What to do at `now` with `ready` full chunks waiting.
    ///
    /// After [`FlushAction::DrainAll`] call [`drained_all`](Self::drained_all).
    pub fn poll(&self, now: Instant, ready: usize) -> FlushAction {
        let due = after(self.swept, self.config.max_delay);
        if now >= due {
            FlushAction::DrainAll
        } else if ready >= self.config.chunks.max(1) {
            FlushAction::DrainFull
        } else {
            FlushAction::WaitUntil(due.min(after(now, self.config.tick)))
        }
    }

    /// All open chunks were taken at `now`.
    pub fn drained_all(&mut self, now: Instant) {
        self.swept = now;
    }
}

/// `start + delay`; a delay that no clock can count to is a month.
fn after(start: Instant, delay: Duration) -> Instant {
    start.checked_add(delay).or_else(|| start.checked_add(MONTH)).unwrap_or(start)
}

const SHORTEST: Duration = Duration::from_millis(1);
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn check(after: Duration, ready: usize, expected: impl Fn(Instant) -> FlushAction) {
        let start = Instant::now();
        let schedule = FlushSchedule::new(FlushScheduleConfig::default(), start);
        assert_eq!(
            schedule.poll(start + after, ready),
            expected(start),
            "{after:?}, {ready} ready"
        );
    }

    #[test]
    fn age_size_and_tick() {
        check(Duration::ZERO, 0, |start| FlushAction::WaitUntil(start + 100 * MS));
        check(50 * MS, 7, |start| FlushAction::WaitUntil(start + 150 * MS));
        check(50 * MS, 8, |_| FlushAction::DrainFull);
        check(950 * MS, 0, |start| FlushAction::WaitUntil(start + 1000 * MS));
        check(1000 * MS, 0, |_| FlushAction::DrainAll);
        check(5000 * MS, 100, |_| FlushAction::DrainAll);
    }

    #[test]
    fn a_sweep_starts_the_age_anew() {
        let start = Instant::now();
        let mut schedule = FlushSchedule::new(FlushScheduleConfig::default(), start);
        schedule.drained_all(start + 1000 * MS);
        assert_eq!(schedule.poll(start + 1990 * MS, 0), FlushAction::WaitUntil(start + 2000 * MS));
        assert_eq!(schedule.poll(start + 2000 * MS, 0), FlushAction::DrainAll);
    }

    #[test]
    fn extreme_settings_neither_spin_nor_overflow() {
        let start = Instant::now();
        for (max_delay, tick, expected) in [
            (Duration::ZERO, Duration::ZERO, MS),
            (Duration::MAX, Duration::ZERO, MS),
            (Duration::MAX, Duration::MAX, MONTH),
            (10 * MS, Duration::MAX, 10 * MS),
        ] {
            let config = FlushScheduleConfig { max_delay, tick, chunks: 0 };
            let schedule = FlushSchedule::new(config, start);
            assert_eq!(schedule.poll(start, 0), FlushAction::WaitUntil(start + expected));
            assert_eq!(schedule.poll(start, 1), FlushAction::DrainFull);
        }
    }
}
