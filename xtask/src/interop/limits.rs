//! A Collector that refuses requests: too large, or in an encoding that it does not accept.

use super::collector::{Collector, Config, file_in};
use super::route::{Route, Security};
use super::setup::Setup;
use super::stored::spans_in;
use crate::peers::{Corpus, Report, compare};
use serde_json::json;
use spanwise_testkit::{Fault, FaultProxy};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    if !report.wants_any(CASES.iter().map(|case| case.name.to_owned())) {
        return Ok(());
    }
    let file = file_in(&setup.scratch, "limits");
    let mut config = Config::default();
    let ports = config.otlp("in", Security::Plain, &setup.certificates)?;
    config.limit("in", "grpc", "max_recv_msg_size_mib", json!(1));
    config.limit("in", "http", "max_request_body_size", json!(128 << 10));
    let gzip = config.otlp("gzip", Security::Plain, &setup.certificates)?;
    // The empty text stands for a request without compression.
    config.limit("gzip", "http", "compression_algorithms", json!(["", "gzip"]));
    let exporter = config.file(&file);
    config.pipeline("all", &["in", "gzip"], &[], &[exporter]);
    let collector = Collector::start(setup, "limits", &config)?;
    for case in CASES {
        let port = match (case.protocol, case.compression) {
            ("grpc", _) => ports.grpc,
            (_, "none") => ports.http,
            _ => gzip.http,
        };
        report.case(case.name, || collector.observe(|| one(setup, case, port, &file)));
    }
    collector.stop()
}

struct Case {
    name: &'static str,
    protocol: &'static str,
    compression: &'static str,
    /// The answer to the first requests, as Spanwise reports it; empty without a refusal.
    refusal: &'static str,
}

const CASES: &[Case] = &[
    // Spans of half a MiB: a request of two is below the limit, and one of three would not be.
    Case { name: "limits/below/grpc", protocol: "grpc", compression: "none", refusal: "" },
    Case {
        name: "limits/too_large/http",
        protocol: "http/protobuf",
        compression: "none",
        refusal: "request body too large",
    },
    Case {
        name: "limits/encoding/http",
        protocol: "http/protobuf",
        compression: "zstd",
        refusal: "unsupported Content-Encoding",
    },
];

/// Every span arrives: after a refusal in another form than in the first request.
fn one(setup: &Setup, case: &Case, port: u16, stored: &Path) -> Result<String, String> {
    let Case { protocol, compression, .. } = *case;
    let route = Route::plain(protocol, compression);
    // A slow connection: spans gather while the first requests are in flight.
    let proxy = FaultProxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let proxy = proxy.map_err(|error| error.to_string())?;
    proxy.set(Fault::Delay(Duration::from_millis(5)));
    let mut variables = route.variables(proxy.address().port(), &setup.certificates);
    // Several spans in one request, also of the large ones.
    variables.insert("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1024".to_owned());
    variables.insert("SPANWISE_BUDGET_BYTES", (256 << 20).to_string());
    // More than the limit in one request.
    let large = if case.protocol == "grpc" { Some(Corpus::large()?) } else { None };
    let (sent, reports) =
        large.as_ref().unwrap_or(&setup.corpus).send_reporting(case.name, variables);
    let reports = reports.join("; ");
    let sent = sent.map_err(|problem| format!("{problem}; {reports:.300}"))?;
    compare(&spans_in(stored, case.name, sent.spans)?, &sent.expected)?;
    match case.refusal {
        "" if !reports.is_empty() => Err(format!("Spanwise reports: {reports:.300}")),
        refusal if !reports.contains(refusal) => {
            Err(format!("no report of {refusal:?}: {reports:.300}"))
        }
        _ => Ok(format!("{} spans", sent.spans)),
    }
}
