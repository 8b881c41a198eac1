//! Bugs that a simulator plants, one at a time, to prove that it finds them.
//!
//! Each bug is one `if planted(Bug::…)` at the place that it breaks. The feature `planted-bugs` compiles
//! them in; without a call of [`plant`], nothing changes.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A drained chunk has one ticket less than spans.
    LostTicket,
    /// An accepted request books a span more than it has.
    DoubleBooking,
    /// The first refused span does not notify the exporter.
    MissedWakeup,
    /// A charge that shrinks does not return its bytes to the budget.
    BudgetLeak,
    /// A request may have one span more than its limit.
    RequestCutOffByOne,
    /// A flush does not wait for requests in flight.
    EarlyFlush,
    /// A shutdown waits too long for cancelled requests.
    LateShutdown,
    /// A request is sent again after a permanent rejection.
    RetryAfterRejection,
    /// The spans that a partial success rejects count as exported.
    PartialSuccessIgnored,
    /// A chunk is recycled after its first request, although it has more spans.
    ChunkRecycledEarly,
    /// A dropped chunk does not return its queue permits.
    PermitLeak,
    /// A close leaves the slots open, so that spans follow the last drain.
    CloseAfterDrain,
    /// A `Retry-After` applies to no other request.
    ThrottleIgnored,
    /// An attempt without a response does not count as ambiguous.
    AmbiguityForgotten,
    /// One request more than the limit is in flight.
    WindowOffByOne,
    /// A queue that refuses spans never accepts any again.
    RefusalNeverEnds,
    /// A merged chunk counts as one drained chunk, whatever it was merged from.
    MergedChunkMiscounted,
    /// An attempt may outlast the timeout of its request.
    AttemptOutlivesRequest,
    /// A forked child stores spans, which no exporter drains.
    ChildStoresSpans,
    /// The threshold of a queue that sheds traces never falls.
    ThresholdNeverFalls,
    /// A half-open circuit breaker sends every attempt as a probe.
    ManyProbes,
    /// The success of a probe does not close the circuit breaker.
    BreakerStaysOpen,
    /// A request that is split again leaves out a span.
    SplitLosesSpan,
    /// A request is as large as the one that the receiver refused.
    RefusalForgotten,
    /// A request whose encoding the receiver refuses is rejected.
    RefusedEncodingRejects,
    /// A request whose encoding the receiver refuses is sent compressed again.
    FallbackStaysCompressed,
    /// A refused encoding is used again by later requests.
    EncodingRefusalForgotten,
    /// No request is made while one of the endpoints is busy.
    SlowEndpointBlocksAll,
    /// A routed request goes to the endpoint of its first trace.
    RoutedByFirstTrace,
    /// The requests to an endpoint may exceed its share of the budget.
    EndpointShareIgnored,
    /// Spans count as on disk before the disk has stored them.
    SpooledBeforeStored,
    /// A record on disk is acknowledged before the receiver has accepted its spans.
    AcknowledgedBeforeDelivery,
}

impl Bug {
    /// Every bug, in the order of declaration.
    pub const ALL: [Self; 32] = [
        Self::LostTicket,
        Self::DoubleBooking,
        Self::MissedWakeup,
        Self::BudgetLeak,
        Self::RequestCutOffByOne,
        Self::EarlyFlush,
        Self::LateShutdown,
        Self::RetryAfterRejection,
        Self::PartialSuccessIgnored,
        Self::ChunkRecycledEarly,
        Self::PermitLeak,
        Self::CloseAfterDrain,
        Self::ThrottleIgnored,
        Self::AmbiguityForgotten,
        Self::WindowOffByOne,
        Self::RefusalNeverEnds,
        Self::MergedChunkMiscounted,
        Self::AttemptOutlivesRequest,
        Self::ChildStoresSpans,
        Self::ThresholdNeverFalls,
        Self::ManyProbes,
        Self::BreakerStaysOpen,
        Self::SplitLosesSpan,
        Self::RefusalForgotten,
        Self::RefusedEncodingRejects,
        Self::FallbackStaysCompressed,
        Self::EncodingRefusalForgotten,
        Self::SlowEndpointBlocksAll,
        Self::RoutedByFirstTrace,
        Self::EndpointShareIgnored,
        Self::SpooledBeforeStored,
        Self::AcknowledgedBeforeDelivery,
    ];
}

/// Plants `bug` in the whole process, in place of the one before; `None` plants none.
pub fn plant(bug: Option<Bug>) {
    PLANTED.store(bug.map_or(NONE, |bug| bug as u8), Relaxed);
}

/// Whether `bug` is planted.
pub fn planted(bug: Bug) -> bool {
    PLANTED.load(Relaxed) == bug as u8
}

const NONE: u8 = u8::MAX;
static PLANTED: AtomicU8 = AtomicU8::new(NONE);
