//! The settings of batching in code.

use super::builder::SpanwiseBuilder;
use spanwise_batch::{BatchPreset, BatchSize};
use std::time::Duration;

/// Batching: each of these settings but the preset can change while the provider runs
/// ([`Spanwise::batching`](crate::Spanwise::batching)).
impl SpanwiseBuilder {
    /// Settings of batching by name: batch size, delay and, if the preset has them, queue size and export
    /// timeout. A method that sets one of them precedes the preset, in whatever order they are called; the
    /// preset precedes the variables, as it is code.
    ///
    /// ```
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::{BatchPreset, Spanwise};
    ///
    /// fn main() -> Result<(), spanwise::BuildError> {
    ///     // The defaults of the specification: 512 spans, 5 s, 2,048 spans, 30 s.
    ///     let builder = Spanwise::builder().with_batch_preset(BatchPreset::Specification);
    ///     let spanwise = builder.with_max_queue_size(10_000).build()?;
    ///     assert_eq!(spanwise.batching().load().max_export_batch_size, 512);
    ///     Ok(())
    /// }
    /// ```
    pub fn with_batch_preset(mut self, preset: BatchPreset) -> Self {
        self.batch_preset = Some(preset);
        self
    }

    /// The scheduled delay: the time an ended span waits at most before it is sent (`OTEL_BSP_SCHEDULE_DELAY`).
    /// Default 1 s, 1 ms to 30 days.
    pub fn with_scheduled_delay(mut self, delay: Duration) -> Self {
        self.scheduled_delay = Some(delay);
        self
    }

    /// The largest size of a request in bytes: at most 3.75 MiB, which is the default. Receivers reject gRPC
    /// messages above 4 MiB.
    pub fn with_max_request_bytes(mut self, bytes: usize) -> Self {
        self.max_request_bytes = Some(bytes);
        self
    }

    /// The largest number of spans of a request (`OTEL_BSP_MAX_EXPORT_BATCH_SIZE`). Default 8,192, 1 to
    /// 1,048,576, at most the queue size. With a smaller number than the default, a request also leaves once
    /// that number of spans waits, or half of the queue.
    pub fn with_max_export_batch_size(mut self, spans: usize) -> Self {
        self.max_export_batch_size = Some(spans);
        self
    }

    /// The maximum queue size in spans (`OTEL_BSP_MAX_QUEUE_SIZE`), 16 to 16,777,216, beside the byte budget.
    /// A full queue refuses and drops spans as `queue_full`, or the caller waits, as [`with_on_full`](Self::with_on_full)
    /// sets. Default no limit: only bytes count.
    ///
    /// A span counts from its end until it is in a request. Open chunks reserve slots for spans that have
    /// not ended yet: several threads can use at least half of the limit, a single thread all of it. A
    /// request has at most this number of spans.
    pub fn with_max_queue_size(mut self, spans: usize) -> Self {
        self.max_queue_size = Some(spans);
        self
    }

    /// The largest number of requests in flight, and so of connections over HTTP/1.1. Default 4, 1 to 64.
    ///
    /// In a container with less than one processor the default is four for each processor, rounded up: 2 for half
    /// of one. The provider reports it. The limit is that of the control group (versions 1 and 2), or
    /// `resources.cpu_limit` of a configuration file.
    pub fn with_max_in_flight(mut self, requests: usize) -> Self {
        self.max_in_flight = Some(requests);
        self
    }

    /// The algorithm that determines the size of batches, within the largest number of spans and bytes of a
    /// request. Default none: the size is fixed.
    ///
    /// ```
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::{BatchSize, Spanwise};
    ///
    /// fn main() -> Result<(), spanwise::BuildError> {
    ///     // Doubles and halves with the length of the queue, with the queue and the delay meant for it.
    ///     let _spanwise = Spanwise::builder()
    ///         .with_batch_size(BatchSize::Dynamic)
    ///         .with_max_queue_size(BatchSize::DYNAMIC_QUEUE_SIZE)
    ///         .with_scheduled_delay(BatchSize::DYNAMIC_DELAY)
    ///         .build()?;
    ///     Ok(())
    /// }
    /// ```
    pub fn with_batch_size(mut self, size: BatchSize) -> Self {
        self.batch_size = Some(size);
        self
    }

    /// The time for which the exporter holds ended spans back, beside the scheduled delay, before it frames
    /// them as requests. Default 0, at most 30 days. A flush, a shutdown and a full queue release them.
    pub fn with_hold_back(mut self, time: Duration) -> Self {
        self.hold_back = Some(time);
        self
    }

    /// The setting in code: `given` by its method, otherwise that of the preset.
    ///
    /// The exporter's builder has presets too. It cannot resolve this one, because the variables come between the
    /// preset and its defaults.
    pub(super) fn in_code<T>(
        &self,
        given: Option<T>,
        of_preset: fn(BatchPreset) -> Option<T>,
    ) -> Option<T> {
        given.or_else(|| of_preset(self.selected_batch_preset()?.0))
    }
}
