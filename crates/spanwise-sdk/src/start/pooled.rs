//! The start of a pooled span: the tracer decides as for any span, and writes ids and flags into it.

use super::decide::{StartSpan, decide, not_sampled};
use super::refusal::without_sampling;
use super::shedding::{Admission, Shedding};
use super::suppression::is_suppressed;
use super::tracer::Tracer;
use crate::core::Core;
use crate::record::{SpanStart, SpanTraceState};
use opentelemetry::trace::SpanContext;
use spanwise_pool::PooledSpan;
use spanwise_sampling::trace_state::OT;
use spanwise_wire::{OwnedValue, SpanKind};
use spanwise_worker::clock;

impl Tracer {
    /// Starts a span in `span`: resets it, sets its ids, the sampler's flag and trace state, and a start
    /// time. Returns whether it is recorded: sampled, or any span with tail sampling. An invalid parent makes
    /// a new trace.
    ///
    /// While the queue is full ([`OnFull::Drop`](crate::OnFull::Drop)) or sheds traces
    /// ([`OnFull::ShedByTrace`](crate::OnFull::ShedByTrace)), it refuses spans that the sampler samples:
    /// their flag is off, the method returns false, and `finish_pooled` counts them as dropped.
    ///
    /// The ledger counts the span in [`finish_pooled`](Self::finish_pooled), and not before: a span that
    /// returns to its pool instead is not counted.
    pub fn start_pooled(
        &self,
        span: &mut PooledSpan,
        name: &str,
        kind: SpanKind,
        parent: Option<&SpanContext>,
    ) -> bool {
        span.reset();
        span.name.push_str(name);
        span.kind = kind;
        if !self.core.generates_ids() {
            self.provider.not_recorded();
            return false;
        }
        let parameters = self.parameters(name, kind, parent);
        if is_suppressed() {
            span.start(not_sampled(&self.core, parameters))
        } else {
            decide(&self.core, parameters, Pooled { span, core: &self.core, parent })
        }
    }
}

/// Starts a pooled span, unless the queue refuses or sheds it.
struct Pooled<'a> {
    span: &'a mut PooledSpan,
    core: &'a Core,
    parent: Option<&'a SpanContext>,
}

impl StartSpan for Pooled<'_> {
    type Started = bool;

    fn start(self, start: SpanStart<'_>) -> bool {
        let Self { span, core, parent } = self;
        (span.is_refused, span.is_recorded) = (false, false);
        let is_sampled = start.flags.is_sampled();
        if core.queue.is_accepting() || !(is_sampled || core.records_all) {
            return span.start(start);
        }
        if !is_sampled {
            span.is_recorded = core.is_running()
                && match core.queue.sheds_by_trace() {
                    true => Shedding::new(core, parent).admits_unsampled(&start),
                    false => !core.queue.is_refusing(),
                };
            return span.start(start.recorded_locally()) || span.is_recorded;
        }
        let admission = if core.queue.sheds_by_trace() {
            Shedding::new(core, parent).admit(start)
        } else if core.queue.is_refusing() {
            Admission::Shed(without_sampling(start))
        } else {
            Admission::Recorded(start)
        };
        match admission {
            Admission::Recorded(start) => span.start(start),
            Admission::Shed(start) => {
                span.is_refused = true;
                span.start(start)
            }
        }
    }
}

impl StartSpan for &mut PooledSpan {
    /// Whether the span is sampled.
    type Started = bool;

    fn start(self, start: SpanStart<'_>) -> bool {
        self.trace_id = start.ids.trace_id;
        self.span_id = start.ids.span_id;
        self.parent_span_id = start.ids.parent_span_id;
        self.parent_is_remote = start.parent_is_remote;
        self.trace_flags = start.flags.into();
        match start.trace_state {
            SpanTraceState::None => {}
            SpanTraceState::Threshold(threshold) => {
                self.trace_state.extend([OT, "=th:", &threshold.text()]);
            }
            SpanTraceState::Other(trace_state) => self.trace_state.push_str(&trace_state.header()),
        }
        for (key, value) in start.annotations.into_iter().flat_map(|it| it.attributes()) {
            self.set_attribute(key.to_owned(), OwnedValue::from(value));
        }
        // The clock is read last, so that the work above does not count as the user's.
        let now = clock::start();
        self.start_unix_nanos = now.unix_nanos;
        self.clock_start = [now.ticks, now.unix_nanos];
        start.flags.is_sampled()
    }
}
