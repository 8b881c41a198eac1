//! A connection without spans, for minutes.

use super::collector::{Collector, Config, Ports, file_in};
use super::pings;
use super::route::{Route, Security};
use super::setup::Setup;
use super::stored::spans_in;
use crate::peers::{Report, compare};
use spanwise::Spanwise;
use spanwise_testkit::FaultProxy;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    if !report.options().long || !report.wants_any([IDLE, PINGS].map(str::to_owned)) {
        return Ok(());
    }
    let file = file_in(&setup.scratch, "idle");
    let mut config = Config::default();
    let ports = config.otlp("in", Security::Plain, &setup.certificates)?;
    let exporter = config.file(&file);
    config.pipeline("all", &["in"], &[], &[exporter]);
    let collector = Collector::start(setup, "idle", &config)?;
    // Both only wait.
    std::thread::scope(|scope| {
        let wants_pings = report.wants_any([PINGS.to_owned()]);
        let pings = wants_pings.then(|| scope.spawn(|| pings::frequent(&setup.corpus, ports.grpc)));
        report.case(IDLE, || without_spans(setup, ports, &file));
        if let Some(pings) = pings {
            report.case(PINGS, || pings.join().unwrap_or_else(|_| Err("it panicked".to_owned())));
        }
    });
    collector.stop()
}

/// The connection of a provider stays open between two groups of spans.
fn without_spans(setup: &Setup, ports: Ports, stored: &Path) -> Result<String, String> {
    let proxy = FaultProxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, ports.grpc)));
    let proxy = proxy.map_err(|error| error.to_string())?;
    let route = Route::plain("grpc", "none");
    let variables = route.variables(proxy.address().port(), &setup.certificates);
    let spanwise = Spanwise::builder()
        .with_environment(move |name| variables.get(name).cloned())
        .with_service_name(IDLE)
        .with_sampler(spanwise::sampling::Sampler::always_on())
        .build()
        .map_err(|error| error.to_string())?;
    let flush = || spanwise.force_flush_timeout(PATIENCE).map_err(|error| error.to_string());
    let mut sent = setup.corpus.make(&spanwise);
    flush()?;
    std::thread::sleep(TIME);
    let more = setup.corpus.make(&spanwise);
    flush()?;
    let traffic = proxy.traffic();
    if (traffic.connections, traffic.closed) != (1, 0) {
        return Err(format!("the connection did not stay open: {traffic:?}"));
    }
    sent.expected.resource_spans.extend(more.expected.resource_spans);
    let spans = sent.spans + more.spans;
    compare(&spans_in(stored, IDLE, spans)?, &sent.expected)?;
    Ok(format!("{spans} spans on one connection, {} s idle", TIME.as_secs()))
}

const IDLE: &str = "idle/grpc";
const PINGS: &str = "idle/grpc/frequent_pings";
const TIME: Duration = Duration::from_secs(120);
const PATIENCE: Duration = Duration::from_secs(30);
