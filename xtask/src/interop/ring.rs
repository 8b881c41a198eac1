//! Routes of trace ids, against the ring of the Collector's `load_balancing` exporter.

use super::build::{self, go};
use super::collector::{Collector, Config};
use super::route::{Route, Security};
use super::setup::Setup;
use crate::peers::{Cache, Report, Running, wait_until};
use serde_json::json;
use spanwise::transport::{Ring, RingVersion};
use spanwise::{SpanKind, Spanwise};
use spanwise_receiver::{Collected, Receiver};
use spanwise_testkit::SplitMix64;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    for Version { name, version, release } in VERSIONS {
        report.case(name, || {
            let program = ring_of(&setup.cache, release)?;
            let mut routes = 0;
            for count in ENDPOINTS {
                routes += same_routes(&program, version, count)?;
            }
            report_routes(routes, release)
        });
    }
    report.case(EXPORTER, || through_the_exporter(setup));
    Ok(())
}

/// A version of the ring, and a release of the exporter that has it.
struct Version {
    name: &'static str,
    version: RingVersion,
    release: &'static str,
}

const VERSIONS: [Version; 3] = [
    Version { name: "ring/v1/routes", version: RingVersion::V1, release: "v0.129.0" },
    Version { name: "ring/v2/routes", version: RingVersion::V2, release: "v0.150.0" },
    Version { name: "ring/v3/routes", version: RingVersion::V3, release: build::VERSION },
];

fn report_routes(routes: usize, release: &str) -> Result<String, String> {
    Ok(format!("{routes} routes as those of the exporter {release}"))
}

/// A program with the exporter's own file about its ring.
fn ring_of(cache: &Cache, release: &str) -> Result<PathBuf, String> {
    let folder = cache.filled(&format!("ring-{release}"), |folder| {
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        let module = format!("{MODULE}@{release}");
        let download = go(cache, &["mod", "download", "-json", &module], DOWNLOAD);
        let answer = download.dir(folder).run(&folder.join("download.log"))?;
        let answer: serde_json::Value =
            serde_json::from_str(&answer).map_err(|error| format!("{module}: {error}"))?;
        let source = Path::new(answer["Dir"].as_str().unwrap_or_default()).join(FILE);
        let text = fs::read_to_string(&source)
            .map_err(|error| format!("{}: {error}", source.display()))?;
        // A name of a package is all that differs.
        let text: Vec<&str> = text
            .lines()
            .map(|line| if line.starts_with("package ") { "package main" } else { line })
            .collect();
        fs::write(folder.join(FILE), text.join("\n")).map_err(failed)?;
        fs::write(folder.join("main.go"), MAIN).map_err(failed)?;
        fs::write(folder.join("go.mod"), "module example.com/ring\n\ngo 1.22\n").map_err(failed)?;
        let build = go(cache, &["build", "-o", "ring", "."], DOWNLOAD);
        build.dir(folder).run(&folder.join("build.log")).map(drop)
    })?;
    Ok(folder.join("ring"))
}

/// Compares the routes over this number of endpoints; returns how many there are.
fn same_routes(program: &Path, version: RingVersion, count: usize) -> Result<usize, String> {
    let endpoints: Vec<String> =
        (0..count).map(|index| format!("10.0.{}.{}:4317", index / 200, index % 200 + 1)).collect();
    let mut random = SplitMix64::new(count as u64);
    let mut id = || (u128::from(random.next_u64()) << 64) | u128::from(random.next_u64());
    let ids: Vec<u128> = (0..TRACES).map(|_| id()).collect();
    let theirs = collector_routes(program, &endpoints, &ids)?;
    let ours = our_routes(version, &endpoints, &ids)?;
    for ((id, theirs), ours) in ids.iter().zip(&theirs).zip(&ours) {
        if ours != theirs {
            return Err(format!("{id:032x} of {count} endpoints: ours {ours}, theirs {theirs}"));
        }
    }
    Ok(ids.len())
}

fn collector_routes(
    program: &Path,
    endpoints: &[String],
    ids: &[u128],
) -> Result<Vec<String>, String> {
    let mut command = Command::new(program);
    command.args(endpoints);
    let mut running = Running::start("the ring", command)?;
    let (mut input, output) = running.pipes().ok_or("no pipes")?;
    let lines: String = ids.iter().map(|id| format!("{id:032x}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let routes: Result<Vec<String>, _> = output.lines().collect();
    let routes = routes.map_err(|error| error.to_string())?;
    if !matches!(writer.join(), Ok(Ok(()))) || routes.len() != ids.len() {
        return Err(format!("{} routes of {}: {}", routes.len(), ids.len(), running.last_lines()));
    }
    Ok(routes)
}

/// The routes of Spanwise.
fn our_routes(
    version: RingVersion,
    endpoints: &[String],
    ids: &[u128],
) -> Result<Vec<String>, String> {
    let ring = Ring::new(version, endpoints).map_err(|error| error.to_string())?;
    Ok(ids.iter().map(|id| ring.endpoint(id.to_be_bytes()).to_owned()).collect())
}

/// Sends traces through the exporter of a running Collector, and compares the receiver of each with our
/// route.
fn through_the_exporter(setup: &Setup) -> Result<String, String> {
    let mut backends: BTreeMap<String, (Receiver, Collected)> = BTreeMap::new();
    for _ in 0..BACKENDS {
        let (receiver, collected) = Receiver::collecting().map_err(|error| error.to_string())?;
        backends.insert(receiver.address().to_string(), (receiver, collected));
    }
    let endpoints: Vec<String> = backends.keys().cloned().collect();
    let mut config = Config::default();
    let ports = config.otlp("in", Security::Plain, &setup.certificates)?;
    let settings = json!({
        "protocol": { "otlp": { "tls": { "insecure": true } } },
        "resolver": { "static": { "hostnames": endpoints } },
    });
    config.exporter("load_balancing", settings);
    config.pipeline("all", &["in"], &[], &["load_balancing".to_owned()]);
    let collector = Collector::start(setup, "ring", &config)?;
    let ids = make(setup, ports.grpc)?;
    let arrived = || backends.values().map(|(_, collected)| collected.spans()).sum::<u64>();
    collector.observe(|| match wait_until(PATIENCE, || arrived() >= ids.len() as u64) {
        true => Ok(()),
        false => Err(format!("{} of {} spans arrived", arrived(), ids.len())),
    })?;
    let ours = our_routes(RingVersion::V3, &endpoints, &ids)?;
    let ours: BTreeMap<u128, &String> = ids.iter().copied().zip(&ours).collect();
    for (endpoint, (_, collected)) in &backends {
        for (trace, _) in collected.span_ids() {
            let trace = u128::from_be_bytes(trace);
            if ours.get(&trace) != Some(&endpoint) {
                return Err(format!(
                    "{trace:032x} went to {endpoint}, not to {:?}",
                    ours.get(&trace)
                ));
            }
        }
    }
    collector.stop()?;
    Ok(format!("{} traces over {BACKENDS} receivers as our ring v3 routes them", ids.len()))
}

/// Makes root spans and returns the ids of their traces.
fn make(setup: &Setup, port: u16) -> Result<Vec<u128>, String> {
    let route = Route::plain("grpc", "none");
    let variables = route.variables(port, &setup.certificates);
    let spanwise = Spanwise::builder()
        .with_environment(move |name| variables.get(name).cloned())
        .with_service_name("ring")
        .with_sampler(spanwise::sampling::Sampler::always_on())
        .build()
        .map_err(|error| error.to_string())?;
    let tracer = spanwise.tracer("ring");
    let mut ids = Vec::new();
    for _ in 0..TRACES {
        let span = tracer.root("request", SpanKind::Server);
        ids.push(u128::from_be_bytes(span.context().trace_id().to_bytes()));
        span.finish();
    }
    spanwise.shutdown_timeout(PATIENCE).map_err(|error| error.to_string())?;
    Ok(ids)
}

const EXPORTER: &str = "ring/v3/exporter";
const MODULE: &str =
    "github.com/open-telemetry/opentelemetry-collector-contrib/exporter/loadbalancingexporter";
/// The exporter's file about its ring, which needs no other.
const FILE: &str = "consistent_hashing.go";
const MAIN: &str = include_str!("ring.go");
const ENDPOINTS: [usize; 5] = [1, 2, 5, 50, 300];
const TRACES: usize = 2000;
const BACKENDS: usize = 5;
const DOWNLOAD: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(30);
