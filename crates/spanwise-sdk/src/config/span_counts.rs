//! Counts of spans: `maxQueueSize` and `maxExportBatchSize` of the batching processor.

use super::builder::SpanwiseBuilder;
use super::environment::Environment;
use super::error::BuildError;
use super::{ranges, settings};
use spanwise_batch::BatchPreset;

impl SpanwiseBuilder {
    /// The maximum queue size in spans; `None` without one.
    pub(super) fn resolve_queue_size(
        &self,
        environment: &Environment,
    ) -> Result<Option<usize>, BuildError> {
        ranges::QUEUE_SPANS.resolve(self.queue_size_in_code(), environment)
    }

    /// The queue size of the method, or of the preset.
    fn queue_size_in_code(&self) -> Option<usize> {
        self.in_code(self.max_queue_size, BatchPreset::max_queue_size)
    }

    /// The maximum number of spans of a request, at most the queue's (specification, *Batching processor*:
    /// "`maxExportBatchSize` […] must be smaller or equal to `maxQueueSize`").
    pub(super) fn resolve_export_batch_size(
        &self,
        environment: &Environment,
        queue: Option<usize>,
        default: usize,
    ) -> Result<usize, BuildError> {
        let max = queue.unwrap_or(usize::MAX);
        let range = ranges::REQUEST_SPANS;
        if let Some(spans) = self.max_export_batch_size {
            let spans = range.check(spans)?;
            if spans > max && self.queue_size_in_code().is_some() {
                let accepted = format!("accepted is at most with_max_queue_size, {max} spans");
                return Err(BuildError::setting("with_max_export_batch_size", spans, accepted));
            }
            if spans > max {
                let setting = "with_max_export_batch_size";
                environment.ignore(setting, &spans.to_string(), &at_most(QUEUE, max));
            }
            return Ok(spans.min(max));
        }
        if let Some((preset, _)) = self.selected_batch_preset() {
            return Ok(preset.max_export_batch_size().min(max));
        }
        let Some(spans) = range.from(environment) else { return Ok(default.min(max)) };
        if spans > max {
            let queue = if self.max_queue_size.is_some() { "with_max_queue_size" } else { QUEUE };
            environment.ignore(BATCH, &spans.to_string(), &at_most(queue, max));
        }
        Ok(spans.min(max))
    }
}

const QUEUE: &str = settings::MAX_QUEUE_SIZE.variable();
const BATCH: &str = settings::MAX_EXPORT_BATCH_SIZE.variable();

fn at_most(queue: &str, max: usize) -> String {
    format!("at most {queue}; a request has up to {max} spans")
}
