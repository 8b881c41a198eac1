//! Accounts for tests.

use crate::account::{GatewayAccount, PeerAccount};
use spanwise_ledger::{DropReason, Ledger};

/// A gateway with 9 spans, of which 4 were exported and 3 dropped, and these peers.
pub(crate) fn gateway(peers: &[&str]) -> GatewayAccount {
    let ledger = Ledger::new();
    ledger.started_many(9);
    ledger.exported(4);
    ledger.dropped(DropReason::Rejected, 2);
    ledger.dropped(DropReason::QueueBytes, 1);
    GatewayAccount {
        handed: 9,
        local: 0,
        without_peers: 0,
        rerouted: 0,
        rerouted_to_local: 0,
        malformed: 0,
        undivided: 0,
        stayed: 0,
        torn_traces: 0,
        ring_changes: 0,
        ledger: ledger.snapshot(),
        peers: peers.iter().map(|name| peer(name)).collect(),
        resolver_problem: None,
        resolver_failures: 0,
        last_resolver_failure: None,
    }
}

fn peer(name: &str) -> PeerAccount {
    PeerAccount {
        name: name.to_owned(),
        routed: 9,
        sent: 4,
        dropped: 3,
        rerouted: 0,
        queued_bytes: 0,
        problem: None,
        has_share: true,
    }
}
