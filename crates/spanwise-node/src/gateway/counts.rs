//! The counters of a gateway.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::peer::PeerCounts;
use crate::account::PeerAccount;

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
}

/// The account of a peer with a share, without its queue.
pub(crate) fn peer_account(name: &str, counts: &PeerCounts) -> PeerAccount {
    let [sent, dropped, rerouted, routed] =
        [&counts.sent, &counts.dropped, &counts.rerouted, &counts.routed]
            .map(|counter| counter.load(Relaxed));
    let name = name.to_owned();
    let (queued_bytes, problem, has_share) = (0, None, true);
    PeerAccount { name, routed, sent, dropped, rerouted, queued_bytes, problem, has_share }
}
