//! The Collector's exporters send to `spanwise-receiver`, each way once.

use super::collector::{Collector, Config};
use super::route::{Route, Security};
use super::setup::Setup;
use crate::peers::{Certificates, Report, Request, Sent, compare, decoded, spans_of, wait_until};
use serde_json::{Value, json};
use spanwise_receiver::{Answer, Export, Receiver, ReceiverBuilder};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    if !report.wants_any(Route::all().map(name)) {
        return Ok(());
    }
    let mut config = Config::default();
    let ports = config.otlp("in", Security::Plain, &setup.certificates)?;
    let mut targets = Vec::new();
    let mut exporters = Vec::new();
    for route in Route::all() {
        let target = Target::start(route, &setup.certificates);
        if let Ok(target) = &target {
            let (kind, settings) = exporter(route, target, &setup.certificates);
            exporters.push(format!("{kind}/{}", route.to_string().replace('/', "_")));
            config.exporter(exporters.last().map_or("", String::as_str), settings);
        }
        targets.push((route, target));
    }
    config.pipeline("all", &["in"], &[], &exporters);
    let collector = Collector::start(setup, "reverse", &config)?;
    let way_in = Route { protocol: "grpc", compression: "none", security: Security::Plain };
    let sent = setup.corpus.send("reverse", way_in.variables(ports.grpc, &setup.certificates))?;
    // One time for all of them.
    wait_until(PATIENCE, || {
        let mut started = targets.iter().filter_map(|(_, target)| target.as_ref().ok());
        started.all(|target| target.spans() >= sent.spans)
    });
    for (route, target) in targets {
        report.case(&name(route), || target?.check(&sent));
    }
    collector.stop()
}

fn name(route: Route) -> String {
    format!("reverse/{route}")
}

/// The exporter's type and settings.
fn exporter(route: Route, target: &Target, certificates: &Certificates) -> (&'static str, Value) {
    let port = target.receiver.address().port();
    let url = route.security.url(port);
    let tls = match route.security {
        Security::Plain => json!({ "insecure": true }),
        Security::Tls => json!({ "ca_file": certificates.authority() }),
        Security::Mtls => {
            let (certificate, key) = certificates.client();
            let ca = certificates.authority();
            json!({ "ca_file": ca, "cert_file": certificate, "key_file": key })
        }
    };
    let mut settings = json!({ "endpoint": url, "compression": route.compression, "tls": tls });
    match route.protocol {
        "grpc" => ("otlp_grpc", settings),
        protocol => {
            let encoding = if protocol == "http/json" { "json" } else { "proto" };
            settings["encoding"] = encoding.into();
            ("otlp_http", settings)
        }
    }
}

/// A receiver and its exports.
struct Target {
    route: Route,
    receiver: Receiver,
    exports: Arc<Mutex<Vec<Export>>>,
}

impl Target {
    fn start(route: Route, certificates: &Certificates) -> Result<Self, String> {
        let exports = Arc::new(Mutex::new(Vec::new()));
        let stored = exports.clone();
        let builder = Receiver::builder().with_handler(move |export| {
            stored.lock().unwrap_or_else(PoisonError::into_inner).push(export);
            Answer::Accept
        });
        let receiver = secured(builder, route.security, certificates)?.start();
        Ok(Self { route, receiver: receiver.map_err(|error| error.to_string())?, exports })
    }

    fn exports(&self) -> Vec<Export> {
        self.exports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn spans(&self) -> usize {
        self.exports().iter().map(|export| export.spans as usize).sum()
    }

    /// The exports came the way that their name states, with all spans.
    fn check(self, sent: &Sent) -> Result<String, String> {
        let mut received = Request::default();
        for export in self.exports() {
            self.check_headers(&export)?;
            received.resource_spans.extend(decoded(&export.body)?.resource_spans);
        }
        let spans = spans_of(&received);
        if spans != sent.spans {
            let stats = self.receiver.stats();
            return Err(format!("{spans} of {} spans arrived; {stats:?}", sent.spans));
        }
        compare(&received, &sent.expected)?;
        Ok(format!("{spans} spans"))
    }

    fn check_headers(&self, export: &Export) -> Result<(), String> {
        let Route { protocol, compression, .. } = self.route;
        let (kind, header) = match protocol {
            "grpc" => ("application/grpc", "grpc-encoding"),
            "http/json" => ("application/json", "content-encoding"),
            _ => ("application/x-protobuf", "content-encoding"),
        };
        let content = export.headers.get_str("content-type").unwrap_or_default();
        let coding = export.headers.get_str(header).unwrap_or("none");
        let is_coded = coding == compression || (compression, coding) == ("none", "identity");
        if content.starts_with(kind) && is_coded {
            return Ok(());
        }
        Err(format!("an export came as {content:?} with {header} {coding:?}"))
    }
}

/// A receiver with this security.
fn secured(
    builder: ReceiverBuilder,
    security: Security,
    _certificates: &Certificates,
) -> Result<ReceiverBuilder, String> {
    match security {
        Security::Plain => Ok(builder),
        Security::Tls | Security::Mtls => Err("spanwise-receiver has no TLS".to_owned()),
    }
}

/// The time for all exports to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::Corpus;
    use std::path::Path;

    /// The short form of the whole command: Spanwise sends to `spanwise-receiver`, without TLS.
    #[test]
    fn spans_arrive_by_every_protocol_and_compression() {
        let corpus = Corpus::new().unwrap();
        let none = Certificates::at(Path::new("/none"));
        for route in Route::all().filter(|route| is_tested(*route)) {
            let target = Target::start(route, &none).unwrap();
            let variables = route.variables(target.receiver.address().port(), &none);
            let sent = corpus.send("twin", variables).unwrap();
            assert_eq!(target.check(&sent), Ok("200 spans".to_owned()), "{route}");
        }
    }

    fn is_tested(route: Route) -> bool {
        route.security == Security::Plain
            && route.protocol != "http/json"
            && route.compression != "zstd"
    }
}
