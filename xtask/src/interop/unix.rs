//! Unix sockets instead of ports, in both directions.

use super::collector::{Collector, Config, file_in};
use super::route::{Route, Security};
use super::setup::Setup;
use super::stored::spans_in;
use super::target::Target;
use crate::peers::{Report, compare};
use serde_json::json;
use std::path::Path;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    if !report
        .wants_any(FORWARD.map(|(name, _)| name).into_iter().chain([REVERSE]).map(str::to_owned))
    {
        return Ok(());
    }
    let socket = |name: &str| setup.scratch.path().join(name);
    let (grpc, http, ours) = (socket("grpc.sock"), socket("http.sock"), socket("ours.sock"));
    let mut config = Config::default();
    let ports = config.otlp("port", Security::Plain, &setup.certificates)?;
    config.unix("socket", &grpc, &http);
    let file = file_in(&setup.scratch, "unix");
    let exporter = config.file(&file);
    config.pipeline("in", &["socket"], &[], &[exporter]);
    let plain = |protocol| Route::plain(protocol, "none");
    let target = Target::on_socket(plain("grpc"), &ours)?;
    let settings = json!({
        "endpoint": url(&ours), "compression": "none", "tls": { "insecure": true }
    });
    config.exporter("otlp_grpc/out", settings);
    config.pipeline("out", &["port"], &[], &["otlp_grpc/out".to_owned()]);
    let collector = Collector::start(setup, "unix", &config)?;
    for ((name, protocol), socket) in FORWARD.into_iter().zip([&grpc, &http]) {
        report.case(name, || {
            let mut variables = plain(protocol).variables(0, &setup.certificates);
            variables.insert("OTEL_EXPORTER_OTLP_ENDPOINT", url(socket));
            let sent = setup.corpus.send(name, variables)?;
            compare(&spans_in(&file, name, sent.spans)?, &sent.expected)?;
            Ok(format!("{} spans", sent.spans))
        });
    }
    report.case(REVERSE, || {
        let variables = plain("grpc").variables(ports.grpc, &setup.certificates);
        let sent = setup.corpus.send(REVERSE, variables)?;
        Target::wait([&target].into_iter(), sent.spans);
        collector.observe(|| target.check(&sent))
    });
    collector.stop()
}

fn url(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}

const FORWARD: [(&str, &str); 2] =
    [("unix/forward/grpc", "grpc"), ("unix/forward/http", "http/protobuf")];
const REVERSE: &str = "unix/reverse/grpc";
