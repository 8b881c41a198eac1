//! Random trace and span ids.

use crate::record::SpanIds;
use opentelemetry::trace::SpanContext;
use spanwise_wire::{SpanId, TraceId};
use spanwise_worker::__private::Pcg;
use std::cell::Cell;

/// Random ids for a root span, never zero. `process` is the current
/// [`fork::generation`](spanwise_worker::fork::generation).
#[inline(always)]
fn trace_and_span_id(process: u32) -> (u128, u64) {
    with_generator(process, |generator| {
        let trace_id = u128::from(generator.next()) << 64 | u128::from(generator.next_id());
        (trace_id, generator.next_id())
    })
}

/// Ids for a span below `parent`: of its trace, or of a new one. `process` is as in
/// [`trace_and_span_id`].
#[inline(always)]
pub(super) fn below(parent: Option<&SpanContext>, process: u32) -> SpanIds {
    match parent {
        Some(parent) => SpanIds {
            trace_id: parent.trace_id().into(),
            span_id: SpanId(span_id(process)),
            parent_span_id: parent.span_id().into(),
        },
        None => {
            let (trace_id, span_id) = trace_and_span_id(process);
            SpanIds {
                trace_id: TraceId(trace_id),
                span_id: SpanId(span_id),
                parent_span_id: SpanId(0),
            }
        }
    }
}

/// A random span id, never zero. `process` is as in [`trace_and_span_id`].
#[inline(always)]
pub(super) fn span_id(process: u32) -> u64 {
    with_generator(process, Pcg::next_id)
}

thread_local! {
    // The type has no destructor, so a thread can generate ids until it ends. The fields are single
    // words, because a 16-byte load of two words that were just stored waits for the stores to retire.
    static STATE: [Cell<u64>; 2] = const { [const { Cell::new(0) }; 2] };
    /// [`fork::generation`](spanwise_worker::fork::generation) that the state was seeded in: a forked
    /// child seeds its own.
    static SEEDED_IN: Cell<u32> = const { Cell::new(NEVER) };
}

/// A generation that no process reaches.
const NEVER: u32 = u32::MAX;

#[inline(always)]
fn with_generator<T>(process: u32, draw: impl FnOnce(&mut Pcg) -> T) -> T {
    STATE.with(|[low, high]| {
        let mut generator = Pcg { state: u128::from(high.get()) << 64 | u128::from(low.get()) };
        if SEEDED_IN.get() != process {
            generator = Pcg::seeded();
            SEEDED_IN.set(process);
        }
        let drawn = draw(&mut generator);
        low.set(generator.state as u64);
        high.set((generator.state >> 64) as u64);
        drawn
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn threads_draw_different_ids() {
        let draw = || (0..1000).map(|_| trace_and_span_id(0)).collect::<Vec<_>>();
        let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(draw)).collect();
        let mut seen = HashSet::new();
        for thread in threads {
            for (trace, span) in thread.join().unwrap() {
                assert!(trace != 0 && span != 0);
                assert!(seen.insert(trace) && seen.insert(u128::from(span)));
            }
        }
    }
}
