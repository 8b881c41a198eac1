//! A destination that is down: its spans go to the disk and arrive later, beside another destination that gets them at once.

use super::files::OUTAGE;
use super::node::Node;
use super::options::Options;
use super::process::used;
use super::sender::Load;
use super::sink::Sink;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Runs a load through an outage.
///
/// # Errors
/// A span does not arrive, the other destination waits, or the node uses more memory than its file permits.
pub(super) fn run(options: &Options, program: &Path, folder: &Path) -> Result<(), String> {
    let folder = folder.join("outage");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let (mut one, mut two) = (Sink::start(0, true)?, Sink::start(0, true)?);
    let text = OUTAGE
        .replace("STATE", &folder.join("state").display().to_string())
        .replace("ONE", &one.address.to_string())
        .replace("TWO", &two.address.to_string())
        .replace("SPOOL", &folder.display().to_string());
    let mut node = Node::start(program, &folder, "outage", &text)?;
    let outage = if options.is_quick { Duration::from_secs(3) } else { options.seconds * 6 };
    let load = Load {
        endpoint: format!("http://127.0.0.1:{}", node.port),
        is_grpc: true,
        first: 0,
        duration: outage + 2 * AROUND,
        concurrency: 4,
        rate: Some(options.rate(SPANS_A_SECOND)),
        requests: None,
    };
    let sender = thread::spawn(move || load.run());
    thread::sleep(AROUND);
    one.down()?;
    let memory = observe(&node, outage)?;
    let (before, account) = (one.up()?, node.account()?);
    let (stored, of_two) = (account.of("one", "spooled"), two.arrived()?.distinct);
    let (accepted, late) = (account.number("/intake/accepted"), account.of("two", "spooled"));
    println!(
        "  {:.0} s down: {accepted} spans accepted, {stored} on disk, {of_two} at the other destination",
        outage.as_secs_f64()
    );
    if stored == 0 || before.distinct + stored > accepted {
        return Err(format!("the spool did not take over: {}", account.0));
    }
    if of_two + late < accepted / 2 {
        return Err("the destination that is up waits for the other one".to_owned());
    }
    let sent = sender.join().map_err(|_| "the sender panicked")??;
    let started = Instant::now();
    let account = node.wait_for("done", |it| it.unsettled() == 0)?;
    let drain = started.elapsed();
    let arrived = [one.arrived()?, two.arrived()?];
    for (name, arrived) in ["one", "two"].iter().zip(&arrived) {
        let dropped = account.of(name, "dropped");
        if (arrived.distinct, dropped) != (sent.accepted_spans, 0) || sent.failed_spans > 0 {
            return Err(format!("{name}: {arrived:?} of {sent:?}, dropped {dropped}"));
        }
    }
    let id = node.id().ok_or("the node has ended")?;
    let (peak, limit) = (used(id)?.peak_bytes, account.number("/budget/memory_limit_bytes"));
    let twice = arrived.map(|it| it.repeated());
    println!(
        "  all {} spans arrived at both, {:.1} s after the load (twice sent: {twice:?}); budget {} of {} KiB, resident {} MiB at most, limit {} MiB",
        sent.accepted_spans,
        drain.as_secs_f64(),
        memory.0 >> 10,
        memory.1 >> 10,
        peak >> 20,
        limit >> 20,
    );
    if memory.0 > memory.1 || peak > 2 * limit {
        return Err("the node used more memory than its file permits".to_owned());
    }
    node.stop()
}

/// Watches the node for a time; returns the most bytes of requests, and their limit.
fn observe(node: &Node, time: Duration) -> Result<(u64, u64), String> {
    let until = Instant::now() + time;
    let (mut peak, mut limit) = (0, 0);
    while Instant::now() < until {
        let account = node.account()?;
        peak = peak.max(account.number("/budget/peak_bytes"));
        limit = account.number("/budget/limit_bytes");
        thread::sleep(Duration::from_millis(100));
    }
    Ok((peak, limit))
}

const SPANS_A_SECOND: u64 = 10_000;
/// The load before and behind the outage.
const AROUND: Duration = Duration::from_secs(1);
