//! [`SampledAttributes`]: a sketch of the attributes of ended spans, while a live view shows it.

mod span_choice;

use crate::watched::Watched;
use span_choice::SpanChoice;
use spanwise_batch::{Budget, Charge};
use spanwise_export::sans_io::DrainedChunk;
use spanwise_metrics::{AttributeReport, AttributeSketch};
use spanwise_wire::Chunk;
use spanwise_wire::read::Fields;
use std::time::Instant;

/// A sketch of the attributes of some ended spans. The exporter's thread fills it from the chunks that it drains, for 10 seconds
/// after each call of [`watch`](Self::watch), and frees it afterwards.
pub(crate) struct SampledAttributes {
    sketch: Watched<Sampled>,
}

/// The sketch, with the charge for its memory.
struct Sampled {
    sketch: AttributeSketch,
    choice: SpanChoice,
    _charge: Charge,
}

impl SampledAttributes {
    pub(crate) fn new() -> Self {
        Self { sketch: Watched::new() }
    }

    /// Samples spans for the next 10 seconds.
    pub(crate) fn watch(&self, now: Instant) {
        self.sketch.watch(now);
    }

    /// The counts since the watch began.
    pub(crate) fn report(&self) -> AttributeReport {
        self.sketch.read(|sampled| sampled.sketch.report()).unwrap_or_default()
    }

    /// The exporter's thread has drained these chunks.
    pub(crate) fn drained(&self, chunks: &[DrainedChunk], budget: &Budget, now: Instant) {
        if self.sketch.is_watched() {
            self.record(chunks, budget, now);
        }
    }

    #[cold]
    fn record(&self, chunks: &[DrainedChunk], budget: &Budget, now: Instant) {
        let push = |sampled: &mut Sampled, now| {
            chunks.iter().for_each(|drained| sampled.push(drained.chunk(), now));
        };
        self.sketch.update(now, || Sampled::charged(budget), push);
    }
}

impl Sampled {
    /// A sketch whose memory `budget` has: of 128 keys, or of fewer for a sixteenth of a small budget. `None`: it has none
    /// left.
    fn charged(budget: &Budget) -> Option<Self> {
        let fits = |keys: &usize| AttributeSketch::max_bytes(*keys) <= budget.limit() / 16;
        let keys = [MAX_KEYS, MAX_KEYS / 4].into_iter().find(fits).unwrap_or(MIN_KEYS);
        let charge = budget.try_charge(AttributeSketch::max_bytes(keys))?;
        let (sketch, choice) = (AttributeSketch::new(keys), SpanChoice::new());
        Some(Self { sketch, choice, _charge: charge })
    }

    fn push(&mut self, chunk: &Chunk, now: u64) {
        for meta in chunk.metas() {
            if self.choice.takes(now) {
                // The field of a span: one value.
                let span = Fields::new(chunk.field(meta)).flatten().next();
                let span = span.and_then(|field| field.bytes().ok());
                span.into_iter().for_each(|span| self.sketch.add_span(span));
            }
        }
    }
}

const MAX_KEYS: usize = 128;
const MIN_KEYS: usize = 8;

#[cfg(test)]
mod tests;
