//! The threads that start and end spans.

use super::World;
use crate::account::Stage;
use crate::otlp::{trace_id, write_span};
use crate::violation::{Checked, require};
use spanwise_batch::__private::set_local_slot;
use spanwise_export::sans_io::QueueLevel;
use spanwise_ledger::{DropReason, Snapshot};
use spanwise_wire::write::FinishedSpan;
use spanwise_wire::{SpanId, SpanMeta, TraceId};

impl World {
    /// Some spans of some threads.
    pub(super) fn make_spans(&mut self, most: u64) -> Checked {
        let count = self.random.scaled(1, most);
        let thread = self.random.below(self.scenario.threads as u64) as usize;
        self.line(format_args!("thread {thread} makes {count} spans"));
        set_local_slot(thread % self.scenario.slots);
        for _ in 0..count {
            if let Some(id) = self.start_span()? {
                match self.random.one_in(12) {
                    true => self.open.push(id),
                    false => self.end_span(id)?,
                }
            }
        }
        self.check()
    }

    /// Ends some spans that started before.
    pub(super) fn end_open_spans(&mut self) -> Checked {
        let count = self.random.below(self.open.len() as u64 + 1) as usize;
        self.line(format_args!("{count} open spans end"));
        for id in self.open.split_off(self.open.len() - count) {
            let thread = self.random.below(self.scenario.threads as u64) as usize;
            set_local_slot(thread % self.scenario.slots);
            self.end_span(id)?;
        }
        self.check()
    }

    /// Starts a span as a tracer does. `None`: the queue refused it.
    fn start_span(&mut self) -> Checked<Option<u64>> {
        let len = self.draw_len();
        let scope = self.random.below(self.scenario.scopes as u64) as usize;
        if self.sheds() {
            return self.start_in_trace(len, scope);
        }
        let is_accepting = self.queue.is_accepting();
        require(!is_accepting || !self.is_child, "a forked child starts no span", String::new)?;
        // A tracer of another library pushes without a look at `is_accepting`.
        if !is_accepting && !self.random.one_in(4) {
            let before = self.queue.ledger().snapshot();
            self.queue.count_refused();
            let id = self.new_span(len, scope);
            self.book_drop(id, &before)?;
            return Ok(None);
        }
        self.queue.ledger().started();
        Ok(Some(self.new_span(len, scope)))
    }

    /// Adds a span of some trace to the list.
    pub(super) fn new_span(&mut self, len: usize, scope: usize) -> u64 {
        let trace = self.random.below(self.scenario.traces);
        self.spans.start(len, scope, trace)
    }

    fn end_span(&mut self, id: u64) -> Checked {
        let Some(&span) = self.spans.get(id) else { return Ok(()) };
        let trace = trace_id(span.trace);
        write_span(trace, id, span.len, &mut self.buffer);
        let meta = SpanMeta {
            trace_id: TraceId::from_bytes(trace),
            span_id: SpanId(id),
            scope: self.scopes.get(span.scope).copied().unwrap_or(0),
            ..SpanMeta::default()
        };
        let finished = FinishedSpan::encoded(&self.buffer);
        let (before, level) = (self.queue.ledger().snapshot(), self.queue.level());
        let charged = self.queue.budget().charged();
        let is_local = self.queue.try_push_local(&finished, || meta);
        if !is_local {
            self.queue.push(&finished, meta);
        }
        if self.queue.ledger().snapshot().dropped_total() > before.dropped_total() {
            let reason = self.book_drop(id, &before)?;
            self.check_exhausted(reason)?;
            // A span larger than a chunk reserves its JSON and its compressed bytes for each endpoint, too.
            let copies = if span.len > MIN_CHUNK { 2 * self.endpoints.len() } else { 0 };
            self.check_drop(reason, level, charged + (4 + copies) * span.len)?;
        } else {
            require(is_local || !self.is_child, "a forked child stores no span", || {
                format!("span {id}")
            })?;
            self.spans.end(id, self.now);
            if !is_local {
                // The thread has opened a chunk.
                self.check_threshold()?;
            }
        }
        let now = self.queue.level();
        let is_notified = self.take_notification();
        if self.is_child {
            return Ok(());
        }
        require(!now.is_starved || level.is_starved || is_notified, WAKES, || {
            format!("span {id} was refused for lack of space")
        })?;
        require(now.ready <= level.ready || now.ready < MANY_CHUNKS || is_notified, WAKES, || {
            format!("{} chunks are full", now.ready)
        })
    }

    /// The ledger has counted a drop of the span since `before`: for one reason.
    pub(super) fn dropped_for(&self, id: u64, before: &Snapshot) -> Checked<DropReason> {
        let difference = self.queue.ledger().snapshot().since(before);
        let mut drops = difference.drops();
        let (reason, count) = drops.next().unwrap_or((DropReason::Leaked, 0));
        require(count == 1 && drops.next().is_none(), "a refused span has one reason", || {
            format!("span {id}: {difference:?}")
        })?;
        Ok(reason)
    }

    /// The ledger has counted a drop of the span, for a reason that has to be possible. No span is shed that
    /// has started.
    fn book_drop(&mut self, id: u64, before: &Snapshot) -> Checked<DropReason> {
        let reason = self.dropped_for(id, before)?;
        let len = self.spans.get(id).map_or(0, |span| span.len);
        let is_closed = self.calls.is_closed();
        let has_size = self.scenario.batch.max_queue_size.is_some();
        let is_possible = match reason {
            _ if self.is_child => reason == DropReason::WorkerUnavailable,
            DropReason::WorkerUnavailable => self.thread.machine.is_none(),
            DropReason::AfterShutdown => is_closed,
            // By the limits that the exporter's documentation states, a span of this length fits.
            DropReason::TooLarge => len > SMALL_SPAN,
            DropReason::QueueBytes => !is_closed,
            DropReason::QueueFull => has_size && !is_closed,
            DropReason::Contended => self.held_slots > 0,
            _ => false,
        };
        require(is_possible, "a refused span has a possible reason", || {
            format!("span {id} of {len} bytes: {reason}")
        })?;
        self.line(format_args!("span {id} of {len} bytes is dropped: {reason}"));
        self.spans.first().drop_for(reason, 1);
        self.spans.first().move_to(&[id], Stage::Settled);
        Ok(reason)
    }

    /// A queue that accepts spans drops one for lack of space only if there is none.
    fn check_drop(&self, reason: DropReason, level: QueueLevel, needed: usize) -> Checked {
        let budget = self.queue.budget();
        let is_full = match reason {
            _ if level.is_refusing => true,
            DropReason::QueueFull => self.queue_size.is_some_and(|max| level.queued >= max),
            // A chunk takes at most a quarter of the budget, and less in one of this size.
            DropReason::QueueBytes => {
                needed + budget.reserve() + budget.limit() / 8 > budget.limit()
            }
            _ => true,
        };
        require(is_full, "a span is dropped only if there is no space", || {
            format!("{reason} with {budget:?} and {level:?}")
        })
    }

    /// The length of a name: of no byte, usual, larger than a chunk, or larger than the budget.
    fn draw_len(&mut self) -> usize {
        let budget = self.scenario.budget_bytes as u64;
        let len = match self.random.below(200) {
            0 => self.random.between(0, budget + 100_000),
            1 => self.random.scaled(10_000, budget / 4),
            2..=20 => self.random.scaled(0, 70_000),
            21..=40 => 0,
            _ => self.random.scaled(0, self.scenario.span_bytes),
        };
        len as usize
    }
}

/// The bytes of the smallest chunk, about.
const MIN_CHUNK: usize = 50_000;
/// A span that fits every budget.
const SMALL_SPAN: usize = 100_000;
/// Full chunks at which a push notifies the exporter, at the most.
const MANY_CHUNKS: usize = 32;
const WAKES: &str = "a push notifies the exporter when it has to act";
