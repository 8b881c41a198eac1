//! The spans of each trace that arrived.

use spanwise::sampling::Threshold;
use spanwise::wire::read::TraceRequest;
use std::collections::HashMap;

/// Numbers of spans by trace.
#[derive(Default)]
pub(super) struct Traces {
    spans: HashMap<u128, u64>,
    counted_roots: f64,
}

impl Traces {
    /// Counts the spans of a request.
    pub(super) fn count(&mut self, request: &[u8]) {
        for span in TraceRequest::new(request).spans().flatten() {
            let trace_id = span.trace_id().map(u128::from_be_bytes).unwrap_or_default();
            *self.spans.entry(trace_id).or_default() += 1;
            if span.is_root() {
                let threshold = span.trace_state().unwrap_or_default().strip_prefix("ot=th:");
                let count = threshold.and_then(Threshold::parse).map(Threshold::adjusted_count);
                self.counted_roots += count.unwrap_or(1.0);
            }
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.spans.len() as u64
    }

    pub(super) fn spans(&self) -> u64 {
        self.spans.values().sum()
    }

    /// The number of traces with this number of spans.
    pub(super) fn complete(&self, spans: u64) -> u64 {
        self.spans.values().filter(|&&found| found == spans).count() as u64
    }

    /// The number of roots that a backend counts by the thresholds.
    pub(super) fn counted_roots(&self) -> f64 {
        self.counted_roots
    }
}
