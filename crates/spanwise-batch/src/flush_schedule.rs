//! Flush decisions by age and by number of full chunks, without a clock and without a thread.

use std::time::{Duration, Instant};

/// Configuration of a [`FlushSchedule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushScheduleConfig {
    /// Longest time that a span waits before it is exported, a tick more at the worst: the batching
    /// processor's `scheduledDelayMillis` (`OTEL_BSP_SCHEDULE_DELAY`). Default 1 s, at least 1 ms.
    pub scheduled_delay: Duration,
    /// Number of full chunks that are exported at once. Default 8: half a MiB.
    pub chunks: usize,
    /// Interval at which the worker looks for full chunks when no producer wakes it. Default
    /// 100 ms, at least 1 ms.
    pub tick: Duration,
}

impl Default for FlushScheduleConfig {
    fn default() -> Self {
        Self {
            scheduled_delay: Duration::from_secs(1),
            chunks: 8,
            tick: Duration::from_millis(100),
        }
    }
}

impl FlushScheduleConfig {
    /// Sets [`scheduled_delay`](Self::scheduled_delay).
    pub fn with_scheduled_delay(mut self, delay: Duration) -> Self {
        self.scheduled_delay = delay;
        self
    }

    /// Sets [`chunks`](Self::chunks).
    pub fn with_chunks(mut self, chunks: usize) -> Self {
        self.chunks = chunks;
        self
    }

    /// Sets [`tick`](Self::tick).
    pub fn with_tick(mut self, tick: Duration) -> Self {
        self.tick = tick;
        self
    }
}

/// Decides when the worker exports the waiting spans.
#[derive(Debug)]
pub struct FlushSchedule {
    config: FlushScheduleConfig,
    /// Time when all chunks were last drained: no waiting span is older.
    drained: Instant,
}

/// The action that [`FlushSchedule::poll`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushAction {
    /// Export all chunks, open ones included: the oldest span may have waited for `scheduled_delay`.
    DrainAll,
    /// Export the full chunks.
    DrainFull,
    /// Wait until this instant, or until a producer wakes the worker.
    WaitUntil(Instant),
}

impl FlushSchedule {
    /// Creates a schedule that starts at `now`.
    pub fn new(mut config: FlushScheduleConfig, now: Instant) -> Self {
        // With zero the worker would never sleep.
        config.scheduled_delay = config.scheduled_delay.max(SHORTEST);
        config.tick = config.tick.max(SHORTEST);
        Self { config, drained: now }
    }

    /// Returns the action at `now`, with `ready` full chunks waiting.
    ///
    /// After [`FlushAction::DrainAll`], call [`drained_all`](Self::drained_all).
    pub fn poll(&self, now: Instant, ready: usize) -> FlushAction {
        let due = after(self.drained, self.config.scheduled_delay);
        if now >= due {
            FlushAction::DrainAll
        } else if ready >= self.config.chunks.max(1) {
            FlushAction::DrainFull
        } else {
            FlushAction::WaitUntil(due.min(after(now, self.config.tick)))
        }
    }

    /// Records that all chunks were drained at `now`.
    pub fn drained_all(&mut self, now: Instant) {
        self.drained = now;
    }
}

/// `start + delay`; a delay that overflows the clock counts as a month.
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
    fn poll_decides_by_age_by_chunks_and_by_tick() {
        check(Duration::ZERO, 0, |start| FlushAction::WaitUntil(start + 100 * MS));
        check(50 * MS, 7, |start| FlushAction::WaitUntil(start + 150 * MS));
        check(50 * MS, 8, |_| FlushAction::DrainFull);
        check(950 * MS, 0, |start| FlushAction::WaitUntil(start + 1000 * MS));
        check(1000 * MS, 0, |_| FlushAction::DrainAll);
        check(5000 * MS, 100, |_| FlushAction::DrainAll);
    }

    #[test]
    fn a_drain_of_all_chunks_resets_the_age() {
        let start = Instant::now();
        let mut schedule = FlushSchedule::new(FlushScheduleConfig::default(), start);
        schedule.drained_all(start + 1000 * MS);
        assert_eq!(schedule.poll(start + 1990 * MS, 0), FlushAction::WaitUntil(start + 2000 * MS));
        assert_eq!(schedule.poll(start + 2000 * MS, 0), FlushAction::DrainAll);
    }

    #[test]
    fn extreme_settings_neither_spin_nor_overflow() {
        let start = Instant::now();
        for (scheduled_delay, tick, expected) in [
            (Duration::ZERO, Duration::ZERO, MS),
            (Duration::MAX, Duration::ZERO, MS),
            (Duration::MAX, Duration::MAX, MONTH),
            (10 * MS, Duration::MAX, 10 * MS),
        ] {
            let config = FlushScheduleConfig { scheduled_delay, tick, chunks: 0 };
            let schedule = FlushSchedule::new(config, start);
            assert_eq!(schedule.poll(start, 0), FlushAction::WaitUntil(start + expected));
            assert_eq!(schedule.poll(start, 1), FlushAction::DrainFull);
        }
    }
}
