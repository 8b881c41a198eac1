//! The end of a span: nothing refers to it any more.

use super::open_span::{OpenGuard, Slot, State, Timings};
use super::open_spans::OpenSpans;
use opentelemetry::trace::Span as _;
use spanwise_sdk::__private::LayerSpan as _;
use spanwise_sdk::Span;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tracing_core::span::Id;

impl OpenSpans {
    /// Ends a span of a layer, at its last exit or, if it was never entered, now.
    #[inline]
    pub(crate) fn close(&self, id: &Id) {
        let id = id.into_u64();
        let mut in_map = None;
        let Some(slot) = self.table.find(id, &mut in_map) else { return };
        self.end(slot, slot.lock(), id);
    }

    /// Ends the span `id`, if the slot holds it.
    #[inline(always)]
    pub(super) fn end(&self, slot: &Slot, mut open: OpenGuard<'_>, id: u64) {
        if slot.id() != id {
            return;
        }
        let measures = self.options.tracked_inactivity | self.options.counted_events;
        let measured = measures.then(|| (open.timings, slot.take_events()));
        let exited_at = slot.exited_at();
        let (state, context) = slot.free(&mut open);
        drop(open);
        if slot.is_in_map() {
            self.table.remove_from_map(id);
        }
        let State::Started(mut span) = state else {
            return self.close_unstarted(state, exited_at, measured);
        };
        if let Some(measured) = measured {
            self.set_measured(&mut span, measured);
        }
        match exited_at {
            Some(at) => span.finish_at(at),
            None => span.finish(),
        }
        // Here, and not under the lock: its values may have destructors of the program.
        drop(context);
    }

    #[cold]
    #[inline(never)]
    fn close_unstarted(
        &self,
        state: State,
        exited_at: Option<u64>,
        measured: Option<(Timings, u64)>,
    ) {
        // The thread that starts the span ends it.
        let State::Unstarted(builder) = state else { return };
        let mut span = self.build(*builder);
        if let Some(measured) = measured {
            self.set_measured(&mut span, measured);
        }
        match exited_at {
            Some(at) => span.end_with_timestamp(system_time(at)),
            None => span.finish(),
        }
    }

    #[cold]
    fn set_measured(&self, span: &mut Span, (timings, events): (Timings, u64)) {
        if self.options.tracked_inactivity {
            set_timings(span, timings);
        }
        if self.options.counted_events {
            span.attribute("otel.tracing_event_count", i64::try_from(events).unwrap_or(i64::MAX));
        }
    }
}

fn set_timings(span: &mut Span, timings: Timings) {
    let nanos = |nanos: u64| i64::try_from(nanos).unwrap_or(i64::MAX);
    span.attribute("busy_ns", nanos(timings.busy)).attribute("idle_ns", nanos(timings.idle));
}

fn system_time(unix_nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(unix_nanos)
}
