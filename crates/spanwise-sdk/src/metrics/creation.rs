//! The times that creations of spans take, of few of them.

use spanwise_export::SpanQueue;
use spanwise_metrics::{HistogramPoint, HistogramRecorder};
use spanwise_worker::clock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The times of a sample of creations: the first one after each turn of the exporter's thread.
///
/// No start counts down to the next sample. The thread makes the queue look as if it did not accept spans without a check, and the
/// start that takes the other way for it is timed.
pub(crate) struct CreationTimes {
    /// The next start is timed.
    is_due: AtomicBool,
    /// `None` only if the bounds below were invalid.
    recorder: Option<HistogramRecorder>,
}

/// A creation that is timed.
pub(crate) struct TimedCreation<'a> {
    times: &'a CreationTimes,
    start: clock::Start,
}

impl CreationTimes {
    pub(crate) fn new() -> Self {
        let builder = HistogramRecorder::builder().with_bounds(BOUNDS);
        // Threads share one shard: records are rare.
        let builder = builder.with_divisor(1_000_000_000).with_shards(0);
        Self { is_due: AtomicBool::new(false), recorder: builder.build().ok() }
    }

    /// Requests that the next start be timed.
    pub(crate) fn request(&self, queue: &SpanQueue) {
        // The flag first: a start that checks the queue finds it. A queue that shed or refused spans at the last request may accept
        // them now.
        self.is_due.store(true, Relaxed);
        queue.check_next_start();
    }

    /// Whether the next start that checks the queue is timed.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.is_due.load(Relaxed)
    }

    /// Begins to time a start that checks the queue, if that was requested.
    pub(crate) fn begin(&self, queue: &SpanQueue) -> Option<TimedCreation<'_>> {
        if !self.is_due.load(Relaxed) || !self.is_due.swap(false, Relaxed) {
            return None;
        }
        queue.next_start_checked();
        Some(TimedCreation { times: self, start: clock::start() })
    }

    /// The recorded times in seconds.
    pub(crate) fn point(&self) -> Option<HistogramPoint> {
        self.recorder.as_ref().map(HistogramRecorder::point)
    }
}

impl TimedCreation<'_> {
    /// The span is created.
    pub(crate) fn end(self) {
        if let Some(recorder) = &self.times.recorder {
            recorder.record(clock::end(self.start).saturating_sub(self.start.unix_nanos));
        }
    }
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
