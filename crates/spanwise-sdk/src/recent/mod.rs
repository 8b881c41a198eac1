//! [`RecentSpans`]: the newest ended spans, while a live view shows them.

mod ring;
mod trace_choice;

pub use ring::LiveSpan;

use crate::start::Scopes;
use crate::watched::Watched;
use ring::Ring;
use spanwise_batch::Budget;
use spanwise_export::sans_io::DrainedChunk;
use std::time::Instant;

/// The newest ended spans. The exporter's thread fills it from the chunks that it drains, for 10 seconds after each call of
/// [`watch`](Self::watch), and frees it afterwards.
pub(crate) struct RecentSpans {
    ring: Watched<Ring>,
}

impl RecentSpans {
    pub(crate) fn new() -> Self {
        Self { ring: Watched::new() }
    }

    /// Collects spans for the next 10 seconds.
    pub(crate) fn watch(&self, now: Instant) {
        self.ring.watch(now);
    }

    /// The collected spans, the newest last.
    pub(crate) fn list(&self) -> Vec<LiveSpan> {
        self.ring.read(Ring::list).unwrap_or_default()
    }

    /// The exporter's thread has drained these chunks.
    pub(crate) fn drained(
        &self,
        chunks: &[DrainedChunk],
        (scopes, budget): (&Scopes, &Budget),
        now: Instant,
    ) {
        if self.ring.is_watched() {
            self.record(chunks, (scopes, budget), now);
        }
    }

    #[cold]
    fn record(&self, chunks: &[DrainedChunk], (scopes, budget): (&Scopes, &Budget), now: Instant) {
        let push = |ring: &mut Ring, now| {
            chunks.iter().for_each(|drained| ring.push(drained.chunk(), scopes, now));
        };
        self.ring.update(now, || Ring::charged(budget), push);
    }
}

#[cfg(test)]
mod tests;
