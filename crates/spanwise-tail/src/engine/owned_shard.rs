//! A shard that one thread owns.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::divided_request::{DividedRequest, SpanPlace};
use super::output::TailOutput;
use super::shard::Shard;

/// A shard with its time. It takes a request in portions, so that no request delays a decision by more than one of them.
pub(crate) struct OwnedShard {
    pub(crate) shard: Shard,
    origin: Instant,
}

impl OwnedShard {
    pub(crate) fn new(mut shard: Shard, origin: Instant) -> Self {
        shard.set_long_traces(MAX_PORTION_SPANS as u64);
        Self { shard, origin }
    }

    /// Decides the traces that are due, and takes the next spans of `list` from `position`, which moves behind them; returns false if the
    /// shard is full and blocks.
    pub(crate) fn append(
        &mut self,
        now: Instant,
        (request, list): (&DividedRequest, &[SpanPlace]),
        position: &mut usize,
        output: &mut dyn TailOutput,
    ) -> bool {
        self.shard.begin(self.since(now));
        self.shard.decide_due(output);
        let end = list.len().min(position.saturating_add(MAX_PORTION_SPANS));
        let mut previous = position.checked_sub(1).and_then(|index| list.get(index)).copied();
        let mut is_taken = true;
        while let Some(place) = list.get(*position..end).and_then(<[_]>::first).copied() {
            if let Some(previous) = previous
                && !DividedRequest::is_same_group(previous, place)
            {
                self.shard.close_group();
                if !request.is_same_resource(previous, place) {
                    self.shard.end_resource(output);
                }
            }
            let span = request.span(place);
            let is_late = span.trace_id().is_ok_and(|trace_id| self.shard.drops_late(trace_id));
            if !is_late && self.shard.take_span(span, request.fields(place), output).is_err() {
                is_taken = false;
                break;
            }
            previous = Some(place);
            *position += 1;
        }
        // Few spans at a time: the requests that wait are not delayed by all spans of a long trace.
        self.shard.forward_long_traces(LONG_TRACE_SPANS, output);
        if *position == list.len() {
            self.shard.end_request(output);
        } else {
            self.shard.pause_request(output);
        }
        is_taken
    }

    /// Decides the traces that are due.
    pub(crate) fn tick(&mut self, now: Instant, output: &mut dyn TailOutput) {
        self.shard.begin(self.since(now));
        self.shard.forward_long_traces(MAX_PORTION_SPANS as u64, output);
        self.shard.tick(output);
    }

    /// Whether spans of decided traces are to leave, by further ticks.
    pub(crate) fn has_long_traces(&self) -> bool {
        self.shard.has_long_traces()
    }

    /// The time of the next tick that decides a trace; `None` without undecided traces.
    pub(crate) fn next_tick(&mut self) -> Option<Instant> {
        self.shard.next_deadline().and_then(|deadline| self.origin.checked_add(deadline))
    }

    /// Decides or drops all traces; drops them from the moment on when `discards` is set.
    pub(crate) fn shutdown(
        &mut self,
        now: Instant,
        output: &mut dyn TailOutput,
        discards: &AtomicBool,
    ) {
        self.shard.begin(self.since(now));
        self.shard.shutdown(output, discards);
    }

    fn since(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.origin)
    }
}

/// The spans of long traces that leave after a portion of a request.
const LONG_TRACE_SPANS: u64 = 128;
/// The most spans between two looks at the time: some 0.2 ms. The spans of a longer trace leave in portions.
const MAX_PORTION_SPANS: usize = 1_024;
