//! The account of a node: each span that arrived, and its outcome.

mod gateway;
mod imbalance;
mod receiver;
mod spool;
mod table;

use spanwise_ledger::Snapshot;
use spanwise_tail::TailThreadCounts;
use std::time::Duration;

pub use gateway::{GatewayAccount, PeerAccount};
pub use imbalance::Imbalance;
pub(crate) use receiver::AGE;
pub use receiver::{ClosedConnections, ReceiverAccount};
pub use spool::{SpoolAccount, SpoolState};

/// The account of a node since its start. All numbers are spans unless their name has another noun. `Display` formats a table.
///
/// ```text
/// received = refused + accepted
/// accepted = filtered + sampled_out + malformed + unredactable + passed + passed_from_peers
/// ```
///
/// The passed spans are those that the next stage was handed: its own numbers account for them. The account is consistent and not frozen:
/// while requests arrive, numbers that are read later include more of them. [`check`](Self::check) is for a node without traffic.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Account {
    /// Each receiver, in the order of the settings.
    pub receivers: Vec<ReceiverAccount>,
    /// The requests that the receivers read, and the processors.
    pub intake: IntakeAccount,
    /// The peers, with the role of a gateway.
    pub gateway: Option<GatewayAccount>,
    /// Tail sampling.
    pub sampler: Option<SamplerAccount>,
    /// Each destination, in the order of the settings.
    pub destinations: Vec<DestinationAccount>,
    /// The memory of the requests that the node owns.
    pub memory: MemoryAccount,
    /// The spans that the process before this one lost in a crash, by the directory of the state.
    pub crash: Option<CrashAccount>,
}

/// The spans that a process had in memory when it crashed or was killed. Those for a destination with a spool are not among them: its ledger
/// has them as dropped by a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrashAccount {
    /// Their number at the last write. A span that waits for two destinations is two.
    pub spans: u64,
    /// The time for which the process may have continued after the last write; `None` if unknown, after a restart of the system.
    pub uncertainty: Option<Duration>,
}

/// The account of all receivers and of the processors behind them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntakeAccount {
    /// Requests without the token of their receiver; the number of their spans is not known.
    pub unauthorized_requests: u64,
    /// Requests that were refused before their body was read, because a stage was busy or the node ends.
    pub overloaded_requests: u64,
    /// Why the last one of those was refused: `no_space`, `no_peer` or `draining`. Empty without any.
    pub last_refusal: &'static str,
    /// Spans of requests that were read.
    pub received: u64,
    /// Spans of requests that were read and refused, with a delay after which the sender tries again.
    pub refused_overloaded: u64,
    /// Spans of requests that were read and refused because a processor cannot read them.
    pub refused_malformed: u64,
    /// Spans of requests that were read and refused because the node panicked before it accepted them.
    pub refused_panicked: u64,
    /// Spans of accepted requests.
    pub accepted: u64,
    /// Accepted spans that a filter left out.
    pub filtered: u64,
    /// Accepted spans that a probabilistic sampler did not sample.
    pub sampled_out: u64,
    /// Accepted spans that a probabilistic sampler cannot read, which the node drops.
    pub malformed: u64,
    /// Accepted spans that redaction cannot read, which the node drops.
    pub unredactable: u64,
    /// Spans of clients that the next stage was handed.
    pub passed: u64,
    /// Spans of peers that the sampler was handed. No processor sees them.
    pub passed_from_peers: u64,
}

/// The account of tail sampling.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct SamplerAccount {
    /// The account of the shards.
    pub counts: TailThreadCounts,
    /// Sampled spans that the destinations were not handed: they had no space until the deadline of the shutdown.
    pub dropped: u64,
}

/// The account of a destination or a peer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DestinationAccount {
    /// Its name.
    pub name: String,
    /// Its ledger.
    pub ledger: Snapshot,
    /// Whether the last request to it was accepted, or none has ended.
    pub is_up: bool,
    /// The disk to which requests go while it accepts none, if it has one.
    pub spool: Option<SpoolAccount>,
    /// Bytes that wait for it in memory.
    pub queued_bytes: u64,
    /// The last failure of its requests or of its disk, in words.
    pub last_error: Option<String>,
}

/// The memory of the requests that a node owns, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryAccount {
    /// The memory of the settings, from which receivers and tail sampling have their shares.
    pub limit_bytes: u64,
    /// The share of requests.
    pub budget_bytes: u64,
    /// Charged now.
    pub charged_bytes: u64,
    /// The most that was charged at once.
    pub peak_bytes: u64,
}

impl SamplerAccount {
    /// The spans that were dropped without a decision, by reason; those of a `drop` policy are among them, and spans that a policy sampled
    /// and that found no space before the deadline of the shutdown.
    pub fn dropped_by_reason(&self) -> [(&'static str, u64); 7] {
        let dropped = &self.counts.shards.dropped_spans;
        [
            ("malformed", dropped.malformed),
            ("invalid_id", dropped.invalid_id),
            ("span_too_large", dropped.span_too_large),
            ("trace_too_large", dropped.trace_too_large),
            (DROP_POLICY, dropped.drop_policy),
            ("shutdown", dropped.shutdown),
            ("no_space", self.dropped),
        ]
    }

    /// The spans of [`dropped_by_reason`](Self::dropped_by_reason) that no policy wanted to be dropped.
    pub fn lost(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.dropped_by_reason().into_iter().filter(|(reason, _)| *reason != DROP_POLICY)
    }

    /// Spans that wait for a shard or for their decision.
    pub fn in_flight(&self) -> u64 {
        self.counts.queued_spans + self.counts.shards.pending_spans
    }
}

/// A policy drops these spans, as it should.
const DROP_POLICY: &str = "drop_policy";

impl IntakeAccount {
    /// Spans of requests that were read and refused, for whichever reason.
    pub fn refused(&self) -> u64 {
        self.refused_overloaded + self.refused_malformed + self.refused_panicked
    }
}

impl Account {
    /// Checks that each span has exactly one outcome, through all stages.
    ///
    /// # Errors
    /// [`Imbalance`] with each sum that does not match, or with the spans that are still on their way.
    pub fn check(&self) -> Result<(), Imbalance> {
        let mut imbalance = Imbalance::default();
        let intake = &self.intake;
        let refused = intake.refused();
        imbalance.compare(
            "received",
            intake.received,
            "refused + accepted",
            refused + intake.accepted,
        );
        let left_out =
            intake.filtered + intake.sampled_out + intake.malformed + intake.unredactable;
        let passed = intake.passed + intake.passed_from_peers;
        imbalance.compare("accepted", intake.accepted, "left out + passed", left_out + passed);
        let mut next = passed;
        if let Some(gateway) = &self.gateway {
            imbalance.compare("passed", intake.passed, "handed to the gateway", gateway.handed);
            let created = gateway.ledger.created;
            let routed = gateway.local + gateway.without_peers + created;
            imbalance.compare(
                "handed to the gateway",
                gateway.handed,
                "local + without peers + peers",
                routed,
            );
            imbalance.ledger("peers", &gateway.ledger);
            next = gateway.local + gateway.rerouted_to_local + intake.passed_from_peers;
        }
        if let Some(SamplerAccount { counts, dropped }) = &self.sampler {
            let accepted = counts.accepted_spans;
            imbalance.compare("passed", next, "accepted by the sampler", accepted);
            let shards = &counts.shards;
            if !counts.is_balanced() || counts.queued_spans + shards.pending_spans > 0 {
                imbalance.note(format!(
                    "the sampler has {} spans queued and {} pending",
                    counts.queued_spans, shards.pending_spans
                ));
            }
            next = (shards.sampled_spans + shards.dry_run_spans).saturating_sub(*dropped);
        }
        for destination in &self.destinations {
            let created = destination.ledger.created;
            imbalance.compare("passed", next, &destination.name, created);
            imbalance.ledger(&destination.name, &destination.ledger);
        }
        imbalance.into_result()
    }
}
