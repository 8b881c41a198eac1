//! The Collector's samplers after those of Spanwise.

use super::collector::{Collector, Config, file_in};
use super::route::{Route, Security};
use super::setup::Setup;
use super::stored::spans_in;
use crate::peers::{Report, Request};
use serde_json::json;
use spanwise::sampling::{Randomness, Sampler, Threshold};
use spanwise::{SpanKind, Spanwise};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    if !report.wants_any(NAMES.map(str::to_owned)) {
        return Ok(());
    }
    let mut config = Config::default();
    let ports = config.otlp("in", Security::Plain, &setup.certificates)?;
    let quarter = json!({ "mode": "equalizing", "sampling_percentage": 25 });
    config.processor("probabilistic_sampler", quarter);
    let errors = json!({
        "name": "errors", "type": "status_code", "status_code": { "status_codes": ["ERROR"] }
    });
    config.processor("tail_sampling", json!({ "decision_wait": "1s", "policies": [errors] }));
    let equalized = file_in(&setup.scratch, "equalized");
    let failed = file_in(&setup.scratch, "failed");
    for (processor, file) in [("probabilistic_sampler", &equalized), ("tail_sampling", &failed)] {
        let exporter = config.file(file);
        config.pipeline(processor, &["in"], &[processor], &[exporter]);
    }
    let collector = Collector::start(setup, "sampling", &config)?;
    let half = Sampler::probability(0.5).map_err(|error| error.to_string())?.parent_based();
    for (name, first) in [(NAMES[0], Sampler::always_on()), (NAMES[1], half)] {
        report.case(name, || {
            let traces = make(setup, ports.grpc, name, first)?;
            collector.observe(|| check_equalized(&equalized, name, &traces))
        });
    }
    report.case(NAMES[2], || {
        let traces = make(setup, ports.grpc, NAMES[2], Sampler::always_on())?;
        collector.observe(|| check_failed(&failed, NAMES[2], &traces))
    });
    collector.stop()
}

/// Traces by their numbers; a trace of one root and two children.
struct Traces {
    sampled: BTreeSet<u128>,
    with_error: BTreeSet<u128>,
}

/// Makes traces through this sampler, every fifth with an error in its last span.
fn make(setup: &Setup, port: u16, service: &str, sampler: Sampler) -> Result<Traces, String> {
    let route = Route::plain("grpc", "none");
    let variables = route.variables(port, &setup.certificates);
    let spanwise = Spanwise::builder()
        .with_environment(move |name| variables.get(name).cloned())
        .with_service_name(service)
        .with_sampler(sampler)
        .build()
        .map_err(|error| error.to_string())?;
    let tracer = spanwise.tracer("sampling");
    let mut traces = Traces { sampled: BTreeSet::new(), with_error: BTreeSet::new() };
    for index in 0..TRACES {
        let root = tracer.root("request", SpanKind::Server);
        let trace = u128::from_be_bytes(root.context().trace_id().to_bytes());
        for child in 0..2 {
            let mut span = tracer.child("query", SpanKind::Client, root.context());
            if child == 1 && index % 5 == 0 {
                span.error("timeout");
            }
            span.finish();
        }
        if root.context().is_sampled() {
            traces.sampled.insert(trace);
            if index % 5 == 0 {
                traces.with_error.insert(trace);
            }
        }
        root.finish();
    }
    let ended = spanwise.shutdown_timeout(PATIENCE).map_err(|error| error.to_string())?;
    let sent = 3 * traces.sampled.len() as u64;
    if ended.ledger.exported != sent {
        return Err(format!("{} of {sent} spans exported", ended.ledger.exported));
    }
    Ok(traces)
}

/// Exactly the traces whose randomness reaches the threshold of a quarter arrived, with that threshold.
fn check_equalized(file: &Path, service: &str, traces: &Traces) -> Result<String, String> {
    let quarter = Threshold::nearest(0.25);
    let reaches = |trace: &&u128| quarter.keeps(Randomness::of_trace(**trace));
    let expected: BTreeSet<u128> = traces.sampled.iter().filter(reaches).copied().collect();
    let stored = spans_in(file, service, 3 * expected.len())?;
    same_traces(&stored, &expected)?;
    let wrong = spanwise_testkit::spans(&stored).find(|span| span.trace_state != "ot=th:c");
    if let Some(span) = wrong {
        return Err(format!("a span came with the trace state {:?}", span.trace_state));
    }
    Ok(format!("{} of {} traces, all with `th:c`", expected.len(), traces.sampled.len()))
}

/// Exactly the traces with an error arrived, complete.
fn check_failed(file: &Path, service: &str, traces: &Traces) -> Result<String, String> {
    let stored = spans_in(file, service, 3 * traces.with_error.len())?;
    same_traces(&stored, &traces.with_error)?;
    Ok(format!("{} of {} traces, complete", traces.with_error.len(), traces.sampled.len()))
}

/// Each expected trace has three spans, and there is no other.
fn same_traces(stored: &Request, expected: &BTreeSet<u128>) -> Result<(), String> {
    let mut ids: Vec<u128> = spanwise_testkit::spans(stored)
        .filter_map(|span| Some(u128::from_be_bytes(span.trace_id.as_slice().try_into().ok()?)))
        .collect();
    ids.sort_unstable();
    let wanted: Vec<u128> = expected.iter().flat_map(|&id| [id; 3]).collect();
    if ids == wanted {
        return Ok(());
    }
    Err(format!("{} spans of other traces than expected, or fewer of them", ids.len()))
}

const NAMES: [&str; 3] = [
    "sampling/probabilistic_sampler/always_on",
    "sampling/probabilistic_sampler/ratio",
    "sampling/tail_sampling/status_code",
];
const TRACES: u32 = 400;
const PATIENCE: Duration = Duration::from_secs(30);
