//! The table in `docs/operations/metrics.md` and a snapshot have the same rows.

use crate::points::{attributes, make};
use crate::support::{LONG, builder};
use spanwise_metrics::{MetricData, TextEncoder, TextFormat};
use spanwise_receiver::{Answer, Receiver};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const PAGE: &str = include_str!("../../../../docs/operations/metrics.md");

/// A row of the table, but for its source.
#[derive(Debug, PartialEq)]
struct Row {
    unit: String,
    kind: String,
    attributes: BTreeSet<String>,
}

fn documented() -> BTreeMap<String, Row> {
    let table = PAGE.split_once("metrics:begin -->").unwrap().1;
    let table = table.split_once("<!-- metrics:end").unwrap().0;
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let row = Row {
            unit: cells[2].to_owned(),
            kind: cells[3].to_owned(),
            attributes: cells[4]
                .split(',')
                .map(|name| name.trim().trim_matches('`').to_owned())
                .filter(|name| !name.is_empty())
                .collect(),
        };
        (cells[1].trim_matches('`').to_owned(), row)
    });
    rows.collect()
}

/// The table's word for a unit, or for the name that has another one.
fn unit(name: &str, unit: &str) -> &'static str {
    match (name, unit) {
        ("otel_sdk_alloc_rate_bytes_per_sec", "") => "bytes per second",
        (_, "%") => "percent of a core",
        (_, "By") => "bytes",
        (_, "s") => "seconds",
        (_, "{span}") => "spans",
        (_, "{object}") => "objects",
        (_, "{connection}") => "connections",
        (_, "{request}") => "requests",
        (_, "{attempt}") => "attempts",
        other => panic!("{other:?}"),
    }
}

/// Each attribute of the table occurs: a receiver that accepts, rejects and refuses, over HTTP and over gRPC.
#[test]
fn a_snapshot_has_the_rows_of_the_table_and_no_others() {
    let requests = AtomicUsize::new(0);
    let refuse = || Answer::Refuse {
        http_status: 400,
        grpc_code: 13,
        message: "no".into(),
        retry_after: None,
    };
    let handler = move |_| match requests.fetch_add(1, SeqCst) % 2 {
        0 => Answer::Accept,
        _ => refuse(),
    };
    let receiver = Receiver::builder().with_handler(handler).start().unwrap();
    let provider = |protocol| {
        let builder = builder().with_protocol(protocol).with_endpoint(receiver.http_endpoint());
        builder.with_max_queue_size(1_000).build().unwrap()
    };
    let mut snapshots = Vec::new();
    for protocol in [
        spanwise_sdk::Protocol::HttpProtobuf,
        #[cfg(feature = "grpc")]
        spanwise_sdk::Protocol::Grpc,
    ] {
        let spanwise = provider(protocol);
        for _ in 0..2 {
            make(&spanwise, 10);
            let _one_is_refused = spanwise.force_flush_timeout(LONG);
        }
        let _report = spanwise.shutdown_timeout(Duration::from_secs(20));
        make(&spanwise, 1);
        snapshots.push(spanwise.metrics());
    }

    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for snapshot in &snapshots {
        let text = TextEncoder::new(TextFormat::Prometheus).encode(snapshot);
        let families: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        assert_eq!(families.len(), snapshot.metrics().len(), "{text}");
        for (family, metric) in families.iter().zip(snapshot.metrics()) {
            let (name, kind) = family.split_once(' ').unwrap();
            let keys = attributes(metric).into_iter().flatten();
            let row = Row {
                unit: unit(name, &metric.unit).to_owned(),
                kind: kind.to_owned(),
                attributes: keys.map(|it| it.key.as_str().replace('.', "_")).collect(),
            };
            let known = rows.entry(name.to_owned()).or_insert_with(|| row.without_attributes());
            assert_eq!((&known.unit, &known.kind), (&row.unit, &row.kind), "{name}");
            known.attributes.extend(row.attributes);
        }
    }
    let mut documented = documented();
    if cfg!(not(feature = "grpc")) {
        for row in documented.values_mut() {
            row.attributes.remove("rpc_status_code");
        }
    }
    for (name, row) in &documented {
        assert_eq!(Some(row), rows.get(name), "{name} of the table");
    }
    let more: Vec<_> = rows.keys().filter(|name| !documented.contains_key(*name)).collect();
    assert!(more.is_empty(), "not in the table: {more:?}");
}

impl Row {
    fn without_attributes(&self) -> Self {
        let (unit, kind) = (self.unit.clone(), self.kind.clone());
        Self { unit, kind, attributes: BTreeSet::new() }
    }
}

/// Rates and ratios of the alerts need the zeros before the first event.
#[test]
fn a_provider_without_a_span_has_the_rows_too() {
    let receiver = Receiver::builder().start().unwrap();
    let spanwise = builder().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let snapshot = spanwise.metrics();
    let names: Vec<_> = snapshot.metrics().iter().map(|metric| metric.name.to_string()).collect();
    assert_eq!(names.len(), documented().len(), "{names:?}");
    for metric in snapshot.metrics() {
        assert!(metric.description.ends_with('.'), "{} has no description", metric.name);
        if let MetricData::Counter(points) = &metric.data {
            assert!(!points.is_empty(), "{}", metric.name);
        }
    }
    assert!(snapshot.time_unix_nanos() >= snapshot.start_unix_nanos());
    assert_eq!(snapshot.dropped_points(), 0);
    // Nor is a provider without an exporter different.
    let idle =
        builder().with_environment(|name| (name == "OTEL_TRACES_EXPORTER").then(|| "none".into()));
    let idle = idle.build().unwrap().metrics();
    assert_eq!(idle.metrics().len(), names.len());
}

#[test]
fn the_drop_reasons_of_the_page_are_those_of_the_ledger() {
    let line = PAGE.lines().find(|line| line.starts_with("| `reason` |")).unwrap();
    let listed: BTreeSet<_> = line.split('`').skip(3).step_by(2).collect();
    let reasons = spanwise_sdk::DropReason::ALL.map(|reason| reason.name());
    assert_eq!(listed, BTreeSet::from(reasons));
}
