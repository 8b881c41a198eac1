//! The settings of batching as one value.

use crate::error::BatchConfigError;
use spanwise_batch::{AdaptiveBatchSize, BatchLimits, BatchPreset, BatchSize, FlushScheduleConfig};
use spanwise_wire::RequestLimits;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The settings of batching, all of which can be replaced while the exporter runs: see
/// [`DynamicBatchConfig`](crate::DynamicBatchConfig).
///
/// Four settings stay as they were built: the byte budget with the slots and chunk bytes that divide it, and
/// the timeouts of the transport.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BatchConfig {
    /// The maximum number of spans of a request (`OTEL_BSP_MAX_EXPORT_BATCH_SIZE`): 1 to 1,048,576, at most
    /// `max_queue_size`. Below the default of 8,192, a request also leaves once this number of spans waits, or
    /// half of `max_queue_size`.
    pub max_export_batch_size: usize,
    /// The maximum bytes of a request: 64 KiB to 3.75 MiB, which is the default.
    pub max_request_bytes: usize,
    /// The longest time that a span waits before it is sent (`OTEL_BSP_SCHEDULE_DELAY`): 1 ms to 30 days,
    /// default 1 s.
    pub scheduled_delay: Duration,
    /// The maximum number of spans that may wait for a request, beside the byte budget
    /// (`OTEL_BSP_MAX_QUEUE_SIZE`): 16 to 16,777,216. Default none: only bytes count.
    pub max_queue_size: Option<usize>,
    /// The maximum number of requests in flight at once: 1 to 64, default 4.
    pub max_in_flight: usize,
    /// The algorithm that determines the size of batches within `max_export_batch_size`. Default none: the
    /// size is fixed.
    pub batch_size: Option<BatchSize>,
    /// The time for which the exporter holds back a drained chunk before it frames the chunk: up to 30 days,
    /// default 0. See [`HoldBack`](crate::HoldBack).
    pub hold_back: Duration,
}

impl Default for BatchConfig {
    fn default() -> Self {
        let RequestLimits { max_bytes, max_spans, .. } = RequestLimits::default();
        Self {
            max_export_batch_size: max_spans,
            max_request_bytes: max_bytes,
            scheduled_delay: Duration::from_secs(1),
            max_queue_size: None,
            max_in_flight: 4,
            batch_size: None,
            hold_back: Duration::ZERO,
        }
    }
}

impl BatchConfig {
    /// Sets the batch size, the delay and the queue size: none if the preset has none.
    pub fn with_preset(mut self, preset: BatchPreset) -> Self {
        self.max_export_batch_size = preset.max_export_batch_size();
        self.scheduled_delay = preset.scheduled_delay();
        self.max_queue_size = preset.max_queue_size();
        self
    }

    /// Sets [`max_export_batch_size`](Self::max_export_batch_size).
    pub fn with_max_export_batch_size(mut self, spans: usize) -> Self {
        self.max_export_batch_size = spans;
        self
    }

    /// Sets [`max_request_bytes`](Self::max_request_bytes).
    pub fn with_max_request_bytes(mut self, bytes: usize) -> Self {
        self.max_request_bytes = bytes;
        self
    }

    /// Sets [`scheduled_delay`](Self::scheduled_delay).
    pub fn with_scheduled_delay(mut self, delay: Duration) -> Self {
        self.scheduled_delay = delay;
        self
    }

    /// Sets [`max_queue_size`](Self::max_queue_size); `None` limits only bytes.
    pub fn with_max_queue_size(mut self, spans: impl Into<Option<usize>>) -> Self {
        self.max_queue_size = spans.into();
        self
    }

    /// Sets [`max_in_flight`](Self::max_in_flight).
    pub fn with_max_in_flight(mut self, requests: usize) -> Self {
        self.max_in_flight = requests;
        self
    }

    /// Sets [`batch_size`](Self::batch_size); `None` is a fixed size.
    pub fn with_batch_size(mut self, size: impl Into<Option<BatchSize>>) -> Self {
        self.batch_size = size.into();
        self
    }

    /// Sets [`hold_back`](Self::hold_back).
    pub fn with_hold_back(mut self, time: Duration) -> Self {
        self.hold_back = time;
        self
    }

    /// Checks each setting, and those that depend on others: for requests with a resource of `resource` bytes.
    pub(crate) fn check(&self, resource: usize) -> Result<(), BatchConfigError> {
        let batch = self.max_export_batch_size;
        if let Some(queue) = self.max_queue_size {
            // First, because a default batch adapts to the queue.
            number("with_max_queue_size", queue, 16..=1 << 24, "spans")?;
        }
        number("with_max_export_batch_size", batch, 1..=1 << 20, "spans")?;
        // A resource takes at most an eighth of a request.
        let least = (8 * resource as u64).max(64 << 10);
        number("with_max_request_bytes", self.max_request_bytes, least..=3_932_160, "bytes")?;
        duration("with_scheduled_delay", self.scheduled_delay, FlushScheduleConfig::MIN_DELAY)?;
        number("with_max_in_flight", self.max_in_flight, 1..=64, "requests")?;
        duration("with_hold_back", self.hold_back, Duration::ZERO)?;
        self.batch_size.map_or(Ok(()), size)?;
        match self.max_queue_size {
            Some(queue) if batch > queue => {
                let accepted = format!("at most with_max_queue_size, {queue} spans");
                let setting = "with_max_export_batch_size";
                Err(BatchConfigError::new(setting, batch.to_string(), accepted))
            }
            _ => Ok(()),
        }
    }

    /// Whether a request leaves once a batch of spans waits. Not with the default size or that of the queue,
    /// because most requests of that size leave for their bytes, and a wake-up for each costs more than its
    /// latency gains.
    pub(crate) fn counts_spans(&self) -> bool {
        let default = RequestLimits::default().max_spans;
        let most = self.max_queue_size.map_or(default, |queue| queue.min(default));
        self.batch_size.is_some() || self.max_export_batch_size < most
    }
}

/// Checks a number of the builder.
pub(crate) fn number(
    setting: &'static str,
    value: usize,
    accepted: RangeInclusive<u64>,
    unit: &str,
) -> Result<(), BatchConfigError> {
    if accepted.contains(&(value as u64)) {
        return Ok(());
    }
    let accepted = format!("{} to {} {unit}", accepted.start(), accepted.end());
    Err(BatchConfigError::new(setting, value.to_string(), accepted))
}

fn duration(
    setting: &'static str,
    value: Duration,
    least: Duration,
) -> Result<(), BatchConfigError> {
    if (least..=FlushScheduleConfig::MAX_DELAY).contains(&value) {
        return Ok(());
    }
    let accepted = match least.is_zero() {
        true => "0 to 30 days",
        false => "1 ms to 30 days",
    };
    Err(BatchConfigError::new(setting, format!("{value:?}"), accepted.to_owned()))
}

/// Checks the numbers of a batch size, which a `BatchSizer` on its own would raise to the nearest valid ones.
fn size(size: BatchSize) -> Result<(), BatchConfigError> {
    let (given, accepted) = match size {
        BatchSize::Fixed(BatchLimits { spans, bytes }) if spans == 0 || bytes == 0 => {
            (format!("Fixed with {spans} spans and {bytes} bytes"), "at least 1 span and 1 byte")
        }
        BatchSize::Adaptive(AdaptiveBatchSize { max_spans: 0, .. }) => {
            ("Adaptive with max_spans 0".to_owned(), "at least 1 span")
        }
        BatchSize::Adaptive(AdaptiveBatchSize { min_bytes, max_bytes, .. })
            if min_bytes == 0 || max_bytes < min_bytes =>
        {
            let given = format!("Adaptive with min_bytes {min_bytes} and max_bytes {max_bytes}");
            (given, "min_bytes of at least 1, and max_bytes of at least min_bytes")
        }
        _ => return Ok(()),
    };
    Err(BatchConfigError::new("with_batch_size", given, accepted.to_owned()))
}
