//! Python's grpcio and opentelemetry-proto.

use super::dialogue::Dialogue;
use super::received::Received;
use super::send::send;
use super::setup::Setup;
use crate::peers::route::{Route, Security};
use crate::peers::{Cache, Counted, Report, Request, Sent, Tool, Variables, compare, decoded};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use serde_json::{Value, json};
use spanwise::transport::Outcome;
use spanwise::{FileSink, Spanwise};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    let names = routes().flat_map(|route| ["reads", "writes"].map(|part| name(part, route)));
    let others = ANSWERS.map(|(name, ..)| name).into_iter().chain([TOO_LARGE, LINES]);
    if !report.wants_any(names.chain(others.map(str::to_owned))) {
        return Ok(());
    }
    let python = environment(&setup.cache)?;
    report.version(PACKAGES.join(", ").replace("==", " "));
    let script = setup.scratch.path().join("peer.py");
    fs::write(&script, SCRIPT).map_err(|error| error.to_string())?;
    let mut command = Command::new(python);
    command.arg("-B").arg(script);
    let (mut peer, ports) = Dialogue::start("the Python peer", command)?;
    for route in routes() {
        report.case(&name("reads", route), || reads(setup, &mut peer, &ports, route));
    }
    report.case(LINES, || lines(setup, &mut peer));
    report.case(TOO_LARGE, || too_large(setup, &mut peer, &ports));
    let known = known(setup)?;
    for route in routes() {
        report.case(&name("writes", route), || writes(&mut peer, route, &known));
    }
    for (name, answer, protocol) in ANSWERS {
        report.case(name, || answers(&mut peer, &ports, answer, protocol, &known));
    }
    Ok(())
}

/// The name of a case.
fn name(part: &str, route: Route) -> String {
    format!("python/{part}/{}/{}", route.protocol, route.compression)
}

/// The port of the peer for a protocol.
fn port_for(protocol: &str, ports: &Value) -> Result<u16, String> {
    port(ports, if protocol == "grpc" { "grpc" } else { "http" })
}

/// A port among those that the peer printed.
fn port(ports: &Value, name: &str) -> Result<u16, String> {
    let port = ports[name].as_u64().and_then(|port| port.try_into().ok());
    port.ok_or_else(|| format!("the peer printed {ports}"))
}

/// All routes in plain text but that of zstd over gRPC, which grpcio does not have.
fn routes() -> impl Iterator<Item = Route> {
    Route::all()
        .filter(|route| route.security == Security::Plain)
        .filter(|route| (route.protocol, route.compression) != ("grpc", "zstd"))
}

/// Spanwise sends; Python parses and serializes again.
fn reads(
    setup: &Setup,
    peer: &mut Dialogue,
    ports: &Value,
    route: Route,
) -> Result<String, String> {
    let variables = route.plain_variables(port_for(route.protocol, ports)?);
    compare_taken(peer, route, || setup.corpus.send(&name("reads", route), variables))
}

/// Spanwise writes lines of JSON; Python parses each and serializes it again.
fn lines(setup: &Setup, peer: &mut Dialogue) -> Result<String, String> {
    let file = setup.scratch.path().join("lines.json");
    let sink = FileSink::builder().with_path(&file).build().map_err(|error| error.to_string())?;
    let builder = Spanwise::builder().with_environment(|_| None).with_sink(sink);
    let sent = setup.corpus.send_by(builder)?;
    let mut received = Request::default();
    let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
    for line in text.lines() {
        let answer = peer.ask(&json!({ "do": "parse", "body": STANDARD.encode(line) }))?;
        received.resource_spans.extend(decoded(&body_of(&answer)?)?.resource_spans);
    }
    compare(&received, &sent.expected)?;
    Ok(format!("{} spans in {} lines", sent.spans, text.lines().count()))
}

/// The bytes that the peer serialized.
fn body_of(answer: &Value) -> Result<Vec<u8>, String> {
    STANDARD.decode(answer["body"].as_str().unwrap_or_default()).map_err(|error| error.to_string())
}

/// Spanwise sends more than the server of grpcio accepts in a message, and again in smaller ones.
fn too_large(setup: &Setup, peer: &mut Dialogue, ports: &Value) -> Result<String, String> {
    let route = Route::plain("grpc", "none");
    let variables = route.plain_variables(port(ports, "small")?);
    compare_taken(peer, route, || {
        let (sent, reports) = setup.corpus.send_reporting(TOO_LARGE, variables);
        match (sent, reports.is_empty()) {
            (Ok(_), true) => Err("Spanwise reports nothing: was no request refused?".to_owned()),
            (sent, _) => sent.map_err(|problem| format!("{problem}; {}", reports.join("; "))),
        }
    })
}

/// Compares the spans that `send` sends with those that arrive.
fn compare_taken(
    peer: &mut Dialogue,
    route: Route,
    send: impl FnOnce() -> Result<Sent, String>,
) -> Result<String, String> {
    peer.ask(&json!({ "do": "answer", "answer": "accept" }))?;
    // A case that failed leaves its requests behind.
    peer.ask(&json!({ "do": "take" }))?;
    let sent = send()?;
    let taken = peer.ask(&json!({ "do": "take" }))?;
    let mut received = Request::default();
    for request in taken["requests"].as_array().into_iter().flatten() {
        let (protocol, coding) = (&request["protocol"], &request["coding"]);
        if protocol != route.protocol || (protocol != "grpc" && coding != route.compression) {
            return Err(format!("a request came as {protocol} with {coding}"));
        }
        received.resource_spans.extend(decoded(&body_of(request)?)?.resource_spans);
    }
    compare(&received, &sent.expected)?;
    Ok(format!("{} spans", sent.spans))
}

/// Spans with ids, in a request that the stock SDK encoded.
fn known(setup: &Setup) -> Result<Sent, String> {
    let receiver = Received::start()?;
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.receiver.http_endpoint());
    setup.corpus.send("python", Variables::from([endpoint]))
}

/// Python sends; `spanwise-receiver` and `spanwise-wire` read.
fn writes(peer: &mut Dialogue, route: Route, known: &Sent) -> Result<String, String> {
    let received = Received::start()?;
    let body = STANDARD.encode(known.expected.encode_to_vec());
    let Route { protocol, compression, .. } = route;
    peer.ask(&json!({
        "do": "send", "protocol": protocol, "compression": compression,
        "port": received.port(), "body": body,
    }))?;
    received.expect(&known.expected, known.spans)?;
    Ok(format!("{} spans", known.spans))
}

/// Python answers with partial success or retry details; the transport reads them.
fn answers(
    peer: &mut Dialogue,
    ports: &Value,
    answer: &str,
    protocol: &'static str,
    known: &Sent,
) -> Result<String, String> {
    peer.ask(&json!({ "do": "answer", "answer": answer }))?;
    let port = port_for(protocol, ports)?;
    let delivery = send(protocol, port, known.expected.encode_to_vec())?;
    peer.ask(&json!({ "do": "take" }))?;
    let expected = match answer {
        "partial" => (1, 3, Some("three are too many")),
        _ => (2, 0, None),
    };
    let Outcome::Accepted { rejected, message } = &delivery.outcome else {
        return Err(format!("{:?}", delivery.outcome));
    };
    if (delivery.attempts, *rejected, message.as_deref()) != expected {
        return Err(format!("{} attempts, {:?}", delivery.attempts, delivery.outcome));
    }
    Ok(format!("{}, {rejected} rejected", Counted(delivery.attempts, "attempt")))
}

const LINES: &str = "python/reads/file_sink";
const TOO_LARGE: &str = "python/answers/too_large/grpc";
const ANSWERS: [(&str, &str, &str); 5] = [
    ("python/answers/partial_success/grpc", "partial", "grpc"),
    ("python/answers/partial_success/http/protobuf", "partial", "http/protobuf"),
    ("python/answers/partial_success/http/json", "partial", "http/json"),
    ("python/answers/retry_info/grpc", "unavailable once", "grpc"),
    ("python/answers/retry_after/http/protobuf", "unavailable once", "http/protobuf"),
];

/// The interpreter of an environment with the packages.
fn environment(cache: &Cache) -> Result<PathBuf, String> {
    let python = |folder: &Path| folder.join("bin/python");
    let name = format!("python-grpcio-{}", version_of(PACKAGES[0]));
    let folder = cache.filled(&name, |folder| {
        println!("installing {} in {}", PACKAGES.join(" "), folder.display());
        let place = folder.display().to_string();
        let make = Tool::new("python3", &["-m", "venv", &place], LIMIT);
        make.run(&folder.join("venv.log"))?;
        let mut arguments = vec!["-m", "pip", "install", "--quiet"];
        arguments.extend(PACKAGES);
        Tool::new(python(folder), &arguments, LIMIT).run(&folder.join("pip.log")).map(drop)
    })?;
    Ok(python(&folder))
}

fn version_of(package: &str) -> &str {
    package.split_once("==").map_or(package, |(_, version)| version)
}

const PACKAGES: [&str; 4] = [
    "grpcio==1.85.1",
    "opentelemetry-proto==1.45.2",
    "googleapis-common-protos==1.76.0",
    "zstandard==0.25.0",
];
const SCRIPT: &str = include_str!("peer.py");
const LIMIT: Duration = Duration::from_secs(600);
