//! Decided traces of many spans, whose spans leave in portions between the requests of other traces.

use std::collections::VecDeque;

use super::counts::SpanOutcome;
use super::policy_record::PolicyRecord;
use super::span_index::Address;
use crate::outgoing_trace_state::ThresholdUpdate;

/// The traces in the order of their decisions.
#[derive(Debug)]
pub(crate) struct LongTraces {
    pub(crate) traces: VecDeque<LongTrace>,
    /// Spans that have not left.
    pub(crate) spans: u64,
    /// A trace with more spans is long.
    pub(crate) max_spans: u64,
}

#[derive(Debug)]
pub(crate) struct LongTrace {
    pub(crate) trace_id: [u8; 16],
    pub(crate) update: ThresholdUpdate,
    pub(crate) outcome: SpanOutcome,
    pub(crate) is_forwarded: bool,
    /// The record of its spans, and the number of those with it, which arrived last.
    pub(crate) record: (PolicyRecord, usize),
    /// Number of spans.
    pub(crate) spans: u64,
    /// The last span that is not listed.
    pub(crate) last: Address,
    /// A trace that is forwarded is listed first: spans know the one before, and leave in the order of their arrival.
    pub(crate) listed: Vec<Address>,
}

impl LongTraces {
    /// No trace is long.
    pub(crate) fn none() -> Self {
        Self { traces: VecDeque::new(), spans: 0, max_spans: u64::MAX }
    }

    pub(crate) fn is_long(&self, spans: u64) -> bool {
        spans > self.max_spans
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.traces.is_empty()
    }
}
