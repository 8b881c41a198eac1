//! The protocol of a port, found out by asking the Collector.

use super::collector::{Collector, Config, file_in};
use super::route::Security;
use super::setup::Setup;
use crate::peers::{Report, block_on};
use spanwise::transport::{Endpoint, Protocol, Transport};

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    if !report.wants_any(NAMES.map(str::to_owned)) {
        return Ok(());
    }
    let mut config = Config::default();
    let ports = config.otlp("in", Security::Plain, &setup.certificates)?;
    let exporter = config.file(&file_in(&setup.scratch, "probe"));
    config.pipeline("all", &["in"], &[], &[exporter]);
    let collector = Collector::start(setup, "probe", &config)?;
    let expected = [(ports.grpc, Protocol::Grpc), (ports.http, Protocol::HttpProtobuf)];
    for (name, (port, protocol)) in NAMES.into_iter().zip(expected) {
        report.case(name, || collector.observe(|| probe(port, protocol)));
    }
    collector.stop()
}

/// The reasons of a probe that chooses `expected`.
fn probe(port: u16, expected: Protocol) -> Result<String, String> {
    let endpoint = Endpoint::parse("the Collector", &Security::Plain.url(port));
    let builder = Transport::builder().with_endpoint(endpoint.map_err(|error| error.to_string())?);
    let probe = block_on(builder.probe())?;
    if probe.protocol() != Some(expected) {
        return Err(probe.to_string());
    }
    // Without the advice.
    let reasons = probe.results().iter().map(|result| {
        let reason = result.reason.split("; ").next().unwrap_or_default();
        format!("{}: {reason}", result.protocol)
    });
    Ok(reasons.collect::<Vec<_>>().join("; "))
}

const NAMES: [&str; 2] = ["probe/grpc", "probe/http"];
