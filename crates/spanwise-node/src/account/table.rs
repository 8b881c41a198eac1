//! The account as a table.

use std::fmt;

use super::{Account, DestinationAccount, GatewayAccount};

/// Formats a table: a line for each number that is not zero, and for each sum.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let intake = &self.intake;
        row(f, "received", intake.received)?;
        rows(
            f,
            &[
                ("  refused: overloaded", intake.refused_overloaded),
                ("  refused: malformed", intake.refused_malformed),
                ("  refused: panicked", intake.refused_panicked),
            ],
        )?;
        row(f, "accepted", intake.accepted)?;
        rows(
            f,
            &[
                ("  filtered", intake.filtered),
                ("  sampled out", intake.sampled_out),
                ("  malformed", intake.malformed),
                ("  not redactable", intake.unredactable),
                ("requests without the token", intake.unauthorized_requests),
                ("requests refused unread", intake.overloaded_requests),
            ],
        )?;
        if let Some(gateway) = &self.gateway {
            self::gateway(f, gateway)?;
        }
        if let Some(sampler) = &self.sampler {
            let shards = &sampler.counts.shards;
            row(f, "sampler", sampler.counts.accepted_spans)?;
            row(f, "  sampled", shards.sampled_spans)?;
            let waiting = ("  pending", sampler.in_flight());
            rows(f, &[("  not sampled", shards.not_sampled_spans), waiting])?;
            for (reason, spans) in sampler.dropped_by_reason() {
                rows(f, &[(&format!("  dropped: {reason}"), spans)])?;
            }
        }
        self.destinations.iter().try_for_each(|it| ledger(f, it))?;
        match self.check() {
            Ok(()) => f.write_str("each span has exactly one outcome"),
            Err(imbalance) => write!(f, "{imbalance}"),
        }
    }
}

fn gateway(f: &mut fmt::Formatter<'_>, gateway: &GatewayAccount) -> fmt::Result {
    row(f, "gateway", gateway.handed)?;
    let ledger = &gateway.ledger;
    rows(
        f,
        &[
            ("  to this node", gateway.local),
            ("  without peers", gateway.without_peers),
            ("  accepted by peers", ledger.exported.saturating_sub(gateway.rerouted_to_local)),
            ("  rerouted to this node", gateway.rerouted_to_local),
        ],
    )?;
    for (reason, spans) in ledger.drops() {
        row(f, &format!("  dropped: {reason}"), spans)?;
    }
    rows(
        f,
        &[
            ("  in flight", ledger.in_flight),
            ("rerouted among peers", gateway.rerouted.saturating_sub(gateway.rerouted_to_local)),
            ("without a valid trace id", gateway.malformed),
            ("not divided", gateway.undivided),
            ("torn traces", gateway.torn_traces),
        ],
    )?;
    gateway.peers.iter().try_for_each(|peer| row(f, &format!("peer {}", peer.name), peer.sent))
}

fn ledger(f: &mut fmt::Formatter<'_>, destination: &DestinationAccount) -> fmt::Result {
    let ledger = &destination.ledger;
    row(f, &format!("destination {}", destination.name), ledger.created)?;
    rows(f, &[("  recovered", ledger.recovered)])?;
    row(f, "  exported", ledger.exported)?;
    for (reason, spans) in ledger.drops() {
        row(f, &format!("  dropped: {reason}"), spans)?;
    }
    rows(f, &[("  on disk", ledger.spooled), ("  in flight", ledger.in_flight)])
}

fn rows(f: &mut fmt::Formatter<'_>, rows: &[(&str, u64)]) -> fmt::Result {
    let occurred = rows.iter().filter(|(_, number)| *number > 0);
    occurred.into_iter().try_for_each(|(name, number)| row(f, name, *number))
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, number: u64) -> fmt::Result {
    writeln!(f, "{name:<LABEL$} {number:>NUMBER$}")
}

const LABEL: usize = 32;
const NUMBER: usize = 14;
