//! The spans of each trace that the receiver got, of a sample of all traces.

use spanwise::wire::read::TraceRequest;
use std::collections::HashMap;

/// Numbers of spans by trace.
#[derive(Default)]
pub(super) struct Traces {
    spans: HashMap<u128, u64>,
}

impl Traces {
    /// Counts the spans of a request.
    pub(super) fn count(&mut self, request: &[u8]) {
        for span in TraceRequest::new(request).spans().flatten() {
            let trace_id = span.trace_id().map(u128::from_be_bytes).unwrap_or_default();
            // By the first bits, because a queue that sheds decides by the last ones.
            if trace_id >> SAMPLED_BITS == 0 {
                *self.spans.entry(trace_id).or_default() += 1;
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The number of traces with this number of spans.
    pub(super) fn complete(&self, spans: u64) -> usize {
        self.spans.values().filter(|&&found| found == spans).count()
    }
}

/// One trace in 64 is counted: a table of all would be large.
const SAMPLED_BITS: u32 = 128 - 6;
