//! Spanwise sends to the Collector, each way once.

use super::route::Route;
use super::setup::Setup;
use super::stored::spans_in;
use super::storing::StoringCollector;
use crate::peers::{Report, Sent, compare};
use spanwise_testkit::FaultProxy;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    if !report.wants_any(Route::all().map(name)) {
        return Ok(());
    }
    let storing = StoringCollector::start(setup, "forward")?;
    for route in Route::all() {
        report.case(&name(route), || {
            let port = storing.port(route.security, route.is_grpc())?;
            storing.collector.observe(|| one(setup, port, route, &storing.file))
        });
    }
    storing.collector.stop()
}

fn name(route: Route) -> String {
    format!("forward/{route}")
}

/// Sends all spans and compares them with those that the Collector stored.
fn one(setup: &Setup, port: u16, route: Route, stored: &Path) -> Result<String, String> {
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
