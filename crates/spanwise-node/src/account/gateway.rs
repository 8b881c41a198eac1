//! The account of a gateway and of its peers.

use spanwise_ledger::Snapshot;

/// The account of a gateway. Spans unless the name has another noun.
///
/// `handed = local + without_peers + ledger.created`. One ledger has the spans of all peers, since a span that one peer does not take
/// goes to another.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GatewayAccount {
    /// Spans that the gateway was handed.
    pub handed: u64,
    /// Spans of the share of this node.
    pub local: u64,
    /// Spans that were dropped because no peer was known.
    pub without_peers: u64,
    /// Spans that were taken from a peer that left or does not answer, and went to another.
    pub rerouted: u64,
    /// Those of them that are of the share of this node now; the ledger has them as exported.
    pub rerouted_to_local: u64,
    /// Spans without a valid trace id, which go where the id of zeros goes.
    pub malformed: u64,
    /// Spans of requests that were not divided, because their resources are too large or the memory was used up.
    pub undivided: u64,
    /// Spans that stayed with the peer that had their trace before a change.
    pub stayed: u64,
    /// Traces whose spans are at two peers, or may be, as far as this gateway can see.
    pub torn_traces: u64,
    /// Changes of the ring.
    pub ring_changes: u64,
    /// Spans that peers were handed.
    pub ledger: Snapshot,
    /// The peers of the ring, and those that do not answer.
    pub peers: Vec<PeerAccount>,
    /// The reason why the ring is not that of the present peers, if it is not: they cannot be resolved, or a transport cannot be made.
    pub resolver_problem: Option<String>,
    /// Attempts that failed so.
    pub resolver_failures: u64,
    /// The reason of the last one, which may be over.
    pub last_resolver_failure: Option<String>,
}

/// The account of a peer since it is one. `routed = sent + dropped + rerouted + in_flight`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PeerAccount {
    /// Its name in the ring.
    pub name: String,
    /// Spans that it was handed.
    pub routed: u64,
    /// Spans that it accepted.
    pub sent: u64,
    /// Spans that it refused for good, or that it rejected of a request, or that a shutdown dropped.
    pub dropped: u64,
    /// Spans that were taken from it again.
    pub rerouted: u64,
    /// Bytes that wait for it.
    pub queued_bytes: usize,
    /// The cause of the last failure, while the peer does not answer.
    pub problem: Option<String>,
    /// Whether traces are routed to it: not to one that has not answered for `unreachable_timeout`.
    pub has_share: bool,
}

impl PeerAccount {
    /// Spans that wait or are sent now.
    pub fn in_flight(&self) -> u64 {
        self.routed.saturating_sub(self.sent + self.dropped + self.rerouted)
    }
}
