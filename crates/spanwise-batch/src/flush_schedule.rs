//! Flush decisions by age, by bytes and by count, without a clock and without a thread.

use std::time::{Duration, Instant};

/// Configuration of a [`FlushSchedule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushScheduleConfig {
    /// Longest time that a span waits before it is exported, a tick more at the worst: the batching
    /// processor's `scheduledDelayMillis` (`OTEL_BSP_SCHEDULE_DELAY`). Default 1 s, 1 ms to 30 days.
    pub scheduled_delay: Duration,
    /// Number of full chunks that are exported at once. Default 8: half a MiB.
    pub chunks: usize,
    /// Number of spans that are exported at once: the batching processor's `maxExportBatchSize`
    /// (`OTEL_BSP_MAX_EXPORT_BATCH_SIZE`). The spans of full chunks count at each poll, those of open chunks at
    /// each tick. Default none: only `chunks` counts.
    pub batch_spans: Option<usize>,
    /// Interval at which the worker looks for full chunks when no producer wakes it. Default
    /// 100 ms, at least 1 ms.
    pub tick: Duration,
}

impl Default for FlushScheduleConfig {
    fn default() -> Self {
        Self {
            scheduled_delay: Duration::from_secs(1),
            chunks: 8,
            batch_spans: None,
            tick: Duration::from_millis(100),
        }
    }
}

impl FlushScheduleConfig {
    /// The shortest [`scheduled_delay`](Self::scheduled_delay), 1 ms: timers of runtimes measure nothing
    /// shorter.
    pub const MIN_DELAY: Duration = Duration::from_millis(1);
    /// The longest [`scheduled_delay`](Self::scheduled_delay), 30 days: a longer one is a mistake of its unit,
    /// or of a subtraction.
    pub const MAX_DELAY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

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

    /// Sets [`batch_spans`](Self::batch_spans).
    pub fn with_batch_spans(mut self, spans: impl Into<Option<usize>>) -> Self {
        self.batch_spans = spans.into();
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
    /// Time when the spans of open chunks were last counted.
    counted: Instant,
}

/// The full chunks that wait for the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FullChunks {
    /// Number of full chunks.
    pub chunks: usize,
    /// Number of spans that wait in full chunks.
    pub spans: usize,
}

/// The action that [`FlushSchedule::poll`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushAction {
    /// Export all chunks, open ones included: the oldest span may have waited for `scheduled_delay`.
    DrainAll,
    /// Export the full chunks.
    DrainFull,
    /// Export all chunks, open ones included, if they hold this number of spans together: a batch may be
    /// spread over the open chunks of several threads.
    DrainBatch(usize),
    /// Wait until this instant, or until a producer wakes the worker.
    WaitUntil(Instant),
}

impl FlushSchedule {
    /// Creates a schedule that starts at `now`.
    pub fn new(config: FlushScheduleConfig, now: Instant) -> Self {
        Self { config: accepted(config), drained: now, counted: now }
    }

    /// Replaces the configuration: waiting spans are due by the new delay from now on.
    pub fn set_config(&mut self, config: FlushScheduleConfig) {
        self.config = accepted(config);
    }

    /// The configuration in use.
    pub fn config(&self) -> FlushScheduleConfig {
        self.config
    }

    /// Returns the action at `now`, while the chunks of `full` wait.
    ///
    /// After [`FlushAction::DrainAll`], call [`drained_all`](Self::drained_all), or
    /// [`drained_some`](Self::drained_some) if slots were held; after [`FlushAction::DrainBatch`], call
    /// [`counted`](Self::counted).
    pub fn poll(&self, now: Instant, full: FullChunks) -> FlushAction {
        let FlushScheduleConfig { scheduled_delay, chunks, batch_spans, tick } = self.config;
        let due = after(self.drained, scheduled_delay);
        let count = batch_spans.map(|spans| (spans.max(1), after(self.counted, tick)));
        if now >= due {
            return FlushAction::DrainAll;
        }
        let is_batch = count.is_some_and(|(spans, _)| full.spans >= spans);
        if full.chunks >= chunks.max(1) || (full.chunks > 0 && is_batch) {
            return FlushAction::DrainFull;
        }
        let until = due.min(after(now, tick));
        match count {
            Some((spans, at)) if now >= at => FlushAction::DrainBatch(spans),
            Some((_, at)) => FlushAction::WaitUntil(until.min(at)),
            None => FlushAction::WaitUntil(until),
        }
    }

    /// Records that all chunks were drained at `now`.
    pub fn drained_all(&mut self, now: Instant) {
        self.drained = now;
        self.counted = now;
    }

    /// Records that chunks were drained at `now`, but not those of slots that threads held: all chunks
    /// are due again after a millisecond.
    pub fn drained_some(&mut self, now: Instant) {
        let again = after(now, FlushScheduleConfig::MIN_DELAY);
        self.drained = again.checked_sub(self.config.scheduled_delay).unwrap_or(now);
        self.counted = now;
    }

    /// Records that the spans of all chunks were counted at `now`.
    pub fn counted(&mut self, now: Instant) {
        self.counted = now;
    }
}

fn accepted(mut config: FlushScheduleConfig) -> FlushScheduleConfig {
    // With zero the worker would never sleep.
    config.scheduled_delay = config.scheduled_delay.max(FlushScheduleConfig::MIN_DELAY);
    config.tick = config.tick.max(FlushScheduleConfig::MIN_DELAY);
    config
}

/// `start + delay`; a delay that overflows the clock counts as the longest.
fn after(start: Instant, delay: Duration) -> Instant {
    let longest = || start.checked_add(FlushScheduleConfig::MAX_DELAY);
    start.checked_add(delay).or_else(longest).unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn full(chunks: usize) -> FullChunks {
        FullChunks { chunks, spans: 100 * chunks }
    }

    fn check(after: Duration, ready: usize, expected: impl Fn(Instant) -> FlushAction) {
        let start = Instant::now();
        let schedule = FlushSchedule::new(FlushScheduleConfig::default(), start);
        assert_eq!(
            schedule.poll(start + after, full(ready)),
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

    /// Time, full chunks and spans in, action out: with a batch of 200 spans.
    #[test]
    fn poll_decides_by_count() {
        let start = Instant::now();
        let config = FlushScheduleConfig::default().with_batch_spans(200);
        let mut schedule = FlushSchedule::new(config, start);
        let ready = |chunks, spans| FullChunks { chunks, spans };
        for (at, ready, expected) in [
            (0, ready(1, 199), FlushAction::WaitUntil(start + 100 * MS)),
            (0, ready(1, 200), FlushAction::DrainFull),
            (50, ready(2, 150), FlushAction::WaitUntil(start + 100 * MS)),
            (100, ready(1, 100), FlushAction::DrainBatch(200)),
            // Spans that were drained before, and nothing that could be drained now.
            (50, ready(0, 300), FlushAction::WaitUntil(start + 100 * MS)),
        ] {
            assert_eq!(schedule.poll(start + at * MS, ready), expected, "{at} ms, {ready:?}");
        }
        schedule.counted(start + 100 * MS);
        let expected = FlushAction::WaitUntil(start + 200 * MS);
        assert_eq!(schedule.poll(start + 100 * MS, ready(1, 100)), expected);
        assert_eq!(schedule.poll(start + 1000 * MS, ready(0, 0)), FlushAction::DrainAll);
    }

    #[test]
    fn a_drain_of_all_chunks_resets_the_age() {
        let start = Instant::now();
        let mut schedule = FlushSchedule::new(FlushScheduleConfig::default(), start);
        schedule.drained_all(start + 1000 * MS);
        let poll = |at: u32| schedule.poll(start + at * MS, FullChunks::default());
        assert_eq!(poll(1990), FlushAction::WaitUntil(start + 2000 * MS));
        assert_eq!(poll(2000), FlushAction::DrainAll);
    }

    #[test]
    fn a_new_delay_applies_to_waiting_spans() {
        let start = Instant::now();
        let config = FlushScheduleConfig::default().with_scheduled_delay(3600 * 1000 * MS);
        let mut schedule = FlushSchedule::new(config, start);
        let now = start + 2000 * MS;
        let expected = FlushAction::WaitUntil(now + 100 * MS);
        assert_eq!(schedule.poll(now, FullChunks::default()), expected);
        schedule.set_config(config.with_scheduled_delay(1000 * MS));
        assert_eq!(schedule.poll(now, FullChunks::default()), FlushAction::DrainAll);
    }

    #[test]
    fn chunks_of_held_slots_are_due_again_after_a_millisecond() {
        let start = Instant::now();
        let mut schedule = FlushSchedule::new(FlushScheduleConfig::default(), start);
        schedule.drained_some(start + 1000 * MS);
        let poll = |at: u32| schedule.poll(start + at * MS, FullChunks::default());
        assert_eq!(poll(1000), FlushAction::WaitUntil(start + 1001 * MS));
        assert_eq!(poll(1001), FlushAction::DrainAll);
    }

    #[test]
    fn extreme_settings_neither_spin_nor_overflow() {
        let start = Instant::now();
        for (scheduled_delay, tick, expected) in [
            (Duration::ZERO, Duration::ZERO, MS),
            (Duration::MAX, Duration::ZERO, MS),
            (Duration::MAX, Duration::MAX, FlushScheduleConfig::MAX_DELAY),
            (10 * MS, Duration::MAX, 10 * MS),
        ] {
            for batch_spans in [None, Some(0), Some(usize::MAX)] {
                let config = FlushScheduleConfig { scheduled_delay, tick, chunks: 0, batch_spans };
                let schedule = FlushSchedule::new(config, start);
                let none = FullChunks::default();
                assert_eq!(schedule.poll(start, none), FlushAction::WaitUntil(start + expected));
                assert_eq!(schedule.poll(start, full(1)), FlushAction::DrainFull);
            }
        }
    }
}
