//! Traces that are decided when their first span arrives, because the shard is short of space.

use spanwise_sampling::Threshold;
use spanwise_sampling::trace_state::OtMember;
use spanwise_wire::TraceId;
use spanwise_wire::read::SpanView;

use super::{GroupFields, Shard};
use crate::engine::decided_trace::{DecidedTrace, DecisionCause};
use crate::engine::output::TailOutput;
use crate::metrics::wrapped_seconds;
use crate::outgoing_trace_state::{ThresholdUpdate, randomness};
use crate::policy::Decision;

impl Shard {
    /// The threshold for a new trace, if it has to be decided at once.
    pub(super) fn stress(&mut self) -> Option<Threshold> {
        // Memory that is retained for the next spans is free.
        let used = self.span_memory().saturating_sub(self.store.spare_bytes());
        let memory = used as f64 / self.settings.span_bytes.max(1) as f64;
        let traces = self.table.len() as f64 / self.settings.num_traces.max(1) as f64;
        self.stress.as_mut()?.threshold(100.0 * memory.max(traces), self.now)
    }

    /// Decides the trace of a span by the span's randomness.
    pub(super) fn decide_at_once(
        &mut self,
        span: (&[u8], [u8; 16]),
        threshold: Threshold,
        fields: GroupFields<'_>,
        output: &mut dyn TailOutput,
    ) {
        let (bytes, trace_id) = span;
        let state = SpanView::parse(bytes).and_then(|view| view.trace_state()).unwrap_or_default();
        let member = OtMember::of_header(state).ok().flatten().unwrap_or_default();
        let decision = match threshold.keeps(randomness(&member, trace_id)) {
            true => Decision::Sampled,
            false => Decision::NotSampled,
        };
        self.recent = None;
        if decision == Decision::Sampled {
            let update = ThresholdUpdate::Compose(threshold);
            self.record_none();
            let group = self.group(fields);
            let outgoing = self.trace_states.update(bytes, trace_id, update);
            self.writer.push(group, outgoing, &mut self.groups, output);
            self.sampled.put(trace_id, None);
            self.sampled.set_decided(wrapped_seconds(self.now));
            self.sampled.set_update(update);
            self.counts.sampled_traces += 1;
            self.counts.sampled_spans += 1;
        } else {
            self.not_sampled.put(trace_id, None);
            self.not_sampled.set_decided(wrapped_seconds(self.now));
            self.counts.not_sampled_traces += 1;
            self.counts.not_sampled_spans += 1;
        }
        self.counts.received_spans += 1;
        self.counts.new_traces += 1;
        self.counts.stressed_traces += 1;
        output.decided(&DecidedTrace {
            trace_id: TraceId::from_bytes(trace_id),
            decision,
            policy: None,
            cause: DecisionCause::Stress,
            spans: 1,
        });
    }
}
