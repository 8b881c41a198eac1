//! Spanwise sends to the Collector, each way once.

use super::collector::{Collector, Config, Ports, file_in};
use super::route::{Route, Security};
use super::setup::Setup;
use super::stored::spans_in;
use crate::peers::{Report, Sent, compare};
use spanwise_testkit::FaultProxy;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    if !report.wants_any(Route::all().map(name)) {
        return Ok(());
    }
    let file = file_in(&setup.scratch, "forward");
    let mut config = Config::default();
    let mut ports = Vec::new();
    for security in Security::ALL {
        ports.push((security, config.otlp(security.name(), security, &setup.certificates)?));
    }
    let exporter = config.file(&file);
    config.pipeline("all", &Security::ALL.map(Security::name), &[], &[exporter]);
    let collector = Collector::start(setup, "forward", &config)?;
    for route in Route::all() {
        report.case(&name(route), || {
            let ports = ports.iter().find(|(security, _)| *security == route.security);
            let (_, ports) = ports.ok_or("no port")?;
            collector.observe(|| one(setup, *ports, route, &file))
        });
    }
    collector.stop()
}

fn name(route: Route) -> String {
    format!("forward/{route}")
}

/// Sends all spans and compares them with those that the Collector stored.
fn one(setup: &Setup, ports: Ports, route: Route, stored: &Path) -> Result<String, String> {
    let port = if route.is_grpc() { ports.grpc } else { ports.http };
    // Between both, to count bytes.
    let proxy = FaultProxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let proxy = proxy.map_err(|error| error.to_string())?;
    let service = name(route);
    let variables = route.variables(proxy.address().port(), &setup.certificates);
    let sent = setup.corpus.send(&service, variables)?;
    let received = spans_in(stored, &service, sent.spans)?;
    compare(&received, &sent.expected)?;
    check_size(route, &sent, proxy.traffic().request_bytes)
}

/// The bytes of a span on the connection.
///
/// # Errors
/// They are not compressed, or compressed without being asked to.
fn check_size(route: Route, sent: &Sent, bytes: u64) -> Result<String, String> {
    let is_small = bytes < sent.bytes() as u64 / 2;
    let each = bytes / sent.spans.max(1) as u64;
    match (route.compression, is_small) {
        ("none", false) => Ok(format!("{} spans, {each} bytes each", sent.spans)),
        ("none", true) => Err(format!("{each} bytes a span: compressed without being asked to")),
        (_, true) => Ok(format!("{} spans, {each} bytes each", sent.spans)),
        (_, false) => Err(format!("{each} bytes a span: not compressed")),
    }
}
