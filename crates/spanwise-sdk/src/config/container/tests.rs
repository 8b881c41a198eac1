//! Small containers get smaller defaults, and never an error.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
use super::{Limits, budget_bytes, requests_in_flight};
use crate::config::settings::{BUDGET_BYTES, MAX_IN_FLIGHT};
use crate::provider::Spanwise;
use opentelemetry::KeyValue;
use spanwise_transport::{Compression, Outcome};
use spanwise_wire::SpanLimits;
use std::sync::{Arc, Mutex};

const MIB: u64 = 1 << 20;

type Builder = crate::config::SpanwiseBuilder;

/// The budget, the requests in flight and the reports of a provider in this container.
fn built(limits: Limits, builder: Builder) -> (usize, usize, Vec<String>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = lines.clone();
    let mut builder =
        builder.with_diagnostics(move |line| log.lock().unwrap().push(line.to_string()));
    builder.container.group = Some(limits);
    if builder.lookup.is_none() {
        builder = builder.with_environment(|_| None);
    }
    let spanwise = builder.build().unwrap();
    let core = &spanwise.handle.core;
    let requests = spanwise.batching().load().max_in_flight;
    let lines = lines.lock().unwrap().clone();
    (core.budget().limit(), requests, lines)
}

fn sink() -> Builder {
    Spanwise::builder().with_sink(|_| async { Outcome::Accepted { rejected: 0, message: None } })
}

fn limits(mib: u64, cpus: f64) -> Limits {
    Limits { memory_bytes: Some(mib * MIB), cpus: Some(cpus) }
}

/// The values and the origins of the budget and of the requests in flight.
fn explained(limits: Limits, mut builder: Builder) -> [String; 2] {
    builder.container.group = Some(limits);
    let explanation = builder.with_environment(|_| None).explain().unwrap();
    [BUDGET_BYTES.name(), MAX_IN_FLIGHT.name()]
        .map(|name| explanation.get(name).unwrap().to_string())
}

#[test]
fn reduced_defaults_are_explained_by_the_limit() {
    let reduced = [
        "SPANWISE_BUDGET_BYTES=2097152 bytes (container limit)",
        "with_max_in_flight=2 requests (container limit)",
    ];
    assert_eq!(explained(limits(64, 0.5), sink()), reduced);
    let usual = [
        "SPANWISE_BUDGET_BYTES=16777216 bytes (default)",
        "with_max_in_flight=4 requests (default)",
    ];
    assert_eq!(explained(limits(4096, 8.0), sink()), usual);
    let in_code = sink().with_budget_bytes(4 << 20).with_max_in_flight(3);
    let own = [
        "SPANWISE_BUDGET_BYTES=4194304 bytes (code: with_budget_bytes)",
        "with_max_in_flight=3 requests (code: with_max_in_flight)",
    ];
    assert_eq!(explained(limits(64, 0.5), in_code), own);
}

#[cfg(feature = "config-file")]
#[test]
fn defaults_that_a_production_file_reduces_are_explained_by_its_lines() {
    let file = format!("spanwise-limits-{}.yaml", std::process::id());
    let file = std::env::temp_dir().join(file);
    std::fs::write(&file, "resources:\n  memory_limit: 64Mi\n  cpu_limit: 0.5\n").unwrap();
    let rows = explained(limits(4096, 8.0), sink().with_config_file(&file));
    std::fs::remove_file(&file).unwrap();
    let file = file.display();
    let expected = [
        format!("SPANWISE_BUDGET_BYTES=2097152 bytes ({file}:2: resources.memory_limit)"),
        format!("with_max_in_flight=2 requests ({file}:3: resources.cpu_limit)"),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn budgets() {
    let mib = |mib: u64| budget_bytes(mib * MIB) as f64 / MIB as f64;
    assert_eq!([1024, 512, 256, 80, 32, 8].map(mib), [16.0, 16.0, 8.0, 2.5, 1.0, 1.0]);
    assert_eq!([0, u64::MAX].map(budget_bytes), [1 << 20, 16 << 20]);
}

#[test]
fn requests() {
    assert_eq!(
        [2.0, 1.0, 0.76, 0.5, 0.3, 0.1, 1e-9].map(requests_in_flight),
        [4, 4, 4, 2, 2, 1, 1]
    );
    assert_eq!([1e300, f64::NAN].map(requests_in_flight), [4, 1]);
}

#[test]
fn a_small_container_has_a_smaller_budget_and_fewer_requests_and_reports_both_once() {
    let (budget, requests, lines) = built(limits(64, 0.5), sink());
    assert_eq!((budget, requests), (2 << 20, 2));
    assert_eq!(
        lines,
        [
            "the limit of processors is 0.5: 2 requests at most in flight; with_max_in_flight sets another number",
            "the memory limit is 67108864 bytes: the budget is 2097152 bytes; with_budget_bytes, or its variable, \
             sets another",
        ]
    );
    for limits in [limits(1024, 2.0), limits(512, 1.0), Limits::default()] {
        assert_eq!(built(limits, sink()), (16 << 20, 4, vec![]));
    }
}

#[test]
fn code_and_variables_precede_the_container() {
    let code = sink().with_budget_bytes(4 << 20).with_max_in_flight(3);
    assert_eq!(built(limits(64, 0.1), code), (4 << 20, 3, vec![]));
    let variable = |value: &'static str| {
        let lookup = move |name: &str| (name == BUDGET_BYTES.variable()).then(|| value.to_owned());
        built(limits(64, 1.0), sink().with_environment(lookup))
    };
    assert_eq!(variable("8388608"), (8 << 20, 4, vec![]));
    let (budget, _, lines) = variable("many");
    assert_eq!((budget, lines.len()), (2 << 20, 2), "{lines:?}");
}

/// Each of these settings is accepted without a container, and not with the budget of a 32nd.
#[test]
fn a_setting_that_needs_more_raises_the_budget() {
    let exporter = || {
        Spanwise::builder().with_endpoint("http://127.0.0.1:1").with_compression(Compression::Gzip)
    };
    let value = "v".repeat(60 << 10);
    for (builder, name) in [
        (sink().with_span_limits(SpanLimits::default().with_span_bytes(400 << 10)), "span"),
        (exporter().with_resource([KeyValue::new("large", value)]), "resource"),
        (exporter().with_destination(destination()).with_destination(destination()), "gzip"),
    ] {
        let small = builder.clone().with_environment(|_| None).with_budget_bytes(1 << 20).build();
        assert!(small.is_err(), "{name} fits into 1 MiB");
        let (budget, _, lines) = built(limits(16, 1.0), builder);
        assert!((1 << 20..16 << 20).contains(&budget), "{name}: {budget}");
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
}

fn destination() -> spanwise_transport::Transport {
    let endpoint = "http://127.0.0.1:2".parse().unwrap();
    let builder = spanwise_transport::Transport::builder().with_endpoint(endpoint);
    builder.with_compression(Compression::Gzip).build().unwrap()
}

#[test]
fn an_error_is_that_of_the_usual_budget() {
    let builder = sink().with_span_limits(SpanLimits::default().with_span_bytes(1 << 30));
    let mut builder = builder.with_environment(|_| None).with_diagnostics(|_| {});
    let usual = builder.clone().build().unwrap_err().to_string();
    builder.container.group = Some(limits(16, 1.0));
    assert_eq!(builder.build().unwrap_err().to_string(), usual);
}
