//! [`OnFull`]: the behaviour of a queue without space.

use std::time::Duration;

/// The behaviour of a [`SpanQueue`](crate::SpanQueue) while the byte budget is used up or the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnFull {
    /// The queue drops the span and counts it as `queue_bytes` or `queue_full`. The application never waits.
    ///
    /// From the first span of the usual size that it drops until memory is free again, the queue
    /// [refuses](crate::SpanQueue::is_refusing) spans at their start. A tracer gives such a span ids and a
    /// context that is not sampled. The spans below it follow, here and in other services, if their samplers
    /// follow the parent: they count as `sampled_out`, and the trace lacks all of them. A span that started before is
    /// stored if the open chunk of its thread has space.
    #[default]
    Drop,
    /// The queue blocks the calling thread, also one of an async runtime, until there is space or this
    /// time has passed; only then it drops and counts the span. It refuses no span at its start. For batch
    /// jobs and load generators.
    Wait(Duration),
    /// The queue sheds whole traces before the budget or the queue is used up, so that the traces that
    /// arrive are complete. The application never waits.
    ///
    /// From a fill of 50 %, a [threshold](crate::SpanQueue::shed_threshold) rises with the fill, and falls with
    /// it. A local root (a span without a parent in this process) is shed if the randomness of its trace is
    /// lower: it counts as `shed`, and its context is not sampled, so that the spans below it follow, here
    /// and in other services, if their samplers follow the parent; they count as `sampled_out`. Services that
    /// shed at the same time shed the same traces. A local root that is accepted gets the threshold in its
    /// trace state (`ot=th`, unless the sampler's is higher), which corrects counts. Spans below a sampled span
    /// of this process are never shed.
    ///
    /// A span that finds no space at its end is dropped as with [`Drop`](Self::Drop), and no trace is
    /// accepted until the fill has fallen: only traces that were open then lack spans, and
    /// `queue_bytes` and `queue_full` count these spans.
    ShedByTrace,
}
