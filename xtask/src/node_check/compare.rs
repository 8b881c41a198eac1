//! The Collector and the node with the same file, under the same load, in turns.

use super::load::SPANS;
use super::options::Options;
use super::process::used;
use super::sender::Load;
use super::sink::Sink;
use crate::interop::build;
use crate::peers::{Running, Scratch, free_ports, wait_until};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// One measurement of one program.
#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    /// Accepted spans a second.
    rate: f64,
    /// Seconds of processor time for a million accepted spans.
    cpu: f64,
    peak_mib: f64,
    p99_ms: f64,
    /// Spans that arrived, of a thousand that were accepted.
    arrived: f64,
    /// From the start until both ports accept.
    ready_ms: f64,
}

/// A measured pipeline.
#[derive(Debug, Clone, Copy)]
struct Row {
    name: &'static str,
    processors: &'static str,
    /// Of the file, with the addresses of the destinations to fill in.
    exporter: &'static str,
    /// Whether all spans have to arrive.
    is_whole: bool,
}

/// The traces of a measurement, and how fast they come.
#[derive(Debug, Clone, Copy)]
struct Turn {
    /// Traces differ between rounds.
    round: usize,
    /// Spans a second; as many as are accepted without it.
    rate: Option<u64>,
}

/// The program that is measured.
#[derive(Debug, Clone, Copy)]
struct Program<'a> {
    path: &'a Path,
    /// The text before the path of the file.
    flag: &'static str,
}

/// Prints a table; the answers are checked before a number is printed.
///
/// # Errors
/// A program does not start, or loses a span without a count.
pub(super) fn run(options: &Options, node: &Path, scratch: &Scratch) -> Result<(), String> {
    if !ROWS.iter().any(|row| options.wants(row.name, false)) {
        return Ok(());
    }
    let collector = build::is_built(&options.cache).then(|| build::collector(&options.cache));
    let collector = collector.transpose()?;
    if collector.is_none() {
        println!(
            "compare: no Collector: `cargo xtask interop` builds it; the node alone is measured"
        );
    }
    println!("| row | | spans/s | CPU s / M spans | peak MiB | p99 ms | arrived | ready ms |");
    println!("|---|---|--:|--:|--:|--:|--:|--:|");
    for row in ROWS.iter().filter(|row| options.wants(row.name, false)) {
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for round in 0..options.rounds {
            if let Some(collector) = &collector {
                let program = Program { path: collector, flag: "--config=file:" };
                theirs.push(measure(row, program, scratch, options, Turn { round, rate: None })?);
            }
            let program = Program { path: node, flag: "--config=" };
            ours.push(measure(row, program, scratch, options, Turn { round, rate: None })?);
        }
        let [theirs, ours] = [theirs, ours].map(median);
        // Memory follows the load: this is what the same load needs.
        let mut paced = Measured::default();
        if theirs.rate > 0.0 {
            let program = Program { path: node, flag: "--config=" };
            let turn = Turn { round: options.rounds, rate: Some(theirs.rate as u64) };
            paced = measure(row, program, scratch, options, turn)?;
        }
        let shown = [
            (build::VERSION, theirs),
            ("spanwise-node", ours),
            ("spanwise-node, as many spans a second", paced),
        ];
        for (name, measured) in shown.iter().filter(|(_, it)| it.rate > 0.0) {
            let Measured { rate, cpu, peak_mib, p99_ms, arrived, ready_ms } = measured;
            println!(
                "| {} | {name} | {:.2} M | {cpu:.2} | {peak_mib:.0} | {p99_ms:.1} | {:.1} % | {ready_ms:.0} |",
                row.name,
                rate / 1e6,
                arrived / 10.0,
            );
        }
        if theirs.rate > 0.0 {
            println!(
                "| {} | ratio | {:.1}× | {:.1}× less | {:.1}× less at the same load | | | |",
                row.name,
                ours.rate / theirs.rate,
                theirs.cpu / ours.cpu,
                theirs.peak_mib / paced.peak_mib,
            );
        }
    }
    Ok(())
}

fn measure(
    row: &Row,
    program: Program<'_>,
    scratch: &Scratch,
    options: &Options,
    turn: Turn,
) -> Result<Measured, String> {
    let mut sinks = [Sink::start(0, false)?, Sink::start(0, false)?];
    let [grpc, http] = free_ports()?;
    let file = scratch.path().join(format!("{}.yaml", row.name));
    let text = FILE
        .replace("GRPC", &grpc.to_string())
        .replace("HTTP", &http.to_string())
        .replace("EXPORTER", row.exporter)
        .replace("SINK0", &sinks[0].address.to_string())
        .replace("SINK1", &sinks[1].address.to_string())
        .replace("PROCESSORS", row.processors)
        .replace("TARGET", row.exporter.split(':').next().unwrap_or_default())
        .replace("NAMES", if row.processors.is_empty() { "" } else { "tail_sampling" });
    std::fs::write(&file, text).map_err(|error| error.to_string())?;
    let mut command = Command::new(program.path);
    command.arg(format!("{}{}", program.flag, file.display()));
    let started = Instant::now();
    let mut running = Running::start(row.name, command)?;
    running.wait_for_ports(&[grpc, http], Duration::from_secs(60))?;
    let ready_ms = started.elapsed().as_secs_f64() * 1e3;
    let load = Load {
        endpoint: format!("http://127.0.0.1:{grpc}"),
        is_grpc: true,
        first: (turn.round as u64) << 24,
        duration: options.seconds,
        concurrency: 8,
        rate: turn.rate,
        requests: None,
    };
    let sent = load.run()?;
    let arrived = settled(&mut sinks, row.is_whole.then_some(sent.accepted_spans))?;
    let used = used(running.id())?;
    if sent.accepted_spans < SPANS || (row.is_whole && arrived != sent.accepted_spans) {
        let lines = running.last_lines();
        return Err(format!("{}: {sent:?}, but {arrived:?}\n{lines}", row.name));
    }
    running.stop()?;
    Ok(Measured {
        rate: sent.accepted_spans as f64 / sent.seconds,
        cpu: used.cpu.as_secs_f64() * 1e6 / sent.accepted_spans as f64,
        peak_mib: used.peak_bytes as f64 / f64::from(1 << 20),
        p99_ms: sent.p99_ms,
        arrived: 1e3 * arrived as f64 / sent.accepted_spans as f64,
        ready_ms,
    })
}

/// The spans that have arrived once nothing more does, or all of `expected` have.
fn settled(sinks: &mut [Sink], expected: Option<u64>) -> Result<u64, String> {
    let mut all = || sinks.iter_mut().map(|sink| Ok(sink.arrived()?.spans)).sum();
    let mut last: u64 = all()?;
    let (mut since, mut failed) = (Instant::now(), None);
    wait_until(Duration::from_secs(120), || {
        match all() {
            Ok(now) if now != last => (last, since) = (now, Instant::now()),
            Ok(_) => {}
            Err(error) => failed = Some(error),
        }
        failed.is_some() || expected == Some(last) || since.elapsed() > QUIET
    });
    failed.map_or(Ok(last), Err)
}

/// The measurement in the middle, by spans a second.
fn median(mut all: Vec<Measured>) -> Measured {
    all.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    all.get(all.len() / 2).copied().unwrap_or_default()
}

const ROWS: [Row; 3] = [
    Row { name: "node-pass-through", processors: "", exporter: OTLP, is_whole: true },
    Row { name: "node-tail-sampling", processors: TAIL, exporter: OTLP, is_whole: false },
    Row { name: "node-gateway", processors: "", exporter: LOAD_BALANCING, is_whole: true },
];

/// Read by both programs. The Collector's queue has the settings of its defaults.
const FILE: &str = "\
receivers:
  otlp:
    protocols:
      grpc: {endpoint: '127.0.0.1:GRPC', max_recv_msg_size_mib: 16}
      http: {endpoint: '127.0.0.1:HTTP'}
processors: {PROCESSORS}
exporters: {EXPORTER}
service:
  telemetry: {metrics: {level: none}, logs: {level: error}}
  pipelines:
    traces: {receivers: [otlp], processors: [NAMES], exporters: [TARGET]}
";

const OTLP: &str = "\
otlp_grpc: {endpoint: 'SINK0', tls: {insecure: true}, compression: none, sending_queue: {block_on_overflow: true}}";

/// Each trace goes to one of the two destinations.
const LOAD_BALANCING: &str = "\
load_balancing: {resolver: {static: {hostnames: ['SINK0', 'SINK1']}}, protocol: {otlp: {
    tls: {insecure: true}, compression: none, sending_queue: {block_on_overflow: true}}}}";

/// Five policies whose decisions depend on the trace alone.
const TAIL: &str = "tail_sampling: {decision_wait: 2s, num_traces: 400000, policies: [
    {name: errors, type: status_code, status_code: {status_codes: [ERROR]}},
    {name: slow, type: latency, latency: {threshold_ms: 500}},
    {name: failed, type: numeric_attribute, numeric_attribute: {key: http.response.status_code, min_value: 500, max_value: 599}},
    {name: checkout, type: string_attribute, string_attribute: {key: http.route, values: [/checkout]}},
    {name: share, type: probabilistic, probabilistic: {sampling_percentage: 10}}]}";

/// Longer than the wait of the policies.
const QUIET: Duration = Duration::from_secs(4);
