//! The spans of long traces leave.

use super::Shard;
use crate::engine::long_traces::LongTrace;
use crate::engine::output::TailOutput;
use crate::engine::span_index::{Address, Header};

impl Shard {
    /// The spans of a decided trace with more than `max_spans` spans leave in portions, by later calls.
    pub(crate) fn set_long_traces(&mut self, max_spans: u64) {
        self.long_traces.max_spans = max_spans;
    }

    /// Whether spans of decided traces are to leave.
    pub(crate) fn has_long_traces(&self) -> bool {
        !self.long_traces.is_empty()
    }

    /// Their number is bounded, and with it the memory of the list.
    pub(super) fn make_space_for_long_trace(&mut self, output: &mut dyn TailOutput) {
        if self.long_traces.traces.len() >= MAX_LONG_TRACES {
            self.forward_long_traces(u64::MAX, output);
        }
    }

    pub(super) fn add_long_trace(&mut self, mut trace: LongTrace) {
        if trace.is_forwarded {
            // Charged to the spans until the last of them has left.
            trace.listed.reserve_exact(usize::try_from(trace.spans).unwrap_or_default());
        }
        self.long_traces.spans += trace.spans;
        self.long_traces.traces.push_back(trace);
    }

    /// Lists, forwards or frees up to `max_spans` spans.
    pub(crate) fn forward_long_traces(&mut self, max_spans: u64, output: &mut dyn TailOutput) {
        let mut left = max_spans;
        while left > 0
            && let Some(trace) = self.long_traces.traces.front_mut()
        {
            left -= 1;
            if trace.last != Address::NONE {
                let address = trace.last;
                let Header { group, previous, .. } = self.store.header(address);
                trace.last = previous;
                if trace.is_forwarded {
                    trace.listed.push(address);
                } else {
                    self.store.free(address);
                    self.groups.release(group, 1);
                    self.long_traces.spans -= 1;
                    let outcome = trace.outcome;
                    self.count_spans(outcome, 1);
                }
            } else if let Some(address) = trace.listed.last().copied() {
                let group = self.store.header(address).group;
                let span = self.store.span(address);
                let span = self.trace_states.update(span, trace.trace_id, trace.update);
                if self.settings.record_policy {
                    let (record, recorded) = &trace.record;
                    self.passing_record.clear();
                    let has_record = trace.listed.len() <= *recorded;
                    self.writer.set_record(if has_record { record } else { &self.passing_record });
                }
                self.writer.push(group, span, &mut self.groups, output);
                // Behind the output's call: after its panic, the span is forwarded by the next call.
                trace.listed.pop();
                self.long_traces.spans -= 1;
                self.store.free(address);
                self.groups.release(group, 1);
                let outcome = trace.outcome;
                self.count_forwarded(outcome);
            } else {
                self.long_traces.traces.pop_front();
            }
        }
    }
}

const MAX_LONG_TRACES: usize = 16;
