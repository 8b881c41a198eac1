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
    /// Why the stage takes no request now, if it takes none. A receiver asks before it reads a request.
    fn busy(&self) -> Option<Busy>;

    /// Takes a request if the stage has space for it. Returns at once: receivers and senders call it. The ledger of the stage has an
    /// outcome for each span that it took, or the span is in flight.
    ///
    /// # Errors
    /// The reason. The stage has no span of the request.
    fn try_accept(&self, request: OwnedRequest) -> Result<(), Refusal>;
}

/// Why a node takes no request for the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    /// Its memory or a queue is full.
    Full,
    /// The gateway knows no peer.
    NoPeer,
    /// It drains.
    Draining,
}

impl Busy {
    pub(crate) const ALL: [Self; 3] = [Self::Full, Self::NoPeer, Self::Draining];

    /// Its name in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full => "no_space",
            Self::NoPeer => "no_peer",
            Self::Draining => "draining",
        }
    }

    /// A sentence, without a dot.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Full => "the node has no space for more requests",
            Self::NoPeer => "the gateway knows no peer",
            Self::Draining => "the node drains",
        }
    }
}

/// The time after which senders try again: one second is the least that `Retry-After` has, and they find another node meanwhile.
pub(crate) const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The reason for which a stage takes no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The sender should try again after [`RETRY_DELAY`].
    Busy(Busy),
    /// The request is larger than the stage can ever take.
    TooLarge,
    /// The stage cannot read the request.
    Malformed,
}
