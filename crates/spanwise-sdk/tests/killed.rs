//! A receiver that the test kills repeatedly: the ledger's counts are compared with the ids that the
//! receiver stored.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_receiver::{Answer, Receiver};
use spanwise_sdk::{SpanKind, Spanwise};
use spanwise_testkit::{ClosedPort, rerun};
use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::Duration;
use support::{LONG, assert_idle, builder, wait_until_idle};

const ADDRESS: &str = "SPANWISE_TEST_ADDRESS";

/// The receiver's process; without its variable an empty test. It writes the id of each span before it
/// answers.
#[test]
fn receiver() {
    let Ok(address) = std::env::var(ADDRESS) else { return };
    let store = move |export: spanwise_receiver::Export| {
        let request = spanwise_testkit::decode(&export.body);
        let ids = spanwise_testkit::spans(&request).map(|span| hex(&span.span_id));
        let lines: String = ids.map(|id| format!("id {id}\n")).collect();
        std::io::stdout().write_all(lines.as_bytes()).unwrap();
        std::io::stdout().flush().unwrap();
        Answer::Accept
    };
    let address: SocketAddr = address.parse().unwrap();
    let _receiver = Receiver::builder().with_address(address).with_handler(store).start().unwrap();
    println!("ready");
    // Runs until the parent kills it, or until the parent has ended.
    let _ = std::io::stdin().read(&mut [0]);
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A receiver at `address`, and a thread that reads the ids that it has stored.
fn start(address: SocketAddr) -> (Child, std::thread::JoinHandle<HashSet<String>>) {
    let mut child = rerun("receiver")
        .env(ADDRESS, address.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let (listening, ready) = std::sync::mpsc::channel();
    let stored = std::thread::spawn(move || {
        let mut stored = HashSet::new();
        let mut line = String::new();
        // A line without its end was cut by the kill and does not count as stored. Requests that
        // waited for this receiver are stored before it prints that it is ready.
        while lines.read_line(&mut line).unwrap_or(0) > 0 && line.ends_with('\n') {
            if line.contains("ready") {
                let _ = listening.send(());
            }
            if let Some((_, id)) = line.trim_end().split_once("id ") {
                stored.insert(id.to_owned());
            }
            line.clear();
        }
        stored
    });
    ready.recv_timeout(LONG).unwrap();
    (child, stored)
}

fn make(spanwise: &Spanwise, spans: usize) -> Vec<String> {
    let tracer = spanwise.tracer("killed");
    let id = |_| {
        let span = tracer.root("span", SpanKind::Internal);
        hex(&span.context().span_id().to_bytes())
    };
    (0..spans).map(id).collect()
}

#[test]
fn a_killed_receiver_stored_the_exported_spans_and_at_most_the_ambiguous_ones() {
    // The port stays reserved: between two receivers no other process may get it, and our spans.
    let port = ClosedPort::new().unwrap();
    let address = port.address().unwrap();
    for round in 0..4 {
        let spanwise = builder()
            .with_endpoint(format!("http://{address}"))
            .with_scheduled_delay(Duration::from_millis(1))
            .with_max_export_batch_size(50)
            .with_attempt_timeout(Duration::from_millis(300))
            // Some rounds have a short timeout: requests reach their deadline between two receivers.
            .with_export_timeout(Duration::from_millis([40, 200, 500, 20_000][round]))
            .build()
            .unwrap();
        let (mut made, mut stored) = (HashSet::new(), HashSet::new());
        for kill in 0..6 {
            let (mut child, reading) = start(address);
            for _ in 0..20 {
                made.extend(make(&spanwise, 40));
                std::thread::sleep(Duration::from_micros(700));
            }
            if kill == 5 && round % 2 == 1 {
                let _ = spanwise.shutdown_timeout(LONG);
            }
            child.kill().unwrap();
            child.wait().unwrap();
            stored.extend(reading.join().unwrap());
        }
        let _ = spanwise.shutdown_timeout(Duration::from_millis(50));
        let ledger = wait_until_idle(&spanwise);
        assert_idle(&ledger);
        assert_eq!(ledger.created as usize, made.len());
        assert!(stored.is_subset(&made), "each stored id is one of ours");
        let (stored, ambiguous) = (stored.len() as u64, ledger.ambiguous());
        assert!(ledger.exported <= stored, "{round}: {stored} stored\n{ledger}");
        assert!(stored <= ledger.exported + ambiguous, "{round}: {stored} stored\n{ledger}");
    }
}
