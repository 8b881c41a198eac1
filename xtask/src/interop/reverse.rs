//! The Collector's exporters send to `spanwise-receiver`, by each route once.

use super::collector::{Collector, Config};
use super::route::{Route, Security};
use super::setup::Setup;
use super::target::Target;
use crate::peers::{Certificates, Report};
use serde_json::{Value, json};

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
    let entry = Route::plain("grpc", "none");
    let sent = setup.corpus.send("reverse", entry.variables(ports.grpc, &setup.certificates))?;
    Target::wait(targets.iter().filter_map(|(_, target)| target.as_ref().ok()), sent.spans);
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
    let port = target.port();
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
