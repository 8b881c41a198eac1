//! Kills of idle processes: what each reports as lost is exactly what it had in memory, and it loses nothing of its disk.

use super::account::Account;
use super::files::{HOLDING, STORING, WAITING};
use super::ledger;
use super::node::Node;
use super::sender::Load;
use super::sink::{Arrived, Sink};
use crate::peers::{free_ports, wait_until};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Kills a sampler, a gateway and a node with a disk, each twice.
///
/// # Errors
/// A report has one span more or fewer than were lost, or a span is lost or delivered without one.
pub(super) fn run(program: &Path, folder: &Path) -> Result<(), String> {
    sampler(&Bench::new(program, folder, "waiting")?)?;
    gateway(&Bench::new(program, folder, "holding")?)?;
    disk(&Bench::new(program, folder, "storing")?)
}

/// The place of one node.
struct Bench<'a> {
    program: &'a Path,
    folder: PathBuf,
    name: &'static str,
}

impl<'a> Bench<'a> {
    fn new(program: &'a Path, folder: &Path, name: &'static str) -> Result<Self, String> {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        Ok(Self { program, folder, name })
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    fn start(&self, text: &str) -> Result<Node, String> {
        let text = text.replace("STATE", &self.state().display().to_string());
        Node::start(self.program, &self.folder, self.name, &text)
    }

    /// Waits until the process has `in_memory` spans in memory and has written so, kills it, starts it again, and checks its report.
    fn kill(&self, node: &mut Node, in_memory: u64) -> Result<(), String> {
        ledger::wait_for(&self.state(), |counts| counts.in_memory() == in_memory)?;
        node.kill()?;
        node.run()?;
        let account = node.wait_for("reporting its kill", |it| it.crash().is_some())?;
        match account.crash() {
            Some(reported) if reported == in_memory => Ok(()),
            reported => Err(format!(
                "{} was killed with {in_memory} spans in memory, and reports {reported:?}",
                self.name
            )),
        }
    }
}

/// A sampler that waits has spans in memory, all answered.
fn sampler(bench: &Bench<'_>) -> Result<(), String> {
    let mut sink = Sink::start(0, true)?;
    let mut node = bench.start(&WAITING.replace("SINK", &sink.address.to_string()))?;
    for requests in ROUNDS {
        let spans = send(&node, requests)?;
        node.wait_for("waiting", |it| it.number("/sampler/pending") == spans)?;
        bench.kill(&mut node, spans)?;
    }
    let delivered = send(&node, LAST)?;
    // It decides about all traces.
    node.stop()?;
    has(&mut sink, delivered)?;
    println!(
        "  a sampler that is killed reports its undecided spans exactly, twice; a drain delivers all {delivered}"
    );
    Ok(())
}

/// A gateway whose peer is down has spans in memory, all answered.
fn gateway(bench: &Bench<'_>) -> Result<(), String> {
    let peers = bench.folder.join("peers");
    let name = |port: u16| {
        let new = bench.folder.join("peers-new");
        let written = fs::write(&new, format!("127.0.0.1:{port}\n"));
        written.and_then(|()| fs::rename(&new, &peers)).map_err(|error| error.to_string())
    };
    let [closed] = free_ports()?;
    name(closed)?;
    let mut node = bench.start(&HOLDING.replace("PEERS", &peers.display().to_string()))?;
    for requests in ROUNDS {
        let spans = send(&node, requests)?;
        node.wait_for("holding", |it| it.number("/gateway/in_flight") == spans)?;
        bench.kill(&mut node, spans)?;
    }
    let delivered = send(&node, LAST)?;
    let mut sink = Sink::start(0, true)?;
    name(sink.address.port())?;
    node.wait_for("done", |it| it.unsettled() == 0)?;
    has(&mut sink, delivered)?;
    println!(
        "  a gateway that is killed reports its waiting spans exactly, twice; a peer gets all {delivered} of the next process"
    );
    node.stop()
}

/// A node whose destinations are down has the spans of one on its disk, and those of the other in memory.
fn disk(bench: &Bench<'_>) -> Result<(), String> {
    let (mut one, mut two) = (Sink::start(0, true)?, Sink::start(0, true)?);
    let spool = bench.folder.join("one");
    let text = STORING
        .replace("ONE", &one.address.to_string())
        .replace("TWO", &two.address.to_string())
        .replace("SPOOL", &spool.display().to_string());
    let mut node = bench.start(&text)?;
    one.down()?;
    two.down()?;
    let mut stored = 0;
    for requests in ROUNDS {
        let spans = send(&node, requests)?;
        stored += spans;
        let is_stored = |it: &Account| {
            (it.of("one", "spooled"), it.of("one", "in_flight")) == (stored, 0)
                && it.of("two", "in_flight") == spans
        };
        node.wait_for("storing", is_stored)?;
        ledger::wait_for(&spool, |counts| (counts.spooled, counts.in_memory()) == (stored, 0))?;
        bench.kill(&mut node, spans)?;
        node.wait_for("recovering", |it| it.of("one", "recovered") == stored)?;
    }
    one.up()?;
    two.up()?;
    let delivered = send(&node, LAST)?;
    let account = node.wait_for("done", |it| it.unsettled() == 0)?;
    let dropped = account.of("one", "dropped") + account.of("two", "dropped");
    has(&mut two, delivered)?;
    let arrived = has(&mut one, stored + delivered)?;
    if dropped > 0 {
        return Err(format!("{dropped} spans were dropped: {}", account.0));
    }
    let twice = arrived.repeated();
    println!(
        "  a node that is killed loses none of {stored} spans on its disk (twice sent: {twice}), and reports those in memory exactly, twice"
    );
    node.stop()
}

/// Sends requests that are all accepted at their first attempt.
fn send(node: &Node, requests: u64) -> Result<u64, String> {
    // Each number is used once.
    Load::send_all(format!("http://127.0.0.1:{}", node.port), requests << NUMBERS, requests)
}

/// Waits until exactly these spans have come.
fn has(sink: &mut Sink, spans: u64) -> Result<Arrived, String> {
    let (mut arrived, mut failed) = (Arrived::default(), None);
    wait_until(PATIENCE, || {
        match sink.arrived() {
            Ok(now) => arrived = now,
            Err(error) => failed = Some(error),
        }
        failed.is_some() || arrived.distinct >= spans
    });
    match failed {
        Some(error) => Err(error),
        None if arrived.distinct == spans && arrived.torn == 0 => Ok(arrived),
        None => Err(format!("{spans} spans were to arrive: {arrived:?}")),
    }
}

/// Requests before each kill, and behind the last one. Their numbers differ, so that no report is that of an earlier kill.
const ROUNDS: [u64; 2] = [4, 6];
const LAST: u64 = 3;
/// Bits of the numbers of the traces of one round.
const NUMBERS: u32 = 14;
const PATIENCE: Duration = Duration::from_secs(30);
