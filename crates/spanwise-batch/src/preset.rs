//! Settings of the batching processor by name.

use std::time::Duration;

/// Settings of the batching processor by name: batch size, delay, queue size and timeout.
///
/// | preset | `maxExportBatchSize` | `scheduledDelayMillis` | `maxQueueSize` | `exportTimeoutMillis` |
/// |---|---|---|---|---|
/// | [`LowLatency`](Self::LowLatency) | 100 | 1 s | – | – |
/// | [`Balanced`](Self::Balanced) | 500 | 5 s | – | – |
/// | [`HighThroughput`](Self::HighThroughput) | 2,000 | 10 s | – | – |
/// | [`Production`](Self::Production) | 1,000 | 5 s | 2,048 | – |
/// | [`Specification`](Self::Specification) | 512 | 5 s | 2,048 | 30 s |
///
/// A preset leaves a setting without a value (–) as it is. A request leaves once a batch of spans waits, or
/// when its oldest span has waited for the delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BatchPreset {
    /// Small requests, soon: for a developer who watches traces arrive, and for few spans.
    LowLatency,
    /// Requests of a usual size: for most services.
    Balanced,
    /// Large requests, seldom: for many spans and a distant receiver.
    HighThroughput,
    /// Large requests and a queue of 2,048 spans.
    Production,
    /// The defaults of the OpenTelemetry specification (*Batching processor*), which stock SDKs use.
    Specification,
}

impl BatchPreset {
    /// Every preset.
    pub const ALL: [BatchPreset; 5] = [
        Self::LowLatency,
        Self::Balanced,
        Self::HighThroughput,
        Self::Production,
        Self::Specification,
    ];

    /// The maximum number of spans of a request.
    pub const fn max_export_batch_size(self) -> usize {
        match self {
            Self::LowLatency => 100,
            Self::Balanced => 500,
            Self::HighThroughput => 2_000,
            Self::Production => 1_000,
            Self::Specification => 512,
        }
    }

    /// The longest time that a span waits for its request.
    pub const fn scheduled_delay(self) -> Duration {
        Duration::from_secs(match self {
            Self::LowLatency => 1,
            Self::Balanced | Self::Production | Self::Specification => 5,
            Self::HighThroughput => 10,
        })
    }

    /// The maximum number of spans that wait, if the preset sets it.
    pub const fn max_queue_size(self) -> Option<usize> {
        match self {
            Self::Production | Self::Specification => Some(2_048),
            _ => None,
        }
    }

    /// The timeout of a request with its retries, if the preset sets it.
    pub const fn export_timeout(self) -> Option<Duration> {
        match self {
            Self::Specification => Some(Duration::from_secs(30)),
            _ => None,
        }
    }
}
