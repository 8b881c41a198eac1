//! [`Watch`]: changes of the account as events of the log.

use super::log::Event;
use crate::account::{
    AGE, Account, DestinationAccount, GatewayAccount, PeerAccount, ReceiverAccount, SamplerAccount,
    SpoolAccount,
};
use spanwise_ledger::{DropReason, Snapshot};
use std::collections::HashMap;

/// The account of a moment ago. The parts of a node count and log nothing; this compares.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    last: Account,
}

impl Watch {
    /// Reports what has changed since the last call.
    pub(crate) fn observe(&mut self, account: Account, log: &mut dyn FnMut(Event<'_>)) {
        let last = std::mem::replace(&mut self.last, account);
        receivers(&last.receivers, &self.last.receivers, log);
        self.intake(&last, log);
        if let Some(now) = &self.last.sampler {
            sampler(last.sampler.as_ref(), now, log);
        }
        destinations(&last.destinations, &self.last.destinations, log);
        if let Some(now) = &self.last.gateway {
            peers(last.gateway.as_ref(), now, log);
        }
    }

    fn intake(&self, last: &Account, log: &mut dyn FnMut(Event<'_>)) {
        let (now, last) = (&self.last.intake, &last.intake);
        let grown = |now: u64, last: u64| Some(now.saturating_sub(last)).filter(|more| *more > 0);
        for (reason, spans) in [
            ("overloaded", grown(now.refused_overloaded, last.refused_overloaded)),
            ("malformed", grown(now.refused_malformed, last.refused_malformed)),
            ("panicked", grown(now.refused_panicked, last.refused_panicked)),
        ] {
            spans.into_iter().for_each(|spans| log(Event::Refusing { reason, spans }));
        }
        if let Some(requests) = grown(now.overloaded_requests, last.overloaded_requests) {
            log(Event::RefusingUnread { reason: now.last_refusal, requests });
        }
        for (processor, spans) in [
            ("redaction", grown(now.unredactable, last.unredactable)),
            ("probabilistic_sampler", grown(now.malformed, last.malformed)),
        ] {
            spans.into_iter().for_each(|spans| log(Event::Unreadable { processor, spans }));
        }
        if let Some(requests) = grown(now.unauthorized_requests, last.unauthorized_requests) {
            log(Event::Unauthorized { requests });
        }
    }
}

fn sampler(last: Option<&SamplerAccount>, now: &SamplerAccount, log: &mut dyn FnMut(Event<'_>)) {
    let early = |account: &SamplerAccount| account.counts.shards.evicted_traces;
    let traces = early(now).saturating_sub(last.map_or(0, early));
    if traces > 0 {
        log(Event::TracesDecidedEarly { traces });
    }
    for (index, (reason, spans)) in now.lost().enumerate() {
        let before = last.and_then(|last| last.lost().nth(index)).map_or(0, |(_, spans)| spans);
        let spans = spans.saturating_sub(before);
        if spans > 0 {
            log(Event::SpansDropped { destination: "tail_sampling", reason, spans });
        }
    }
}

/// Both have the receivers of the settings in their order, or none before the start.
fn receivers(last: &[ReceiverAccount], now: &[ReceiverAccount], log: &mut dyn FnMut(Event<'_>)) {
    for (index, account) in now.iter().enumerate() {
        let before = last.get(index).map(|it| it.closed).unwrap_or_default().by_reason();
        for ((reason, closed), (_, before)) in account.closed.by_reason().into_iter().zip(before) {
            let connections = closed.saturating_sub(before);
            if connections > 0 && reason != AGE {
                let receiver = &*account.name;
                log(Event::ConnectionsClosed { receiver, reason, connections });
            }
        }
    }
}

fn destinations(
    last: &[DestinationAccount],
    now: &[DestinationAccount],
    log: &mut dyn FnMut(Event<'_>),
) {
    let known = by_name(last);
    for account in now {
        let (destination, before) = (&*account.name, known.get(&*account.name).copied());
        match (before.is_none_or(|before| before.is_up), account.is_up) {
            (true, false) => log(Event::DestinationDown { destination, problem: problem(account) }),
            (false, true) => log(Event::DestinationUp { destination }),
            _ => {}
        }
        match (before.and_then(disk_problem), disk_problem(account)) {
            (None, Some(problem)) => log(Event::SpoolFailed { destination, problem }),
            (Some(_), None) => log(Event::SpoolRestored { destination }),
            _ => {}
        }
        // Without those that a crash lost, which are recovered and dropped at once.
        let recovered =
            |ledger: &Snapshot| ledger.recovered.saturating_sub(ledger.dropped(DropReason::Crash));
        let spans = recovered(&account.ledger);
        let spans = spans.saturating_sub(before.map_or(0, |before| recovered(&before.ledger)));
        if spans > 0 {
            log(Event::SpoolRecovered { destination, spans });
        }
        drops(before.map(|before| &before.ledger), (destination, &account.ledger), log);
    }
}

fn peers(last: Option<&GatewayAccount>, now: &GatewayAccount, log: &mut dyn FnMut(Event<'_>)) {
    let last_peers = last.map(|last| &last.peers[..]).unwrap_or_default();
    let (known, present) = (peers_by_name(last_peers), peers_by_name(&now.peers));
    let count = now.peers.len() as u64;
    for account in last_peers.iter().filter(|account| !present.contains_key(&*account.name)) {
        log(Event::PeerRemoved { peer: &account.name, peers: count });
    }
    for account in &now.peers {
        let (peer, before) = (&*account.name, known.get(&*account.name).copied());
        if before.is_none() {
            log(Event::PeerAdded { peer, peers: count });
        }
        let was_up = before.is_none_or(|before| before.problem.is_none());
        match (was_up, account.problem.as_deref()) {
            (true, Some(problem)) => log(Event::PeerDown { peer, problem }),
            (false, None) => log(Event::PeerUp { peer }),
            _ => {}
        }
        if before.is_none_or(|before| before.has_share) && !account.has_share {
            let problem = account.problem.as_deref().unwrap_or("no request is answered");
            log(Event::PeerUnreachable { peer, problem });
        }
    }
    drops(last.map(|last| &last.ledger), ("load_balancing", &now.ledger), log);
    resolver(last, now, log);
}

/// A failure that is the same as before is one; one that was over before anyone looked is one, too.
fn resolver(last: Option<&GatewayAccount>, now: &GatewayAccount, log: &mut dyn FnMut(Event<'_>)) {
    let failures = last.map_or(0, |last| last.resolver_failures);
    let known = last.and_then(|last| last.resolver_problem.as_deref());
    if let Some(problem) = now.last_resolver_failure.as_deref()
        && now.resolver_failures > failures
        && known != Some(problem)
    {
        log(Event::ResolveFailed { problem });
    }
}

/// The losses of a destination or of all peers since the last account.
fn drops(
    before: Option<&Snapshot>,
    (destination, ledger): (&str, &Snapshot),
    log: &mut dyn FnMut(Event<'_>),
) {
    for (reason, spans) in ledger.drops() {
        let spans = spans - before.map_or(0, |before| before.dropped(reason)).min(spans);
        if spans > 0 {
            log(Event::SpansDropped { destination, reason: reason.name(), spans });
        }
    }
}

fn peers_by_name(accounts: &[PeerAccount]) -> HashMap<&str, &PeerAccount> {
    accounts.iter().map(|account| (&*account.name, account)).collect()
}

fn by_name(accounts: &[DestinationAccount]) -> HashMap<&str, &DestinationAccount> {
    accounts.iter().map(|account| (&*account.name, account)).collect()
}

fn disk_problem(account: &DestinationAccount) -> Option<&str> {
    account.spool.as_ref().and_then(SpoolAccount::problem)
}

fn problem(account: &DestinationAccount) -> &str {
    account.last_error.as_deref().unwrap_or("no request is accepted")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::SpoolState;
    use crate::operations::fakes::gateway;
    use spanwise_ledger::Ledger;

    fn sender(name: &str, is_up: bool, dropped: u64) -> DestinationAccount {
        let ledger = Ledger::new();
        ledger.started_many(dropped);
        ledger.dropped(DropReason::Rejected, dropped);
        let last_error = (!is_up).then(|| "refused".to_owned());
        DestinationAccount {
            name: name.to_owned(),
            ledger: ledger.snapshot(),
            is_up,
            spool: None,
            queued_bytes: 0,
            last_error,
        }
    }

    #[test]
    fn a_disk_that_stores_nothing_is_reported_once_and_again_once_it_does() {
        let mut watch = Watch::default();
        let mut of = |state, problem: Option<&str>| {
            let problem = problem.map(str::to_owned);
            let spool = SpoolAccount { state, problem, ..SpoolAccount::default() };
            let sender = DestinationAccount { spool: Some(spool), ..sender("a", true, 0) };
            let account = Account { destinations: vec![sender], ..Account::default() };
            events(&mut watch, account)
        };
        assert_eq!(of(SpoolState::Opening, None), [] as [&str; 0]);
        assert_eq!(of(SpoolState::Up, None), [] as [&str; 0]);
        let failed = "spool_failed destination=Text(\"a\") problem=Text(\"full\")";
        assert_eq!(of(SpoolState::Failing, Some("full")), [failed]);
        assert_eq!(of(SpoolState::Failing, Some("still full")), [] as [&str; 0]);
        assert_eq!(of(SpoolState::Up, None), ["spool_restored destination=Text(\"a\")"]);
        assert_eq!(of(SpoolState::Ended, Some("full")), [failed]);
    }

    fn events(watch: &mut Watch, account: Account) -> Vec<String> {
        let mut events = Vec::new();
        watch.observe(account, &mut |event| {
            let fields: Vec<String> =
                event.fields().iter().map(|(key, value)| format!("{key}={value:?}")).collect();
            events.push(format!("{} {}", event.name(), fields.join(" ")));
        });
        events
    }

    #[test]
    fn a_destination_that_fails_and_loses_spans_is_reported_once_each() {
        let mut watch = Watch::default();
        let of = |is_up, dropped| Account {
            destinations: vec![sender("a", is_up, dropped)],
            ..Account::default()
        };
        assert_eq!(events(&mut watch, of(true, 0)), [] as [&str; 0]);
        let down = [
            "destination_down destination=Text(\"a\") problem=Text(\"refused\")",
            "spans_dropped destination=Text(\"a\") reason=Text(\"rejected\") spans=Number(5)",
        ];
        assert_eq!(events(&mut watch, of(false, 5)), down);
        assert_eq!(events(&mut watch, of(false, 5)), [] as [&str; 0]);
        let up = [
            "destination_up destination=Text(\"a\")",
            "spans_dropped destination=Text(\"a\") reason=Text(\"rejected\") spans=Number(2)",
        ];
        assert_eq!(events(&mut watch, of(true, 7)), up);
    }

    #[test]
    fn connections_that_a_receiver_closes_are_reported_by_reason() {
        let mut watch = Watch::default();
        let mut of = |limit, tls_handshake| {
            let mut receiver = ReceiverAccount { name: "a".to_owned(), ..Default::default() };
            (receiver.closed.limit, receiver.closed.tls_handshake) = (limit, tls_handshake);
            // It is expected.
            receiver.closed.age = 10 * limit;
            events(&mut watch, Account { receivers: vec![receiver], ..Account::default() })
        };
        let closed = |reason, count| {
            format!(
                "connections_closed receiver=Text(\"a\") reason=Text({reason:?}) connections=Number({count})"
            )
        };
        assert_eq!(of(0, 0), [""; 0]);
        assert_eq!(of(3, 1), [closed("limit", 3), closed("tls_handshake", 1)]);
        assert_eq!(of(3, 2), [closed("tls_handshake", 1)]);
    }

    #[test]
    fn drops_of_tail_sampling_and_requests_that_are_refused_unread_are_reported() {
        let mut watch = Watch::default();
        let mut of = |invalid_id, drop_policy, requests| {
            let mut sampler = SamplerAccount::default();
            sampler.counts.shards.evicted_traces = invalid_id * 2;
            sampler.counts.shards.dropped_spans.invalid_id = invalid_id;
            sampler.counts.shards.dropped_spans.drop_policy = drop_policy;
            let mut account = Account { sampler: Some(sampler), ..Account::default() };
            account.intake.overloaded_requests = requests;
            account.intake.last_refusal = "no_space";
            events(&mut watch, account)
        };
        let dropped = "spans_dropped destination=Text(\"tail_sampling\") reason=Text(\"invalid_id\") spans=Number(3)";
        assert_eq!(of(0, 0, 0), [""; 0]);
        assert_eq!(
            of(3, 7, 2),
            [
                "refusing_unread reason=Text(\"no_space\") requests=Number(2)",
                "traces_decided_early traces=Number(6)",
                dropped,
            ]
        );
        assert_eq!(of(3, 9, 2), [""; 0], "a policy drops these");
    }

    #[test]
    fn peers_that_come_and_go_are_reported() {
        let mut watch = Watch::default();
        let of = |names: &[&str]| Account { gateway: Some(gateway(names)), ..Account::default() };
        let added = |name, count| format!("peer_added peer=Text({name:?}) peers=Number({count})");
        let first = events(&mut watch, of(&["a", "b"]));
        assert_eq!(first[..2], [added("a", 2), added("b", 2)]);
        assert!(
            first[2].contains("spans_dropped destination=Text(\"load_balancing\")"),
            "{first:?}"
        );
        let removed = "peer_removed peer=Text(\"a\") peers=Number(2)".to_owned();
        assert_eq!(events(&mut watch, of(&["b", "c"])), [removed, added("c", 2)]);
    }

    #[test]
    fn a_peer_that_loses_its_share_is_reported_once() {
        let mut watch = Watch::default();
        let mut of = |problem: Option<&str>, has_share| {
            let mut gateway = gateway(&["a"]);
            for peer in &mut gateway.peers {
                (peer.problem, peer.has_share) = (problem.map(str::to_owned), has_share);
            }
            let mut events =
                events(&mut watch, Account { gateway: Some(gateway), ..Account::default() });
            events.retain(|event| !event.starts_with("peer_added") && event.starts_with("peer"));
            events
        };
        let of_peer = |name| format!("{name} peer=Text(\"a\")");
        let failed = |name| format!("{name} peer=Text(\"a\") problem=Text(\"refused\")");
        assert_eq!(of(None, true), [""; 0]);
        assert_eq!(of(Some("refused"), true), [failed("peer_down")]);
        assert_eq!(of(Some("refused"), false), [failed("peer_unreachable")]);
        assert_eq!(of(Some("refused"), false), [""; 0]);
        assert_eq!(of(None, true), [of_peer("peer_up")]);
    }

    #[test]
    fn a_resolution_that_fails_is_reported_once_also_when_it_is_over() {
        let mut watch = Watch::default();
        let mut of = |failures, last: &str, is_over: bool| {
            let mut gateway = gateway(&[]);
            gateway.resolver_failures = failures;
            gateway.last_resolver_failure = (failures > 0).then(|| last.to_owned());
            gateway.resolver_problem = gateway.last_resolver_failure.clone().filter(|_| !is_over);
            let account = Account { gateway: Some(gateway), ..Account::default() };
            let mut events = events(&mut watch, account);
            events.retain(|event| event.starts_with("resolve_failed"));
            events
        };
        let failed = |problem| vec![format!("resolve_failed problem=Text({problem:?})")];
        assert_eq!(of(0, "", true), [""; 0]);
        assert_eq!(of(1, "no answer", true), failed("no answer"));
        assert_eq!(of(1, "no answer", true), [""; 0]);
        assert_eq!(of(2, "no answer", false), failed("no answer"));
        assert_eq!(of(9, "no answer", false), [""; 0], "as before");
        assert_eq!(of(10, "no certificate", false), failed("no certificate"));
        assert_eq!(of(10, "no certificate", true), [""; 0]);
    }
}
