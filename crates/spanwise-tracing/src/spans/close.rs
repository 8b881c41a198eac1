//! The end of a span: nothing refers to it any more.

use super::open_span::{State, Timings};
use super::open_spans::OpenSpans;
use opentelemetry::trace::Span as _;
use spanwise_sdk::__private::LayerSpan as _;
use spanwise_sdk::Span;
use std::mem;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tracing_core::span::Id;

impl OpenSpans {
    /// Ends a span, at its last exit or, if it was never entered, now.
    #[inline]
    pub(crate) fn close(&self, id: &Id) {
        let measures = self.options.tracked_inactivity | self.options.counted_events;
        let mut measured = None;
        let closed = self.table.remove(id.into_u64(), |slot, open| {
            if measures {
                measured = Some((open.timings, slot.take_events()));
            }
            let state = mem::replace(&mut open.state, State::Free);
            (state, open.context.take(), slot.exited_at())
        });
        // The context is dropped at the end of this function: its values may have destructors of the program.
        let Some((state, _context, exited_at)) = closed else { return };
        match state {
            State::Started(mut span) => {
                if let Some(measured) = measured {
                    self.set_measured(&mut span, measured);
                }
                match exited_at {
                    Some(at) => span.finish_at(at),
                    None => span.finish(),
                }
            }
            State::Unstarted(builder) => {
                let mut span = self.build(*builder);
                if let Some(measured) = measured {
                    self.set_measured(&mut span, measured);
                }
                match exited_at {
                    Some(at) => span.end_with_timestamp(system_time(at)),
                    None => span.finish(),
                }
            }
            // The thread that starts the span ends it.
            State::Starting(_) | State::Free => {}
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
