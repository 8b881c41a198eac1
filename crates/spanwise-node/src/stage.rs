//! The stages of a node hand each other requests that they own.

use bytes::Bytes;
use spanwise_batch::Charge;
use std::sync::Arc;
use std::time::Duration;

/// An encoded `ExportTraceServiceRequest` that the node accepted. Clones share the bytes and their charge.
#[derive(Clone)]
pub(crate) struct OwnedRequest {
    /// From a receiver, they may be a part of a larger buffer, whose memory the receiver is charged for until its handler returns: a stage
    /// that retains them copies them.
    pub(crate) bytes: Bytes,
    /// The number of its spans.
    pub(crate) spans: u64,
    // Behind `bytes`: the memory is freed first.
    /// For a copy of `bytes`.
    pub(crate) charge: Arc<Charge>,
}

/// A stage that takes requests: the destinations, a tail sampler before them, or the peers of a gateway.
pub(crate) trait Stage: Send + Sync {
    /// The delay after which senders should try again, while the stage has no space for more. A receiver asks before it accepts
    /// a request.
    fn busy(&self) -> Option<Duration>;

    /// Takes a request if the stage has space for it. Returns at once: receivers and senders call it. The ledger of the stage has an
    /// outcome for each span that it took, or the span is in flight.
    ///
    /// # Errors
    /// The reason. The stage has no span of the request.
    fn try_accept(&self, request: OwnedRequest) -> Result<(), Refusal>;
}

/// The reason for which a stage takes no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The sender should try again after this delay.
    Busy(Duration),
    /// The request is larger than the stage can ever take.
    TooLarge,
    /// The stage cannot read the request.
    Malformed,
}
