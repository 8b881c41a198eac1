//! Flushes and shutdowns that wait for their spans.

use crate::machine::action::{FlushId, Reply};
use std::time::Instant;

/// The flushes and shutdowns without a reply yet.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    waiting: Vec<Flush>,
    next: u64,
}

#[derive(Debug)]
struct Flush {
    id: FlushId,
    deadline: Instant,
    is_shutdown: bool,
    /// The flush waits for the chunks below this number. `None` until a drain found every slot free.
    until: Option<u64>,
}

impl Flushes {
    pub(super) fn insert(&mut self, deadline: Instant, is_shutdown: bool) -> FlushId {
        let id = FlushId(self.next);
        self.next += 1;
        self.waiting.push(Flush { id, deadline, is_shutdown, until: None });
        id
    }

    /// Whether a flush waits for a drain of every slot.
    pub(super) fn need_drain(&self) -> bool {
        self.waiting.iter().any(|flush| flush.until.is_none())
    }

    /// Whether a shutdown waits for a drain of every slot.
    pub(super) fn have_shutdown(&self) -> bool {
        self.waiting.iter().any(|flush| flush.is_shutdown && flush.until.is_none())
    }

    /// Whether there is a shutdown.
    pub(super) fn have_any_shutdown(&self) -> bool {
        self.waiting.iter().any(|flush| flush.is_shutdown)
    }

    /// A drain found every slot free: what the flushes wait for is in the chunks below `until`.
    pub(super) fn drained(&mut self, until: u64) {
        for flush in self.waiting.iter_mut().filter(|flush| flush.until.is_none()) {
            flush.until = Some(until);
        }
    }

    /// Removes one flush whose chunks are all `settled` or whose deadline has passed, with its reply,
    /// and whether it is a shutdown. Flushes come before shutdowns. `is_busy`: a shutdown waits for a request with spans of no chunk.
    pub(super) fn pop_due(
        &mut self,
        now: Instant,
        settled: u64,
        is_busy: bool,
    ) -> Option<(Reply, bool)> {
        let is_done = |flush: &Flush| {
            flush.until.is_some_and(|until| settled >= until) && !(flush.is_shutdown && is_busy)
        };
        let due = |flush: &Flush| is_done(flush) || now >= flush.deadline;
        let flush = |shutdown| {
            self.waiting.iter().position(|flush| flush.is_shutdown == shutdown && due(flush))
        };
        let index = flush(false).or_else(|| flush(true))?;
        let flush = self.waiting.swap_remove(index);
        Some((Reply { id: flush.id, is_done: is_done(&flush) }, flush.is_shutdown))
    }

    /// Removes all flushes, because the exporter ends before their deadlines.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Reply> {
        self.waiting.drain(..).map(|flush| Reply { id: flush.id, is_done: false })
    }

    /// The earliest deadline.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|flush| flush.deadline).min()
    }
}
