//! The times that creations of spans take, of few of them.

use spanwise_export::SpanQueue;
use spanwise_metrics::{HistogramPoint, HistogramRecorder};
use spanwise_worker::clock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The times of a sample of creations: one of the first starts after each turn of the exporter's thread.
///
/// No other start counts down to the next sample. The thread makes the queue look as if it did not accept spans without a check, and
/// the starts that take the other way for it count down; the last one is timed. The first one would not do: it is often the first
/// after a sleep, with cold caches, and takes many times as long as those that follow it.
pub(crate) struct CreationTimes {
    /// The starts up to the one that is timed, which is included; 0 if none is due.
    left: AtomicU32,
    /// The requests that had a start, for the number of starts up to the next one.
    requests: AtomicU32,
    /// `None` only if the bounds below were invalid.
    recorder: Option<HistogramRecorder>,
}

/// A creation that is timed, or that takes the same way before one that is.
pub(crate) struct TimedCreation<'a> {
    times: &'a CreationTimes,
    start: clock::Start,
    is_recorded: bool,
}

impl CreationTimes {
    pub(crate) fn new() -> Self {
        let builder = HistogramRecorder::builder().with_bounds(BOUNDS);
        // Threads share one shard: records are rare.
        let builder = builder.with_divisor(1_000_000_000).with_shards(0);
        let [left, requests] = [const { AtomicU32::new(0) }; 2];
        Self { left, requests, recorder: builder.build().ok() }
    }

    /// Requests that one of the next starts be timed. The exporter's thread calls this.
    pub(crate) fn request(&self, queue: &SpanQueue) {
        // The number first: a start that checks the queue finds it. A queue that shed or refused spans at the last request may accept
        // them now. A program with few spans continues with the number of an earlier request.
        if self.left.load(Relaxed) == 0 {
            self.left.store(starts(self.requests.fetch_add(1, Relaxed)), Relaxed);
        }
        queue.check_next_start();
    }

    /// Whether the next start that checks the queue is timed.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.left.load(Relaxed) > 0
    }

    /// Begins to time a start that checks the queue, if that was requested.
    pub(crate) fn begin(&self, queue: &SpanQueue) -> Option<TimedCreation<'_>> {
        let is_recorded = self.count_down()?;
        queue.next_start_checked();
        Some(TimedCreation { times: self, start: clock::start(), is_recorded })
    }

    /// Whether this start is recorded; `None` if no start is due, or another thread has counted at the same time.
    fn count_down(&self) -> Option<bool> {
        let left = self.left.load(Relaxed);
        let next = left.checked_sub(1)?;
        self.left.compare_exchange(left, next, Relaxed, Relaxed).ok().map(|_| next == 0)
    }

    /// The recorded times in seconds.
    pub(crate) fn point(&self) -> Option<HistogramPoint> {
        self.recorder.as_ref().map(HistogramRecorder::point)
    }
}

impl TimedCreation<'_> {
    /// The span is created.
    pub(crate) fn end(self, queue: &SpanQueue) {
        let nanos = clock::end(self.start).saturating_sub(self.start.unix_nanos);
        match &self.times.recorder {
            Some(recorder) if self.is_recorded => recorder.record(nanos),
            // The next start continues to count down.
            _ if self.times.is_due() && queue.is_accepting() => queue.check_next_start(),
            _ => {}
        }
    }
}

/// The starts up to the one that is timed, after `requests` earlier ones: 8 to 23. A constant number would meet the same span of each
/// request of a program that makes the same spans again and again.
fn starts(requests: u32) -> u32 {
    8 + requests.wrapping_mul(5) % 16
}

/// Seconds: from a non-recording span to one whose sampler is slow.
const BOUNDS: &[f64] = &[
    0.000_000_05,
    0.000_000_1,
    0.000_000_25,
    0.000_000_5,
    0.000_001,
    0.000_002_5,
    0.000_01,
    0.000_1,
    0.001,
    0.01,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_with_warm_caches_is_timed() {
        let times = CreationTimes::new();
        assert_eq!((times.is_due(), times.count_down()), (false, None));
        for requests in 0..40 {
            let starts = starts(requests);
            assert!((8..24).contains(&starts), "{starts}");
            times.left.store(starts, Relaxed);
            for _ in 1..starts {
                assert_eq!((times.is_due(), times.count_down()), (true, Some(false)));
            }
            assert_eq!((times.is_due(), times.count_down()), (true, Some(true)));
            assert_eq!((times.is_due(), times.count_down()), (false, None));
        }
        let mut all: Vec<_> = (0..16).map(starts).collect();
        all.sort_unstable();
        assert_eq!(all, (8..24).collect::<Vec<_>>());
    }
}
