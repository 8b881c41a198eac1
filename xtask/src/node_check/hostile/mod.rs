//! Hostile clients against the running node, and a client beside them whose answers have to come in time.

mod attacks;
mod bodies;
mod process;

use super::files::PLAIN;
use super::node::Node;
use super::options::Options;
use super::process::used;
use super::sender::{Load, Sent};
use super::sink::Sink;
use crate::peers::{Running, free_ports};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command};
use std::thread;
use std::time::Duration;

pub(super) use process::{NAME, run as attack};

/// Measures the client alone and beside hostile ones, in turns.
///
/// # Errors
/// A span of the client is lost or late, a hostile client gets an answer that it should not, or memory is not returned.
pub(super) fn run(options: &Options, program: &Path, folder: &Path) -> Result<(), String> {
    let folder = folder.join("hostile");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let mut sink = Sink::start(0, true)?;
    let [guarded] = free_ports()?;
    let text =
        PLAIN.replace("GUARDED", &guarded.to_string()).replace("SINK", &sink.address.to_string());
    let mut node = Node::start(program, &folder, "hostile", &text)?;
    let idle = node.account()?.number("/budget/used_bytes");
    let (mut alone, mut beside, mut accepted) = (Vec::new(), Vec::new(), 0);
    // Once before the measurements: the first requests fill pools.
    for round in 0..=options.rounds {
        let without = load(options, &node, 2 * round).run()?;
        let hostile = Hostile::start(node.port, guarded, options.seconds + 2 * BEFORE)?;
        let with = load(options, &node, 2 * round + 1).run()?;
        let report = hostile.end()?;
        for sent in [&without, &with] {
            if sent.failed_spans > 0 || sent.accepted_spans == 0 {
                return Err(format!("the client: {sent:?}\n{}", node.last_lines()));
            }
            accepted += sent.accepted_spans;
        }
        print(&report, &without, &with);
        if round > 0 {
            alone.push(without.p99_ms);
            beside.push(with.p99_ms);
        }
    }
    let account =
        node.wait_for("done", |it| it.unsettled() == 0 && it.number("/budget/used_bytes") <= idle)?;
    let arrived = sink.arrived()?;
    if arrived.distinct != accepted {
        return Err(format!("{arrived:?} of {accepted} accepted spans of the client"));
    }
    if let Some(imbalance) = account.imbalance() {
        return Err(format!("the account: {imbalance}"));
    }
    if node.admin.get("/metrics")?.contains(bodies::MARKER) {
        return Err("a name that a client chose is in the metrics".to_owned());
    }
    let id = node.id().ok_or("the node has ended")?;
    let (peak, limit) = (used(id)?.peak_bytes, account.number("/budget/memory_limit_bytes"));
    let (alone, beside) = (median(alone), median(beside));
    println!(
        "  {accepted} spans of the client arrived, all of them; 99 % of its answers within {alone:.1} ms alone and {beside:.1} ms beside hostile \
         clients; resident {} MiB at most, limit {} MiB",
        peak >> 20,
        limit >> 20
    );
    if peak > 2 * limit {
        return Err("the node used more memory than its file permits".to_owned());
    }
    if !options.is_debug && beside > (2.0 * alone).max(FLOOR_MS) {
        return Err(format!("permitted are twice {alone:.1} ms, and {FLOOR_MS} ms in any case"));
    }
    node.stop()
}

fn load(options: &Options, node: &Node, number: usize) -> Load {
    Load {
        endpoint: format!("http://127.0.0.1:{}", node.port),
        is_grpc: true,
        first: (number as u64) << 22,
        duration: options.seconds,
        concurrency: 4,
        rate: Some(options.rate(SPANS_A_SECOND)),
        requests: None,
    }
}

/// The process of the hostile clients.
struct Hostile {
    running: Running,
    // Closed at its end.
    _input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Hostile {
    fn start(port: u16, guarded: u16, time: Duration) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(own);
        let millis = time.as_millis().to_string();
        command.args([
            super::options::NAME,
            NAME,
            &port.to_string(),
            &guarded.to_string(),
            &millis,
        ]);
        let mut running = Running::start("the hostile clients", command)?;
        let (input, mut output) = running.pipes().ok_or("the hostile clients have no pipes")?;
        let mut line = String::new();
        output.read_line(&mut line).map_err(|error| error.to_string())?;
        if line.trim() != process::READY {
            return Err(format!("the hostile clients: {line}{}", running.last_lines()));
        }
        thread::sleep(BEFORE);
        Ok(Self { running, _input: input, output })
    }

    /// Its report, once it has ended.
    fn end(mut self) -> Result<Value, String> {
        let mut text = String::new();
        self.output.read_to_string(&mut text).map_err(|error| error.to_string())?;
        let report: Value = serde_json::from_str(text.trim())
            .map_err(|error| format!("{error}: {text}{}", self.running.last_lines()))?;
        match report["wrong"].as_array() {
            Some(wrong) if wrong.is_empty() => Ok(report),
            _ => Err(format!("the hostile clients: {}", report["wrong"])),
        }
    }
}

fn print(report: &Value, without: &Sent, with: &Sent) {
    let kinds = report["attacks"].as_object();
    let attacks: u64 = kinds.iter().flat_map(|it| it.values()).filter_map(Value::as_u64).sum();
    println!(
        "  {attacks} attacks of {} kinds and {} slow connections; 99 % of the client's answers within {:.1} ms without, {:.1} ms with",
        kinds.map_or(0, serde_json::Map::len),
        report["slow"],
        without.p99_ms,
        with.p99_ms
    );
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

const SPANS_A_SECOND: u64 = 50_000;
/// The hostile clients begin before the measured one.
const BEFORE: Duration = Duration::from_secs(1);
/// Hostile clients share the processors with the node: some slices of time of the system's scheduler.
const FLOOR_MS: f64 = 25.0;
