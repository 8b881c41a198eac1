//! The way of a span: to its waiting trace, to a new one, or by the decision of its trace.

use super::{Destination, Shard};
use crate::engine::incoming_span::first_trace_id;

impl Shard {
    /// The way of a span of the trace.
    #[inline]
    pub(super) fn destination(&mut self, trace_id: [u8; 16]) -> Destination {
        // Senders finish the spans of a trace together: the next span is mostly one of the same trace.
        match self.recent {
            Some((recent, destination)) if recent == trace_id => destination,
            _ => self.look_up(trace_id),
        }
    }

    fn look_up(&mut self, trace_id: [u8; 16]) -> Destination {
        let destination = if let Some(slot) = self.table.find(trace_id) {
            Destination::Pending(slot)
        } else if self.sampled.get(trace_id).is_some() {
            Destination::Sampled
        } else if self.not_sampled.get(trace_id).is_some() {
            Destination::NotSampled
        } else {
            Destination::New
        };
        self.recent = Some((trace_id, destination));
        destination
    }

    /// As [`drops_late`](Self::drops_late), of an encoded span, of which nothing is read but an id at its start.
    #[inline]
    pub(crate) fn drops_late_span(&mut self, span: &[u8]) -> bool {
        first_trace_id(span).is_some_and(|trace_id| self.drops_late(*trace_id))
    }

    /// Counts a span of a trace that was decided and not sampled, unless such spans are forwarded.
    #[inline]
    pub(crate) fn drops_late(&mut self, trace_id: [u8; 16]) -> bool {
        if self.settings.dry_run || !matches!(self.destination(trace_id), Destination::NotSampled) {
            return false;
        }
        self.counts.received_spans += 1;
        self.counts.not_sampled_spans += 1;
        self.counts.late_not_sampled_spans += 1;
        self.metrics.late_span(self.now, self.not_sampled.decided());
        true
    }
}
