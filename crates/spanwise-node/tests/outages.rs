//! Destinations that are down, slow or killed, with and without a disk.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_node::settings::*;
use spanwise_node::{ExitKind, Node, SpoolState};
use spanwise_receiver::{Answer, Collected, Receiver};
use spanwise_spool::SpoolSettings;
use spanwise_testkit::{ClosedPort, Fault, FaultProxy};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
use support::*;

/// A receiver that refuses requests while the flag is set.
fn switchable() -> (Receiver, Collected, Arc<AtomicBool>) {
    let is_down = Arc::new(AtomicBool::new(true));
    let collected = Collected::new(256 << 20);
    let (store, down) = (collected.handler(), Arc::clone(&is_down));
    let receiver = Receiver::builder().with_handler(move |export| match down.load(SeqCst) {
        true => Answer::Refuse {
            http_status: 503,
            grpc_code: 14,
            message: "down".to_owned(),
            retry_after: Some(Duration::from_millis(1)),
        },
        false => store(export),
    });
    (receiver.start().unwrap(), collected, is_down)
}

fn with_spool(destination: DestinationSettings, directory: &Path) -> DestinationSettings {
    let directory = directory.to_owned();
    let spool = Some(DestinationSpool { directory, settings: SpoolSettings::default() });
    DestinationSettings { spool, ..destination }
}

/// A destination whose requests do not give up during the test.
fn patient(name: &str, endpoint: &str) -> DestinationSettings {
    let mut destination = destination(name, endpoint);
    if let Target::Otlp(builder) = destination.target {
        let builder = builder.with_request_timeout(PATIENCE * 10);
        destination.target = Target::Otlp(Box::new(builder));
    }
    destination
}

/// All that the node accepts while its destination is down waits in the budget; the rest waits at the sender.
#[test]
fn senders_are_refused_while_the_destination_is_down_and_lose_nothing() {
    let (receiver, collected, is_down) = switchable();
    let mut target = patient("one", &receiver.http_endpoint());
    target.queue_bytes = Some(1 << 20);
    target.max_batch_spans = 1000;
    let mut settings = settings(vec![target]);
    settings.memory = MemoryLimit::Bytes(32 << 20);
    let node = Node::start(settings).unwrap();
    let address = node.addresses()[0];
    thread::scope(|scope| {
        for thread in 0..2 {
            scope.spawn(move || {
                let mut client = Client::connect(address);
                for round in 0..100 {
                    let first = (thread * 100 + round) * 100;
                    client.post_until_accepted(&request(first..first + 100));
                }
            });
        }
        wait_until(&node, |account| account.intake.overloaded_requests > 10);
        assert_eq!(collected.spans(), 0);
        is_down.store(false, SeqCst);
    });
    let account = end(node);
    assert_exactly(&collected, 0..20_000);
    let refused = account.intake.refused_overloaded;
    assert_eq!(account.intake.received, 20_000 + refused);
    assert_eq!(account.destinations[0].ledger.exported, 20_000);
}

#[test]
fn a_budget_that_is_used_up_refuses_requests() {
    let (receiver, collected, is_down) = switchable();
    let mut target = patient("one", &receiver.http_endpoint());
    target.queue_bytes = Some(usize::MAX);
    let mut settings = settings(vec![target]);
    settings.memory = MemoryLimit::Bytes(32 << 20);
    let node = Node::start(settings).unwrap();
    let mut client = Client::connect(node.addresses()[0]);
    let mut accepted = 0;
    while client.post(&request(accepted..accepted + 2000)).status == 200 {
        accepted += 2000;
        assert!(accepted < 400_000);
    }
    assert!(node.account().intake.refused_overloaded == 2000);
    is_down.store(false, SeqCst);
    client.post_until_accepted(&request(accepted..accepted + 2000));
    let account = end(node);
    assert_exactly(&collected, 0..accepted + 2000);
    assert!(account.memory.peak_bytes > account.memory.budget_bytes / 2);
}

#[test]
fn what_a_destination_does_not_accept_waits_on_disk_over_a_restart() {
    let directory = TempDir::new("restart");
    let port = ClosedPort::new().unwrap();
    let start = || {
        let target = destination("one", &port.endpoint().unwrap());
        Node::start(settings(vec![with_spool(target, &directory.0)])).unwrap()
    };
    let node = start();
    let mut client = Client::connect(node.addresses()[0]);
    for round in 0..20 {
        assert_eq!(client.post(&request(round * 50..round * 50 + 50)).status, 200);
    }
    wait_until(&node, |account| account.destinations[0].ledger.spooled > 0);
    let account = end(node);
    assert_eq!(account.destinations[0].ledger.spooled, 1000, "{account}");

    let node = start();
    wait_until(&node, |account| account.destinations[0].ledger.recovered == 1000);
    let mut client = Client::connect(node.addresses()[0]);
    assert_eq!(client.post(&request(1000..1050)).status, 200);
    let (_receiver, collected) = collecting_at(port.address().unwrap());
    wait_until(&node, |account| account.destinations[0].ledger.exported == 1050);
    let account = end(node);
    assert_exactly(&collected, 0..1050);
    assert_eq!(account.destinations[0].ledger.spooled, 0);
}

#[test]
fn an_outage_with_a_disk_refuses_no_sender_and_ends_with_all_spans() {
    let directory = TempDir::new("outage");
    let (receiver, collected, is_down) = switchable();
    let (other, all) = collecting();
    let mut target = destination("one", &receiver.http_endpoint());
    target.queue_bytes = Some(256 << 10);
    let settings = settings(vec![
        with_spool(target, &directory.0),
        destination("two", &other.http_endpoint()),
    ]);
    let node = Node::start(settings).unwrap();
    let mut client = Client::connect(node.addresses()[0]);
    for round in 0..300 {
        client.post_until_accepted(&request(round * 100..round * 100 + 100));
        if round == 200 {
            wait_until(&node, |account| account.destinations[0].ledger.spooled >= 10_000);
            assert!(!node.account().destinations[0].is_up);
            is_down.store(false, SeqCst);
        }
    }
    wait_until(&node, |account| account.destinations[0].ledger.exported == 30_000);
    let account = end(node);
    assert_all(&collected, 0..30_000);
    assert_all(&all, 0..30_000);
    assert!(account.destinations.iter().all(|it| it.is_up && it.ledger.spooled == 0));
}

#[test]
fn a_second_node_on_the_same_spool_is_refused() {
    let directory = TempDir::new("locked");
    let (receiver, _) = collecting();
    let start = || {
        let target = destination("one", &receiver.http_endpoint());
        Node::start(settings(vec![with_spool(target, &directory.0)]))
    };
    let node = start().unwrap();
    let error = start().map(drop).unwrap_err();
    assert_eq!(error.kind, ExitKind::Spool);
    let text = error.to_string();
    assert!(text.starts_with("spool.directory of destination one: the spool directory"), "{text}");
    end(node);
    end(start().unwrap());
}

#[test]
fn one_directory_for_two_purposes_is_refused_with_both_keys() {
    let directory = TempDir::new("twice");
    let (receiver, _) = collecting();
    let target = |name, path: &Path| with_spool(destination(name, &receiver.http_endpoint()), path);
    let (spool, other) = (directory.0.join("spool"), directory.0.join("x/../spool"));
    let check = |settings: NodeSettings, other: &str| {
        let error = Node::start(settings).map(drop).unwrap_err();
        assert_eq!(error.kind, ExitKind::Settings, "{error}");
        assert!(error.to_string().contains(&format!(" is also {other}: ")), "{error}");
    };
    let two = settings(vec![target("one", &spool), target("two", &other)]);
    check(two, "spool.directory of destination one");
    let state = settings(vec![target("one", &spool)]);
    check(NodeSettings { state_directory: Some(other), ..state }, "state.directory");
}

/// Its directory is removed, and a file has its name: nothing can be stored.
#[test]
fn a_disk_that_fails_and_comes_back_loses_nothing() {
    let base = TempDir::new("failing");
    let directory = base.0.join("spool");
    let (receiver, collected, is_down) = switchable();
    let target = with_spool(destination("one", &receiver.http_endpoint()), &directory);
    let node = Node::start(settings(vec![target])).unwrap();
    let spool = |account: &spanwise_node::Account| account.destinations[0].spool.clone().unwrap();
    wait_until(&node, |account| spool(account).state == SpoolState::Up);
    std::fs::remove_dir_all(&directory).unwrap();
    std::fs::write(&directory, "").unwrap();
    let mut client = Client::connect(node.addresses()[0]);
    for round in 0..20 {
        client.post_until_accepted(&request(round * 50..round * 50 + 50));
    }
    wait_until(&node, |account| spool(account).state == SpoolState::Failing);
    wait_until(&node, |account| !account.destinations[0].is_up);
    let account = node.account();
    assert!(spool(&account).problem.is_some());
    let ledger = &account.destinations[0].ledger;
    assert_eq!((ledger.in_flight, ledger.dropped_total()), (1000, 0), "{account}");
    std::fs::remove_file(&directory).unwrap();
    wait_until(&node, |account| account.destinations[0].ledger.spooled == 1000);
    assert_eq!(spool(&node.account()).state, SpoolState::Up);
    is_down.store(false, SeqCst);
    wait_until(&node, |account| account.destinations[0].ledger.exported == 1000);
    let account = end(node);
    assert_all(&collected, 0..1000);
    assert_eq!(account.destinations[0].ledger.dropped_total(), 0);
}

#[test]
fn a_shutdown_with_the_longest_timeout_ends_as_soon_as_all_is_sent() {
    let (receiver, collected) = collecting();
    let mut settings = settings(vec![destination("one", &receiver.http_endpoint())]);
    settings.shutdown_timeout = Duration::MAX;
    let node = Node::start(settings).unwrap();
    assert_eq!(Client::connect(node.addresses()[0]).post(&request(0..10)).status, 200);
    check(&node.shutdown(Duration::MAX));
    assert_exactly(&collected, 0..10);
}

/// A request that was sent and got no answer may be there: it is sent again, and counted as what it is.
#[test]
fn a_destination_that_is_killed_in_the_middle_of_requests_gets_all_spans() {
    let (receiver, collected) = collecting();
    let proxy = FaultProxy::start(receiver.address()).unwrap();
    let node = Node::start(settings(vec![patient("one", &proxy.endpoint())])).unwrap();
    let mut client = Client::connect(node.addresses()[0]);
    for round in 0..60 {
        let fault = match round % 12 {
            2 => Some(Fault::ResetAfterRequestBytes(1000)),
            5 => Some(Fault::Refuse),
            8 => Some(Fault::ResetAfterResponseBytes(3)),
            11 => Some(Fault::Pass),
            _ => None,
        };
        if let Some(fault) = fault {
            proxy.set(fault);
            proxy.reset_open_connections();
        }
        assert_eq!(client.post(&request(round * 100..round * 100 + 100)).status, 200);
        thread::sleep(Duration::from_millis(5));
    }
    proxy.set(Fault::Pass);
    let account = end(node);
    assert_all(&collected, 0..6000);
    let ledger = &account.destinations[0].ledger;
    assert_eq!(ledger.exported + ledger.ambiguous(), 6000, "{account}");
}

#[test]
fn a_shutdown_stores_what_a_hanging_destination_has_not_accepted() {
    let directory = TempDir::new("hanging");
    let hanging = answering(|| Answer::Accept.after(Duration::from_secs(60)));
    let mut target = patient("one", &hanging.http_endpoint());
    target.max_batch_spans = 10;
    let node = Node::start(settings(vec![with_spool(target, &directory.0)])).unwrap();
    let mut client = Client::connect(node.addresses()[0]);
    for round in 0..20 {
        assert_eq!(client.post(&request(round * 10..round * 10 + 10)).status, 200);
    }
    let begun = std::time::Instant::now();
    let account = node.shutdown(Duration::from_secs(2));
    assert!(begun.elapsed() < Duration::from_millis(2050), "{:?}", begun.elapsed());
    check(&account);
    assert_eq!(account.destinations[0].ledger.spooled, 200, "{account}");
}
