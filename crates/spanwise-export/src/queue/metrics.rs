//! The metrics of the queue and of its exporter.

use super::SpanQueue;
use crate::metrics::ExportMetrics;
use spanwise_batch::ChunkCounts;
use spanwise_ledger::Snapshot;
use spanwise_metrics::{HistogramRecorder, Metric};

impl SpanQueue {
    /// The metrics of the exporter that drains the queue.
    pub(crate) fn with_metrics(self, metrics: ExportMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// The metrics of the queue and of its exporter: `otel.sdk.processor.*` and `otel.sdk.exporter.*` of the semantic conventions,
    /// durations, bytes, and the reuse of memory. `account` is a snapshot of the [ledger](Self::ledger).
    ///
    /// # Cost
    /// Takes no lock. It holds each slot of the queue for an instant, as a drain does.
    pub fn metrics(&self, account: &Snapshot) -> Vec<Metric> {
        self.metrics.collect(self, account)
    }

    /// Bytes of requests and chunks so far that were allocated, because no pool had memory for them.
    pub fn allocated_bytes(&self) -> u64 {
        self.metrics.allocated_bytes(self)
    }

    /// Spans that wait in the queue: ended, and not drained.
    pub fn waiting_spans(&self) -> usize {
        self.buffer.waiting_spans()
    }

    /// The maximum number of spans that may wait, if there is one.
    pub(crate) fn max_queue_size(&self) -> Option<usize> {
        self.buffer.config().max_queue_size
    }

    /// Bytes of full chunks and requests, and the most that they may be for another chunk to be opened.
    pub(crate) fn usage_bytes(&self) -> [usize; 2] {
        self.buffer.usage_bytes()
    }

    pub(crate) fn chunk_counts(&self) -> ChunkCounts {
        self.buffer.chunk_counts()
    }

    pub(crate) fn stalls(&self) -> &Option<HistogramRecorder> {
        &self.stalls
    }
}
