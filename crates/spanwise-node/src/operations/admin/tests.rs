//! The routes of a node in each phase, as a client sees them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
use super::*;
use crate::account::{
    Account, DestinationAccount, ReceiverAccount, SamplerAccount, SpoolAccount, SpoolState,
};
use crate::operations::fakes::gateway;
use crate::operations::log::{Event, Line};
use crate::operations::state::{About, Phase, Source};
use crate::settings::{AdminSettings, LogFormat};
use crate::stage::Busy;
use spanwise_ledger::{DropReason, Ledger};
use spanwise_metrics::Metric;
use spanwise_tail::PolicyCounts;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

/// A node of numbers.
struct Fake {
    about: About,
    present: Mutex<(Phase, Option<Busy>)>,
}

impl Fake {
    fn set(&self, phase: Phase, busy: Option<Busy>) {
        *self.present.lock().unwrap() = (phase, busy);
    }
}

impl Source for Fake {
    fn phase(&self) -> Phase {
        self.present.lock().unwrap().0
    }

    fn busy(&self) -> Option<Busy> {
        self.present.lock().unwrap().1
    }

    fn about(&self) -> About {
        self.about
    }

    fn account(&self) -> Option<Account> {
        (self.phase() != Phase::Starting).then(account)
    }

    fn tail(&self) -> Option<(Vec<PolicyCounts>, Vec<Metric>)> {
        None
    }

    fn gateway_metrics(&self) -> Vec<Metric> {
        Vec::new()
    }

    fn lines(&self) -> Vec<Line> {
        let event = Event::DestinationDown { destination: "a<b", problem: "</script>\u{1b}" };
        vec![Line::new(LogFormat::Text, SystemTime::now(), &event, 0)]
    }
}

fn sender(name: &str) -> DestinationAccount {
    let ledger = Ledger::new();
    ledger.started_many(9);
    ledger.exported(4);
    ledger.dropped(DropReason::Rejected, 2);
    ledger.dropped(DropReason::QueueBytes, 1);
    let (ledger, last_error) = (ledger.snapshot(), Some("refused".to_owned()));
    DestinationAccount {
        name: name.to_owned(),
        ledger,
        is_up: false,
        spool: Some(SpoolAccount {
            state: SpoolState::Failing,
            bytes: 5_000,
            limit_bytes: 9_000,
            problem: Some("full".to_owned()),
        }),
        queued_bytes: 77,
        last_error,
    }
}

fn account() -> Account {
    let mut account = Account { destinations: vec![sender("a<b")], ..Account::default() };
    let mut receiver = ReceiverAccount { name: "clients".to_owned(), ..Default::default() };
    receiver.closed.limit = 6;
    account.receivers = vec![receiver];
    account.intake.received = 30;
    account.intake.accepted = 20;
    account.intake.refused_overloaded = 10;
    account.gateway = Some(gateway(&["peer:4317"]));
    account.sampler = Some(SamplerAccount::default());
    account.memory.budget_bytes = 1 << 20;
    account
}

fn settings(address: SocketAddr) -> AdminSettings {
    AdminSettings { address, allowed_hosts: vec!["node.example".to_owned()] }
}

fn served() -> (Arc<Fake>, AdminEndpoint) {
    let about = About { role: "both", started: Instant::now(), started_at: SystemTime::now() };
    let fake = Arc::new(Fake { about, present: Mutex::new((Phase::Starting, None)) });
    let endpoint = start(&settings(([127, 0, 0, 1], 0).into()), fake.clone()).unwrap();
    (fake, endpoint)
}

/// The head and the body of an answer.
fn get(endpoint: &AdminEndpoint, path: &str, headers: &str) -> (String, String) {
    let mut stream = TcpStream::connect(endpoint.local_addr()).unwrap();
    let host = if headers.contains("Host:") { "" } else { "Host: 10.1.2.3:13133\r\n" };
    write!(stream, "GET {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn probes_follow_the_life_of_the_node() {
    let (fake, endpoint) = served();
    for (phase, busy, status, text) in [
        (Phase::Starting, None, "503", "starts"),
        (Phase::Running, None, "200", "ready\n"),
        (Phase::Running, Some(Busy::Full), "503", "no space"),
        (Phase::Running, Some(Busy::NoPeer), "503", "knows no peer"),
        (Phase::Running, None, "200", "ready\n"),
        (Phase::Draining, None, "503", "drains"),
    ] {
        fake.set(phase, busy);
        let (head, body) = get(&endpoint, "/readyz", "");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{phase:?} {head}");
        assert!(body.contains(text), "{phase:?} {body}");
        let (head, _) = get(&endpoint, "/healthz", "");
        assert!(head.starts_with("HTTP/1.1 200 "), "{phase:?} {head}");
        for path in ["/metrics", "/account", "/"] {
            let (head, _) = get(&endpoint, path, "");
            assert!(head.starts_with("HTTP/1.1 200 "), "{phase:?} {path} {head}");
        }
    }
}

#[test]
fn the_account_is_read_by_another_implementation_and_has_what_the_page_draws() {
    let (fake, endpoint) = served();
    fake.set(Phase::Running, None);
    let (head, body) = get(&endpoint, "/account", "");
    assert!(head.contains("Content-Type: application/json"), "{head}");
    assert!(!body.contains('<'), "text of the node closes no element");
    let value: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(value["intake"]["refused_overloaded"], 10);
    assert_eq!(value["receivers"][0]["closed_connections"]["limit"], 6);
    let destination = &value["destinations"][0];
    assert_eq!((&destination["name"], &destination["dropped"]), (&"a<b".into(), &3.into()));
    assert_eq!(
        destination["dropped_by_reason"],
        serde_json::json!({"queue_bytes": 1, "rejected": 2})
    );
    let spool = serde_json::json!({"state": "failing", "bytes": 5000, "limit_bytes": 9000, "problem": "full"});
    assert_eq!(destination["spool"], spool);
    assert_eq!(value["gateway"]["peers"][0]["in_flight"], 2);
    assert!(value["imbalance"].as_str().unwrap().contains("accepted is 20"), "{body}");
    assert_eq!(value["diagnostics"][0]["level"], "warn");
    // Names behind `data.` and those of its objects in the scripts.
    for name in
        ["role", "state", "is_ready", "uptime_seconds", "spanwise_version", "budget", "sampler"]
    {
        assert!(!value[name].is_null(), "{name}");
    }
}

#[test]
fn each_field_of_the_account_is_on_its_page() {
    fn fields(value: &serde_json::Value, found: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(members) => members.iter().for_each(|(key, value)| {
                found.insert(key.clone());
                // Its keys are names of reasons.
                if key != "dropped_by_reason" {
                    fields(value, found);
                }
            }),
            serde_json::Value::Array(elements) => elements.iter().for_each(|it| fields(it, found)),
            _ => {}
        }
    }
    let (fake, endpoint) = served();
    fake.set(Phase::Running, None);
    let (_, body) = get(&endpoint, "/account", "");
    let mut found = BTreeSet::new();
    fields(&serde_json::from_str(&body).unwrap(), &mut found);
    let page = include_str!("../../../../../docs/node/account.md");
    let missing: Vec<_> = found.iter().filter(|it| !page.contains(&format!("`{it}`"))).collect();
    assert!(found.len() > 50 && missing.is_empty(), "{missing:?}");
}

/// The table of `docs/node.md` and the metrics are the same names.
#[test]
fn each_metric_is_in_the_table_of_the_page() {
    let (fake, endpoint) = served();
    fake.set(Phase::Running, None);
    let (head, text) = get(&endpoint, "/metrics", "");
    assert!(head.contains("Content-Type: text/plain; version=0.0.4"), "{head}");
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let served: BTreeSet<&str> = types.filter_map(|line| line.split(' ').next()).collect();
    let page = include_str!("../../../../../docs/node.md");
    let table = page.split("<!-- metrics:begin -->").nth(1).unwrap();
    let table = table.split("<!-- metrics:end -->").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut documented: BTreeSet<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    documented.insert("target_info");
    if cfg!(target_os = "linux") {
        assert_eq!(served, documented);
    }
    assert!(
        text.contains("otelcol_receiver_accepted_spans_total{receiver=\"otlp\"} 20\n"),
        "{text}"
    );
    assert!(
        text.contains("otelcol_exporter_send_failed_spans_total{exporter=\"a<b\"} 2\n"),
        "{text}"
    );
    assert!(text.contains("otelcol_exporter_enqueue_failed_spans_total{exporter=\"a<b\"} 1\n"));
    assert!(text.contains("{exporter=\"load_balancing\"} 4\n"), "{text}");
    assert!(text.contains("spanwise_node_spool_up{exporter=\"a<b\"} 0\n"), "{text}");
    assert!(text.contains("spanwise_node_spool_bytes{exporter=\"a<b\"} 5000\n"), "{text}");
    let closed = "closed_connections_total{reason=\"limit\",receiver=\"clients\"} 6\n";
    assert!(text.contains(closed), "{text}");
    let (head, text) = get(&endpoint, "/metrics", "Accept: application/openmetrics-text\r\n");
    assert!(head.contains("application/openmetrics-text"), "{head}");
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn requests_of_other_sites_and_other_names_are_refused() {
    let (_fake, endpoint) = served();
    let (head, _) = get(&endpoint, "/account", "Host: attacker.example\r\n");
    assert!(head.starts_with("HTTP/1.1 421 "), "{head}");
    let (head, _) = get(&endpoint, "/account", "Host: node.example:13133\r\n");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let (head, _) = get(&endpoint, "/account", "Sec-Fetch-Site: cross-site\r\n");
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    let (head, body) = get(&endpoint, "/", "Sec-Fetch-Site: cross-site\r\n");
    assert!(head.contains("Content-Security-Policy: default-src 'none'; "), "{head}");
    assert!(body.contains("spanwise-node") && !body.contains("{{"));
    let (head, body) = get(&endpoint, "/debug/spanwise", "");
    assert!(head.starts_with("HTTP/1.1 404 ") && body.contains("/readyz"), "{head} {body}");
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let (fake, endpoint) = served();
    let error = start(&settings(endpoint.local_addr()), fake).unwrap_err();
    assert!(matches!(error, AdminError::Bind { .. }), "{error}");
}
