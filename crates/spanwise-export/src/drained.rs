//! Chunks that left the sharded buffer, each with the ledger tickets of its spans.

use crate::ticket_guard::TicketGuard;
use spanwise_batch::ChargedChunk;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_ledger::{DropReason, Ledger};
use spanwise_wire::Chunk;

/// A chunk with the ledger tickets of its spans: dropping it books them as
/// [`WorkerUnavailable`](DropReason::WorkerUnavailable).
#[derive(Debug)]
#[must_use = "dropping a drained chunk loses its spans, which are booked as lost"]
pub struct DrainedChunk {
    chunk: ChargedChunk,
    tickets: TicketGuard,
}

/// The result of a drain of the [`SpanQueue`](crate::SpanQueue).
#[derive(Debug)]
pub struct Drained {
    /// The chunks, in the order in which they became full.
    pub chunks: Vec<DrainedChunk>,
    /// Slots that a thread was writing to, so that their open chunks were not drained. 0 after a
    /// drain of the full chunks alone.
    pub missed: usize,
}

impl DrainedChunk {
    pub(crate) fn new(chunk: ChargedChunk, ledger: &Ledger) -> Self {
        let spans = chunk.chunk().len() as u64;
        #[cfg(feature = "planted-bugs")]
        let spans = spans - u64::from(planted(Bug::LostTicket));
        let tickets = TicketGuard::new(ledger.tickets(spans), DropReason::WorkerUnavailable);
        Self { chunk, tickets }
    }

    /// Counts the spans in the ledgers of further destinations too.
    pub(crate) fn share_with<'a>(&mut self, ledgers: impl IntoIterator<Item = &'a Ledger>) {
        self.tickets.share_with(ledgers);
    }

    /// The spans.
    pub fn chunk(&self) -> &Chunk {
        self.chunk.chunk()
    }

    /// Spans that still need an outcome.
    pub fn spans(&self) -> u64 {
        self.tickets.spans()
    }

    /// Bytes charged to the budget.
    pub(crate) fn charged(&self) -> usize {
        self.chunk.charged()
    }

    /// Books all spans as lost for `reason`.
    pub fn drop_for(self, reason: DropReason) {
        self.tickets.dropped(reason);
    }

    /// Frees the memory that framing does not need.
    pub(crate) fn compact(&mut self) {
        self.chunk.compact();
    }

    /// Appends the spans and tickets of `other`, if both chunks together have at most `max_bytes`
    /// bytes.
    pub(crate) fn append(&mut self, other: Self, max_bytes: usize) -> Result<(), Box<Self>> {
        let Self { chunk, tickets } = other;
        match self.chunk.append(chunk, max_bytes) {
            Ok(()) => {
                self.tickets.merge(tickets);
                Ok(())
            }
            Err(chunk) => Err(Box::new(Self { chunk, tickets })),
        }
    }

    /// A chunk with the tickets of its spans.
    pub(crate) fn from_parts(chunk: ChargedChunk, tickets: TicketGuard) -> Self {
        Self { chunk, tickets }
    }

    /// Both parts, to change them together.
    pub(crate) fn parts_mut(&mut self) -> (&mut ChargedChunk, &mut TicketGuard) {
        (&mut self.chunk, &mut self.tickets)
    }

    /// The chunk and the tickets of its spans, each alone.
    pub(crate) fn into_parts(self) -> (ChargedChunk, TicketGuard) {
        (self.chunk, self.tickets)
    }
}
