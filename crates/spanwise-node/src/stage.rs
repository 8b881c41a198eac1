//! The stages of a node hand each other requests that they own.

use bytes::Bytes;
use spanwise_batch::Charge;
use std::sync::Arc;
use std::time::Duration;

/// An encoded `ExportTraceServiceRequest` that the node accepted. Clones share the bytes and their charge.
#[derive(Clone)]
pub(crate) struct OwnedRequest {
    pub(crate) bytes: Bytes,
    /// The number of its spans.
    pub(crate) spans: u64,
    // Behind `bytes`: the memory is freed first.
    pub(crate) charge: Arc<Charge>,
}

/// A stage that takes requests: the destinations, a tail sampler before them, or the peers of a gateway.
pub(crate) trait Stage: Send + Sync {
    /// The delay after which senders should try again, while the stage has no space for more. A receiver asks before it accepts
    /// a request.
    fn busy(&self) -> Option<Duration>;

    /// Takes a request. The ledger of the stage has an outcome for each of its spans, or they are in flight.
    fn accept(&self, request: OwnedRequest);
}
