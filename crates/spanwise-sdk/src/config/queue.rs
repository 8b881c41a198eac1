//! Counts of spans: how many may wait, and how many a request may have.

use super::environment::Environment;
use super::{BuildError, SpanwiseBuilder, ranges};

impl SpanwiseBuilder {
    /// Spans that may wait; `None`: only their bytes count.
    pub(super) fn resolve_queue_size(
        &self,
        environment: &Environment,
    ) -> Result<Option<usize>, BuildError> {
        let range = ranges::QUEUE_SPANS;
        match self.max_queue_size {
            Some(spans) => range.check(spans).map(Some),
            None => Ok(range.from(environment, &[QUEUE])),
        }
    }

    /// Spans of a request at most: no more than may wait (specification, *Batching processor*:
    /// "`maxExportBatchSize` […] must be smaller or equal to `maxQueueSize`").
    pub(super) fn resolve_request_spans(
        &self,
        environment: &Environment,
        queue: Option<usize>,
        default: usize,
    ) -> Result<usize, BuildError> {
        let most = queue.unwrap_or(usize::MAX);
        let range = ranges::REQUEST_SPANS;
        if let Some(spans) = self.max_request_spans {
            let spans = range.check(spans)?;
            if spans > most && self.max_queue_size.is_some() {
                let accepted = format!("accepted is at most with_max_queue_size, {most} spans");
                return Err(BuildError::setting("with_max_export_batch_size", spans, accepted));
            }
            if spans > most {
                let setting = "with_max_export_batch_size";
                environment.ignore(setting, &spans.to_string(), &at_most(QUEUE, most));
            }
            return Ok(spans.min(most));
        }
        let Some(spans) = range.from(environment, &[BATCH]) else { return Ok(default.min(most)) };
        if spans > most {
            let queue = if self.max_queue_size.is_some() { "with_max_queue_size" } else { QUEUE };
            environment.ignore(BATCH, &spans.to_string(), &at_most(queue, most));
        }
        Ok(spans.min(most))
    }
}

fn at_most(queue: &str, most: usize) -> String {
    format!("at most {queue}; a request has up to {most} spans")
}

const QUEUE: &str = "OTEL_BSP_MAX_QUEUE_SIZE";
const BATCH: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
