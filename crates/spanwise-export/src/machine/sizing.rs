//! The size of batches: fixed, or determined by an algorithm that observes the export.

use crate::batch_config::BatchConfig;
use crate::machine::size_limit::SizeLimit;
use spanwise_batch::{BatchLimits, BatchObservation, BatchSize, BatchSizer, RequestObservation};
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use std::time::Instant;

/// The limits of the next batch within those of the settings.
pub(super) struct Sizing {
    /// `None`: the size is fixed.
    sizer: Option<BatchSizer>,
    /// The limits of the settings.
    max: BatchLimits,
    /// The size of a request that the endpoint of each lane accepts.
    accepted: Vec<SizeLimit>,
    /// Whether a request leaves once a batch of spans waits.
    counts_spans: bool,
    /// The limits that were applied last.
    applied: Option<BatchLimits>,
    /// Spans in full chunks of the queue, as of the last turn.
    queued: u64,
    /// Bytes of a span, the mean of the last request.
    span_bytes: u64,
}

impl Sizing {
    pub(super) fn new(config: &BatchConfig, lanes: usize, now: Instant) -> Self {
        let sizer = setting(config).map(|setting| BatchSizer::new(setting, now));
        let mut max = BatchLimits::spans(config.max_export_batch_size);
        max.bytes = config.max_request_bytes;
        Self {
            sizer,
            max,
            accepted: vec![SizeLimit::default(); lanes],
            counts_spans: config.counts_spans(),
            applied: None,
            queued: 0,
            span_bytes: 256,
        }
    }

    /// Replaces the settings. An algorithm that stays retains its measurements, and a limit of the receiver is
    /// forgotten with the setting that exceeded it.
    pub(super) fn set_config(&mut self, config: &BatchConfig, now: Instant) {
        let (before, max) = (self.sizer.take(), self.max);
        let accepted = std::mem::take(&mut self.accepted);
        *self = Self::new(config, accepted.len(), now);
        if max.bytes == self.max.bytes {
            self.accepted = accepted;
        }
        if let (Some(mut sizer), Some(setting)) = (before, setting(config)) {
            sizer.set(setting, now);
            self.sizer = Some(sizer);
        }
    }

    /// Whether a request leaves once a batch of spans waits.
    pub(super) fn counts_spans(&self) -> bool {
        self.counts_spans
    }

    /// Whether an algorithm observes the export.
    pub(super) fn is_dynamic(&self) -> bool {
        self.sizer.is_some()
    }

    /// Observes a turn: `queued` spans are in full chunks of the queue, `backlog` spans and bytes were drained.
    pub(super) fn observe_turn(&mut self, now: Instant, queued: usize, backlog: (u64, u64)) {
        self.queued = queued as u64;
        self.observe(now, backlog, None);
    }

    /// Observes the end of a request.
    pub(super) fn observe_request(
        &mut self,
        now: Instant,
        backlog: (u64, u64),
        request: RequestObservation,
    ) {
        self.span_bytes = request.bytes as u64 / request.spans.max(1);
        self.observe(now, backlog, Some(request));
    }

    /// The endpoint of a lane refused a request of `bytes` bytes as too large: later ones to it have at most half
    /// of that, at least `floor` bytes.
    pub(super) fn refused(&mut self, lane: usize, bytes: usize, floor: usize) {
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::RefusalForgotten) {
            return;
        }
        self.accepted.get_mut(lane).into_iter().for_each(|limit| limit.refused(bytes, floor));
    }

    /// The endpoint of a lane is another one, whose limit is unknown.
    pub(super) fn forget(&mut self, lane: usize) {
        self.accepted.get_mut(lane).into_iter().for_each(|limit| *limit = SizeLimit::default());
    }

    /// The endpoint of a lane accepted a request of `bytes` bytes.
    pub(super) fn accepted(&mut self, lane: usize, bytes: usize) {
        self.accepted.get_mut(lane).into_iter().for_each(|limit| limit.accepted(bytes));
    }

    /// Maximum bytes of a request that endpoints share: one that accepts less gets it in parts.
    pub(super) fn max_bytes(&self) -> usize {
        let most = self.accepted.iter().map(SizeLimit::max_bytes).max();
        most.unwrap_or(usize::MAX).min(self.max.bytes)
    }

    /// Maximum bytes of a request to the endpoint of a lane.
    pub(super) fn max_bytes_of(&self, lane: usize) -> usize {
        let limit = self.accepted.get(lane).map_or(usize::MAX, SizeLimit::max_bytes);
        limit.min(self.max.bytes)
    }

    fn max(&self) -> BatchLimits {
        BatchLimits { bytes: self.max_bytes(), ..self.max }
    }

    fn observe(
        &mut self,
        now: Instant,
        (spans, bytes): (u64, u64),
        request: Option<RequestObservation>,
    ) {
        if let Some(sizer) = &mut self.sizer {
            let observation = BatchObservation {
                backlog_spans: spans + self.queued,
                // A chunk may be full of spans long before it is full of bytes.
                backlog_bytes: bytes + self.queued * self.span_bytes,
                request,
            };
            sizer.observe(now, &observation);
        }
    }

    /// The limits, if they are not those that were returned last.
    pub(super) fn take_changed(&mut self) -> Option<BatchLimits> {
        let max = self.max();
        let limits = self.sizer.as_ref().map_or(max, |sizer| sizer.limits().min(max));
        (self.applied.replace(limits) != Some(limits)).then_some(limits)
    }

    /// The limits that no request exceeds when a batch has the limits `batch`.
    pub(super) fn hard_limits(&self, batch: BatchLimits) -> BatchLimits {
        match self.sizer.as_ref().map(BatchSizer::setting) {
            // A size that follows costs is met by whole chunks.
            Some(BatchSize::Adaptive(_)) => self.max(),
            _ => batch,
        }
    }
}

/// The setting of the algorithm, with the exporter's delay.
fn setting(config: &BatchConfig) -> Option<BatchSize> {
    config.batch_size.map(|setting| match setting {
        BatchSize::Adaptive(size) => {
            BatchSize::Adaptive(size.with_scheduled_delay(config.scheduled_delay))
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanwise_batch::AdaptiveBatchSize;
    use std::time::Duration;

    fn ended(spans: u64, bytes: usize, is_accepted: bool) -> RequestObservation {
        let latency = Duration::from_millis(1);
        RequestObservation { spans, bytes, latency, is_accepted, is_retried: false }
    }

    #[test]
    fn an_adaptive_size_observes_requests() {
        let now = Instant::now();
        let adaptive = BatchSize::Adaptive(AdaptiveBatchSize::default());
        let mut sizing = Sizing::new(&BatchConfig::default().with_batch_size(adaptive), 1, now);
        let started = sizing.take_changed().map(|limits| limits.bytes);
        // The size is determined once the rate is known.
        sizing.observe_turn(now, 0, (0, 0));
        sizing.observe_turn(now + Duration::from_secs(1), 0, (1_000, 200_000));
        let failed_at = now + Duration::from_secs(2);
        sizing.observe_request(failed_at, (1_000, 200_000), ended(100, 60_000, false));
        let size = sizing.take_changed().map(|limits| limits.bytes);
        assert!(
            started > Some(30_000) && size <= Some(30_000) && size.is_some(),
            "{started:?} {size:?}"
        );
    }

    #[test]
    fn spans_in_the_queue_have_the_mean_size_of_the_last_request() {
        let mut sizing = Sizing::new(&BatchConfig::default(), 1, Instant::now());
        sizing.observe_request(Instant::now(), (0, 0), ended(10, 1_000, true));
        assert_eq!(sizing.span_bytes, 100);
        sizing.observe_request(Instant::now(), (0, 0), ended(0, 1_000, true));
        assert_eq!(sizing.span_bytes, 1_000);
    }

    #[test]
    fn an_algorithm_that_stays_retains_its_measurements() {
        let now = Instant::now();
        let config = BatchConfig::default().with_batch_size(BatchSize::Dynamic);
        let mut sizing = Sizing::new(&config, 1, now);
        let started = sizing.take_changed().map(|limits| limits.spans);
        sizing.observe_turn(now + Duration::from_secs(30), 0, (2_001, 0));
        let doubled = sizing.take_changed().map(|limits| limits.spans);
        assert_eq!((started, doubled), (Some(512), Some(1024)));
        sizing.set_config(&config.with_max_in_flight(3), now + Duration::from_secs(31));
        assert_eq!(sizing.take_changed().map(|limits| limits.spans), Some(1024));
    }
}
