//! The settings of batching that a builder was given.

use crate::batch_config::BatchConfig;
use spanwise_batch::{BatchPreset, BatchSize};
use std::time::Duration;

/// The settings of batching that a builder was given: a method precedes the preset, in whatever order they
/// were called, and the preset precedes the default.
#[derive(Debug, Clone, Default)]
pub(crate) struct BatchOverrides {
    pub(crate) preset: Option<BatchPreset>,
    pub(crate) max_export_batch_size: Option<usize>,
    pub(crate) max_request_bytes: Option<usize>,
    pub(crate) scheduled_delay: Option<Duration>,
    pub(crate) max_queue_size: Option<usize>,
    pub(crate) max_in_flight: Option<usize>,
    pub(crate) batch_size: Option<BatchSize>,
    pub(crate) hold_back: Option<Duration>,
}

impl BatchOverrides {
    pub(crate) fn resolve(&self) -> BatchConfig {
        let mut config = BatchConfig::default();
        if let Some(preset) = self.preset {
            config = config.with_preset(preset);
        }
        config.max_queue_size = self.max_queue_size.or(config.max_queue_size);
        let queue = config.max_queue_size.unwrap_or(usize::MAX);
        // A default or a preset's batch adapts to the queue; a batch in code above it is an error.
        let batch = config.max_export_batch_size.min(queue);
        config.max_export_batch_size = self.max_export_batch_size.unwrap_or(batch);
        config.max_request_bytes = self.max_request_bytes.unwrap_or(config.max_request_bytes);
        config.scheduled_delay = self.scheduled_delay.unwrap_or(config.scheduled_delay);
        config.max_in_flight = self.max_in_flight.unwrap_or(config.max_in_flight);
        config.batch_size = self.batch_size.or(config.batch_size);
        config.hold_back = self.hold_back.unwrap_or(config.hold_back);
        config
    }
}
