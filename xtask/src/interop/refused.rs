//! Connections that the Collector or Spanwise has to refuse: no span leaves, and a report names the cause.

use super::route::{Route, Security};
use super::setup::Setup;
use super::stored::services_in;
use super::storing::StoringCollector;
use crate::peers::{Report, Variables};
use std::path::Path;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    let names = || CASES.iter().flat_map(|case| PROTOCOLS.map(|protocol| case.name(protocol)));
    if !report.wants_any(names()) {
        return Ok(());
    }
    let storing = StoringCollector::start(setup, "refused")?;
    for case in CASES {
        for protocol in PROTOCOLS {
            report.case(&case.name(protocol), || {
                let port = storing.port(case.server, protocol == "grpc")?;
                one(setup, case, protocol, port, &storing.file)
            });
        }
    }
    storing.collector.stop()
}

/// A receiver, and settings of Spanwise that do not fit it.
struct Case {
    cause: &'static str,
    server: Security,
    client: Security,
    /// Whether Spanwise trusts the Mozilla roots instead of the authority.
    is_unknown: bool,
    /// A part of what Spanwise reports.
    reported: &'static str,
}

impl Case {
    fn name(&self, protocol: &str) -> String {
        format!("refused/{}/{protocol}", self.cause)
    }

    fn variables(&self, setup: &Setup, protocol: &'static str, port: u16) -> Variables {
        let route = Route { protocol, compression: "none", security: self.client };
        let mut variables = route.variables(port, &setup.certificates);
        if self.is_unknown {
            variables.remove("OTEL_EXPORTER_OTLP_CERTIFICATE");
        }
        // The end of the attempts.
        variables.insert("OTEL_BSP_EXPORT_TIMEOUT", "500".to_owned());
        variables
    }
}

const PROTOCOLS: [&str; 2] = ["grpc", "http/protobuf"];

const CASES: &[Case] = &[
    Case {
        cause: "no_client_certificate",
        server: Security::Mtls,
        client: Security::Tls,
        is_unknown: false,
        reported: "asks for a client certificate",
    },
    Case {
        cause: "unknown_authority",
        server: Security::Tls,
        client: Security::Tls,
        is_unknown: true,
        reported: "issuer is not trusted",
    },
    Case {
        cause: "plain_text_to_tls",
        server: Security::Tls,
        client: Security::Plain,
        is_unknown: false,
        reported: "https://",
    },
    Case {
        cause: "tls_to_plain_text",
        server: Security::Plain,
        client: Security::Tls,
        is_unknown: false,
        reported: "without TLS",
    },
];

/// All spans are lost with a report, and the Collector stored none of them.
fn one(
    setup: &Setup,
    case: &Case,
    protocol: &'static str,
    port: u16,
    stored: &Path,
) -> Result<String, String> {
    let name = case.name(protocol);
    let variables = case.variables(setup, protocol, port);
    let (sent, reports) = setup.corpus.send_reporting(&name, variables);
    if sent.is_ok() || services_in(stored)?.contains(&name) {
        return Err("the Collector stored the spans".to_owned());
    }
    let cause = reports.into_iter().find(|report| report.starts_with("cannot export"));
    let cause = cause.ok_or("Spanwise does not report the cause")?;
    if !cause.contains(case.reported) {
        return Err(format!("Spanwise reports another cause than {:?}: {cause}", case.reported));
    }
    // Without the endpoint, whose port differs from run to run, and without the advice.
    let cause = cause.split_once(": ").map_or(cause.as_str(), |(_, cause)| cause);
    Ok(cause.split_once(" (attempt").map_or(cause, |(cause, _)| cause).to_owned())
}
