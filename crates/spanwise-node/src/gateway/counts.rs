//! The counters of a gateway.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use spanwise_ledger::Snapshot;

use super::peer::PeerCounts;
use super::routes::Changed;

/// The counters that all threads of a gateway share. Spans unless the name has another noun.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) handed: AtomicU64,
    pub(crate) local: AtomicU64,
    pub(crate) rerouted: AtomicU64,
    pub(crate) rerouted_to_local: AtomicU64,
    pub(crate) without_peers: AtomicU64,
    pub(crate) malformed: AtomicU64,
    pub(crate) undivided: AtomicU64,
    pub(crate) stayed: AtomicU64,
    pub(crate) torn_traces: AtomicU64,
    pub(crate) ring_changes: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, number: u64) {
        if number > 0 {
            counter.fetch_add(number, Relaxed);
        }
    }

    pub(crate) fn changed(&self, changed: Changed) {
        Self::add(&self.stayed, changed.stayed_spans);
        Self::add(&self.torn_traces, changed.torn_traces);
    }
}

/// The account of a gateway. Spans unless the name has another noun.
///
/// `handed = local + without_peers + ledger.created`. One ledger has the spans of all peers, since a span that one peer does not take
/// goes to another.
#[derive(Debug, Clone)]
pub(crate) struct GatewayCounts {
    /// Spans that the gateway was handed.
    pub(crate) handed: u64,
    /// Spans of the share of this node.
    pub(crate) local: u64,
    /// Spans that were dropped because no peer was known.
    pub(crate) without_peers: u64,
    /// Spans that were taken from a peer that left or does not answer, and went to another.
    pub(crate) rerouted: u64,
    /// Those of them that are of the share of this node now; the ledger has them as exported.
    pub(crate) rerouted_to_local: u64,
    /// Spans without a valid trace id, which go where the id of zeros goes.
    pub(crate) malformed: u64,
    /// Spans of requests that were not divided, because their resources are too large or the memory was used up.
    pub(crate) undivided: u64,
    /// Spans that stayed with the peer that had their trace before a change.
    pub(crate) stayed: u64,
    /// Traces whose spans are at two peers, or may be, as far as this gateway can see.
    pub(crate) torn_traces: u64,
    /// Changes of the ring.
    pub(crate) ring_changes: u64,
    /// Spans that peers were handed.
    pub(crate) ledger: Snapshot,
    /// The peers of the ring, and those that do not answer.
    pub(crate) peers: Vec<PeerAccount>,
    /// The last problem of the resolver, if it has one now.
    pub(crate) resolver_problem: Option<String>,
}

/// The account of a peer since it is one. `routed = sent + dropped + rerouted + in_flight`.
#[derive(Debug, Clone)]
pub(crate) struct PeerAccount {
    pub(crate) name: String,
    pub(crate) routed: u64,
    pub(crate) sent: u64,
    pub(crate) dropped: u64,
    pub(crate) rerouted: u64,
    pub(crate) queued_bytes: usize,
    /// The cause of the last failure, while the peer does not answer.
    pub(crate) problem: Option<String>,
}

impl PeerAccount {
    pub(crate) fn new(name: &str, counts: &PeerCounts) -> Self {
        let [sent, dropped, rerouted, routed] =
            [&counts.sent, &counts.dropped, &counts.rerouted, &counts.routed]
                .map(|counter| counter.load(Relaxed));
        let name = name.to_owned();
        Self { name, routed, sent, dropped, rerouted, queued_bytes: 0, problem: None }
    }

    /// Spans that wait or are sent now.
    pub(crate) fn in_flight(&self) -> u64 {
        self.routed.saturating_sub(self.sent + self.dropped + self.rerouted)
    }
}
