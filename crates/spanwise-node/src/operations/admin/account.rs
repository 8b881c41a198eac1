//! `/account`: the account of the node as JSON, which the live page draws. `docs/node/account.md` documents its shape.

use super::process::Process;
use crate::account::{Account, DestinationAccount, PeerAccount, ReceiverAccount, SamplerAccount};
use crate::operations::log::Line;
use crate::operations::state::{Phase, Shown, Source};
use spanwise_admin::__private::{JSON, Json, Request, Response, Route, Runs};
use spanwise_tail::PolicyCounts;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) const ROUTES: &[Route<Shown>] =
    &[Route { path: "/account", runs: Runs::Inline, is_page: false, answer: account }];

fn account(source: &Shown, _request: &Request) -> Response {
    Response::ok(JSON, document(source.as_ref(), &source.lines()))
}

/// The document. Fields may be added; `schema` changes when one changes its meaning.
pub(crate) fn document(source: &dyn Source, lines: &[Line]) -> String {
    let about = source.about();
    let is_ready = source.phase() == Phase::Running && source.busy().is_none();
    let process = Process::read();
    let account = source.account().unwrap_or_default();
    let mut json = Json::new();
    json.object(|json| {
        json.key("schema").integer(SCHEMA);
        json.key("spanwise_version").string(env!("CARGO_PKG_VERSION"));
        json.key("role").string(about.role);
        json.key("state").string(source.phase().name());
        json.key("is_ready").boolean(is_ready);
        json.key("time_unix_seconds").number(unix_seconds(SystemTime::now()));
        json.key("uptime_seconds").number(about.started.elapsed().as_secs_f64());
        json.key("process").object(|json| {
            json.key("resident_bytes").number(process.map(|it| it.resident_bytes as f64));
            json.key("cpu_seconds").number(process.map(|it| it.cpu_seconds));
        });
        json.key("imbalance");
        match account.check() {
            Ok(()) => json.null(),
            Err(imbalance) => json.string(&imbalance.to_string()),
        }
        json.key("receivers")
            .array(|json| account.receivers.iter().for_each(|it| receiver(json, it)));
        intake(json, &account);
        json.key("gateway");
        match &account.gateway {
            Some(gateway) => json.object(|json| {
                let numbers = [
                    ("handed", gateway.handed),
                    ("local", gateway.local),
                    ("without_peers", gateway.without_peers),
                    ("created", gateway.ledger.created),
                    ("exported", gateway.ledger.exported),
                    ("dropped", gateway.ledger.dropped_total()),
                    ("in_flight", gateway.ledger.in_flight),
                    ("rerouted", gateway.rerouted),
                    ("rerouted_to_local", gateway.rerouted_to_local),
                    ("undivided", gateway.undivided),
                    ("malformed", gateway.malformed),
                    ("stayed", gateway.stayed),
                    ("torn_traces", gateway.torn_traces),
                    ("ring_changes", gateway.ring_changes),
                ];
                integers(json, &numbers);
                json.key("peers").array(|json| gateway.peers.iter().for_each(|it| peer(json, it)));
            }),
            None => json.null(),
        }
        json.key("sampler");
        match &account.sampler {
            Some(counts) => {
                sampler(json, counts, &source.tail().map(|it| it.0).unwrap_or_default())
            }
            None => json.null(),
        }
        json.key("destinations")
            .array(|json| account.destinations.iter().for_each(|it| sender(json, it)));
        json.key("crash");
        match &account.crash {
            Some(crash) => json.object(|json| {
                json.key("spans").integer(crash.spans);
                let seconds = crash.uncertainty.map(|it| it.as_secs_f64());
                json.key("uncertainty_seconds").number(seconds);
            }),
            None => json.null(),
        }
        json.key("budget").object(|json| {
            let memory = &account.memory;
            let numbers = [
                ("limit_bytes", memory.budget_bytes),
                ("used_bytes", memory.charged_bytes),
                ("peak_bytes", memory.peak_bytes),
                ("memory_limit_bytes", memory.limit_bytes),
            ];
            integers(json, &numbers);
        });
        json.key("diagnostics").array(|json| lines.iter().for_each(|it| line(json, it)));
    });
    json.finish()
}

fn receiver(json: &mut Json, receiver: &ReceiverAccount) {
    json.object(|json| {
        json.key("name").string(&receiver.name);
        json.key("endpoint").string(&receiver.endpoint);
        let numbers = [
            ("connections", receiver.connections),
            ("rejected_requests", receiver.rejected_requests),
            ("evicted_requests", receiver.evicted_requests),
            ("memory_bytes", receiver.memory_bytes),
        ];
        integers(json, &numbers);
        json.key("closed_connections").object(|json| integers(json, &receiver.closed.by_reason()));
    });
}

fn intake(json: &mut Json, account: &Account) {
    let intake = &account.intake;
    json.key("intake").object(|json| {
        let numbers = [
            ("received", intake.received),
            ("refused_overloaded", intake.refused_overloaded),
            ("refused_malformed", intake.refused_malformed),
            ("refused_panicked", intake.refused_panicked),
            ("unauthorized_requests", intake.unauthorized_requests),
            ("overloaded_requests", intake.overloaded_requests),
            ("accepted", intake.accepted),
            ("filtered", intake.filtered),
            ("sampled_out", intake.sampled_out),
            ("malformed", intake.malformed),
            ("unredactable", intake.unredactable),
            ("passed", intake.passed),
            ("passed_from_peers", intake.passed_from_peers),
        ];
        integers(json, &numbers);
    });
}

fn sampler(json: &mut Json, account: &SamplerAccount, policies: &[PolicyCounts]) {
    let (counts, shards) = (&account.counts, &account.counts.shards);
    json.object(|json| {
        let numbers = [
            ("accepted", counts.accepted_spans),
            ("queued", counts.queued_spans),
            ("queued_bytes", counts.queued_bytes),
            ("pending", shards.pending_spans),
            ("pending_traces", shards.pending_traces),
            ("sampled", shards.sampled_spans),
            ("dry_run", shards.dry_run_spans),
            ("not_sampled", shards.not_sampled_spans),
            ("sampled_traces", shards.sampled_traces),
            ("not_sampled_traces", shards.not_sampled_traces),
            ("dropped_traces", shards.dropped_traces),
            ("evicted_traces", shards.evicted_traces),
            ("late_sampled", shards.late_sampled_spans),
            ("late_not_sampled", shards.late_not_sampled_spans),
            ("dropped", account.dropped_by_reason().iter().map(|(_, spans)| spans).sum()),
        ];
        integers(json, &numbers);
        json.key("dropped_by_reason").object(|json| integers(json, &account.dropped_by_reason()));
        json.key("policies").array(|json| {
            for policy in policies.iter().take(MAX_POLICIES) {
                json.object(|json| {
                    json.key("name").string(&policy.name);
                    let numbers = [
                        ("sampled_traces", policy.sampled),
                        ("not_sampled_traces", policy.not_sampled),
                        ("dropped_traces", policy.dropped),
                        ("errors", policy.errors),
                        ("decided_traces", policy.decided),
                    ];
                    integers(json, &numbers);
                });
            }
        });
    });
}

/// A peer, with the fields of a destination.
fn peer(json: &mut Json, peer: &PeerAccount) {
    let settled = peer.sent + peer.dropped + peer.rerouted;
    json.object(|json| {
        json.key("name").string(&peer.name);
        json.key("is_up").boolean(peer.problem.is_none());
        json.key("has_share").boolean(peer.has_share);
        let numbers = [
            ("created", peer.routed),
            ("recovered", 0),
            ("exported", peer.sent),
            ("dropped", peer.dropped),
            ("rerouted", peer.rerouted),
            ("spooled", 0),
            ("in_flight", peer.routed.saturating_sub(settled)),
            ("queued_bytes", peer.queued_bytes as u64),
        ];
        integers(json, &numbers);
        json.key("dropped_by_reason").object(|_| {});
        text(json, "last_failure", peer.problem.as_deref());
    });
}

fn sender(json: &mut Json, sender: &DestinationAccount) {
    let ledger = &sender.ledger;
    json.object(|json| {
        json.key("name").string(&sender.name);
        json.key("is_up").boolean(sender.is_up);
        let numbers = [
            ("created", ledger.created),
            ("recovered", ledger.recovered),
            ("exported", ledger.exported),
            ("dropped", ledger.dropped_total()),
            ("spooled", ledger.spooled),
            ("in_flight", ledger.in_flight),
            ("queued_bytes", sender.queued_bytes),
        ];
        integers(json, &numbers);
        json.key("dropped_by_reason").object(|json| {
            ledger.drops().for_each(|(reason, spans)| json.key(reason.name()).integer(spans));
        });
        json.key("spool");
        match &sender.spool {
            Some(spool) => json.object(|json| {
                json.key("state").string(spool.state.name());
                integers(json, &[("bytes", spool.bytes), ("limit_bytes", spool.limit_bytes)]);
                text(json, "problem", spool.problem.as_deref());
            }),
            None => json.null(),
        }
        text(json, "last_failure", sender.last_error.as_deref());
    });
}

fn line(json: &mut Json, line: &Line) {
    json.object(|json| {
        json.key("time_unix_seconds").number(unix_seconds(line.time));
        json.key("level").string(line.level.name());
        json.key("message").string(&line.message);
    });
}

fn text(json: &mut Json, key: &str, value: Option<&str>) {
    json.key(key);
    match value {
        Some(value) => json.string(value),
        None => json.null(),
    }
}

fn integers(json: &mut Json, numbers: &[(&str, u64)]) {
    for (key, value) in numbers {
        json.key(key).integer(*value);
    }
}

fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

const SCHEMA: u64 = 1;
/// The page shows the first ones.
const MAX_POLICIES: usize = 256;
