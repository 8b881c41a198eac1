//! The decision to hold drained chunks back before they are framed as requests.

use crate::drained::DrainedChunk;
use spanwise_ledger::DropReason;
use std::time::{Duration, Instant};

/// Decides for each drained chunk how long the exporter holds it back before it frames the chunk: for a layer
/// between the queue and the requests, such as tail sampling or a disk buffer.
///
/// A [`Duration`] implements it: each chunk is held back for that time.
///
/// The exporter stores the chunks, and they stay charged to the byte budget and count as waiting spans. It
/// releases the oldest ones before they exceed a quarter of the budget or half of the queue, and all of them
/// while the queue refuses spans or sheds traces, at a flush and at a shutdown: see [`HoldCause`].
pub trait HoldBack: Send + 'static {
    /// Decides about `chunk`, which has the `SpanMeta` of each of its spans. Runs on the exporter's thread and must
    /// not block it. A panic is reported to the observer and counts as [`HoldDecision::Release`].
    fn decide(&mut self, chunk: &DrainedChunk, context: &HoldContext) -> HoldDecision;
}

/// The decision about a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HoldDecision {
    /// Frame the chunk with the next request.
    Release,
    /// Hold the chunk back, and ask again at this instant. A time that is not in the future is
    /// [`Release`](Self::Release), and so is any time when the cause [requires](HoldCause::must_release) it.
    Until(Instant),
    /// Drop the chunk, and book its spans as lost for this reason.
    Drop(DropReason),
}

/// The context of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HoldContext {
    /// The present time.
    pub now: Instant,
    /// The time at which the chunk was drained.
    pub drained: Instant,
    /// The reason for the question.
    pub cause: HoldCause,
}

/// The reason why the exporter asks for a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HoldCause {
    /// The chunk was drained.
    Drained,
    /// The time until which the chunk was held back has come.
    Due,
    /// Held chunks use too much of the budget or of the queue.
    Pressure,
    /// A flush or a shutdown waits for the spans.
    Flush,
}

impl HoldCause {
    /// Whether the exporter cannot hold the chunk back any longer.
    pub fn must_release(self) -> bool {
        matches!(self, Self::Pressure | Self::Flush)
    }
}

impl HoldBack for Duration {
    fn decide(&mut self, _: &DrainedChunk, context: &HoldContext) -> HoldDecision {
        match context.drained.checked_add(*self) {
            Some(until) => HoldDecision::Until(until),
            None => HoldDecision::Release,
        }
    }
}
