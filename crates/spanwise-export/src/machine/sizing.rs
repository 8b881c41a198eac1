//! The size of batches: fixed, or determined by an algorithm that observes the export.

use crate::batch_config::BatchConfig;
use spanwise_batch::{BatchLimits, BatchObservation, BatchSizer, RequestObservation};
use std::time::Instant;

/// The limits of the next batch within those of the settings.
pub(super) struct Sizing {
    /// `None`: the size is fixed.
    sizer: Option<BatchSizer>,
    /// The limits of the settings.
    most: BatchLimits,
    /// Whether a request leaves once a batch of spans waits.
    counts_spans: bool,
    /// The limits that were applied last.
    applied: Option<BatchLimits>,
}

impl Sizing {
    pub(super) fn new(config: &BatchConfig, now: Instant) -> Self {
        let sizer = config.batch_size.map(|setting| BatchSizer::new(setting, now));
        let mut most = BatchLimits::spans(config.max_export_batch_size);
        most.bytes = config.max_request_bytes;
        Self { sizer, most, counts_spans: config.counts_spans(), applied: None }
    }

    /// Replaces the settings. An algorithm that stays retains its measurements.
    pub(super) fn set_config(&mut self, config: &BatchConfig, now: Instant) {
        let before = self.sizer.take();
        *self = Self::new(config, now);
        if let (Some(mut sizer), Some(setting)) = (before, config.batch_size) {
            sizer.set(setting, now);
            self.sizer = Some(sizer);
        }
    }

    /// Whether a request leaves once a batch of spans waits.
    pub(super) fn counts_spans(&self) -> bool {
        self.counts_spans
    }

    /// The most bytes of a request.
    pub(super) fn max_request_bytes(&self) -> usize {
        self.most.bytes
    }

    /// Whether an algorithm observes the export.
    pub(super) fn is_dynamic(&self) -> bool {
        self.sizer.is_some()
    }

    pub(super) fn observe(
        &mut self,
        now: Instant,
        (spans, bytes): (u64, u64),
        request: Option<RequestObservation>,
    ) {
        if let Some(sizer) = &mut self.sizer {
            let mut observation = BatchObservation::default();
            (observation.backlog_spans, observation.backlog_bytes) = (spans, bytes);
            observation.request = request;
            sizer.observe(now, &observation);
        }
    }

    /// The limits, if they are not those that were returned last.
    pub(super) fn take_changed(&mut self) -> Option<BatchLimits> {
        let limits = self.sizer.as_ref().map_or(self.most, |sizer| sizer.limits().min(self.most));
        (self.applied.replace(limits) != Some(limits)).then_some(limits)
    }
}
