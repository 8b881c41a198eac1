//! Kills under load: what a killed process reports as lost is what was lost, but for the steps between its last write and its end.

use super::ledger;
use super::node::Node;
use super::options::Options;
use super::readings::{Reading, Readings};
use super::sender::{Load, Sent};
use super::step_bounds::{Bounds, End};
use super::system::System;
use super::totals::{Allowed, SINKS, Totals};
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

/// The process that a round kills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Sampler(usize),
    Gateway(usize),
    Sink(usize),
}

/// Kills one process after the other, each under a load of its own, which is added up before the next.
///
/// # Errors
/// More spans are missing, or more have two places, than the killed process had steps in the time that it did not write.
pub(super) fn run(options: &Options, program: &Path, folder: &Path) -> Result<(), String> {
    let mut system = System::start(program, &folder.join("kills"), 2, 3)?;
    let duration = (options.seconds / 4).max(Duration::from_secs(2));
    let mut before = Totals::default();
    for (round, victim) in VICTIMS.iter().enumerate() {
        println!("  under load, {victim:?} is killed and starts again");
        let loads = load(&system, round as u64, (duration, options.rate(SPANS_A_SECOND)));
        let bounds = kill(&mut system, *victim, duration / 2)?;
        let mut sent = Sent::default();
        for load in loads {
            sent.add(&load.join().map_err(|_| "a sender panicked")??);
        }
        if sent.accepted_spans == 0 || sent.failed_spans > 0 {
            return Err(format!("a sender gave up: {sent:?}\n{}", system.last_lines()));
        }
        let now = system.settle()?;
        let totals = now.since(&before);
        totals.check(sent.accepted_spans, allowed(&bounds, &totals))?;
        before = now;
    }
    let crashes = system.crashes()?;
    println!("  spans in memory, as reported after each kill: {crashes:?}");
    let is_reported = |name: &str, count: usize| {
        crashes.iter().any(|(node, all)| node == name && all.len() == count)
    };
    if !(is_reported("sampler-1", 2) && is_reported("gateway-1", 2)) {
        return Err("a process that was killed twice has not two reports".to_owned());
    }
    if before.crashed == 0 {
        return Err("no kill lost a span: nothing was proved".to_owned());
    }
    system.stop()
}

/// A killed node may have sent what it reports as lost: no report has more spans in two places than it has spans.
fn allowed(bounds: &Bounds, totals: &Totals) -> [Allowed; 2] {
    let Bounds { misses, exceeds, in_flight } = bounds;
    let ([one, two], [of_one, of_two]) = (totals.of_sinks, in_flight);
    [(one, of_one), (two, of_two)].map(|(sink, in_flight)| Allowed {
        may_miss: misses + in_flight,
        may_exceed: exceeds.min(&totals.crashed) + sink.crashed,
    })
}

/// Starts a sender for each gateway.
fn load(
    system: &System,
    round: u64,
    (duration, rate): (Duration, u64),
) -> Vec<JoinHandle<Result<Sent, String>>> {
    let gateways = system.gateways.iter().enumerate();
    let loads = gateways.map(|(index, gateway)| Load {
        endpoint: format!("http://127.0.0.1:{}", gateway.port),
        is_grpc: index == 0,
        first: (2 * round + index as u64) << NUMBERS,
        duration,
        concurrency: 4,
        rate: Some(rate),
        requests: None,
    });
    loads.map(|load| thread::spawn(move || load.run())).collect()
}

/// Kills the victim after `wait`, starts it again, and returns how far its report may be from its loss.
fn kill(system: &mut System, victim: Victim, wait: Duration) -> Result<Bounds, String> {
    if let Victim::Sink(index) = victim {
        for gateway in &system.gateways {
            wait_for_load(gateway)?;
        }
        thread::sleep(wait);
        let sink = system.sinks.get_mut(index).ok_or("no such destination")?;
        sink.down()?;
        thread::sleep(wait / 4);
        sink.up()?;
        return Ok(Bounds::default());
    }
    let name = match victim {
        Victim::Gateway(index) => format!("gateway-{}", index + 1),
        Victim::Sampler(index) | Victim::Sink(index) => format!("sampler-{}", index + 1),
    };
    let state = system.state(&name);
    let nodes = match victim {
        Victim::Gateway(_) => &mut system.gateways,
        _ => &mut system.samplers,
    };
    let node = nodes.iter_mut().find(|node| node.name == name).ok_or("no such node")?;
    wait_for_load(node)?;
    let readings = Readings::start(node.admin);
    thread::sleep(wait);
    node.kill()?;
    let killed = SystemTime::now();
    let readings = readings.end();
    let written = ledger::read(&state)?;
    let last = readings.last().ok_or_else(|| format!("{name} was not read"))?;
    node.killed.push(last.account.clone());
    node.run()?;
    let reported = node.wait_for("reporting its kill", |it| it.crash().is_some())?;
    let reported = reported.crash().unwrap_or_default();
    let in_memory = written.counts.in_memory();
    if reported != in_memory {
        return Err(format!("{name} wrote {in_memory} spans in memory, and reports {reported}"));
    }
    let age = killed.duration_since(written.at).unwrap_or_default();
    let end = End { written: written.at, killed, reported };
    let bounds =
        Bounds::of(&readings, end, SINKS).map_err(|problem| format!("{name}: {problem}"))?;
    println!(
        "    {name} had {} spans in memory {:.0} ms before its end, and reports {reported}, written {:.0} ms before it",
        last.account.in_memory(),
        millis(last, killed),
        age.as_secs_f64() * 1e3,
    );
    if age > MAX_AGE {
        return Err(format!("{name} had not written for {age:?}"));
    }
    Ok(bounds)
}

/// The senders take a moment to start.
fn wait_for_load(node: &Node) -> Result<(), String> {
    let idle = node.account()?.number("/intake/accepted");
    node.wait_for("under load", |it| it.number("/intake/accepted") > idle).map(drop)
}

fn millis(reading: &Reading, until: SystemTime) -> f64 {
    until.duration_since(reading.at).unwrap_or_default().as_secs_f64() * 1e3
}

/// Two of them twice.
const VICTIMS: [Victim; 8] = [
    Victim::Sampler(0),
    Victim::Gateway(0),
    Victim::Sink(0),
    Victim::Sampler(1),
    Victim::Gateway(1),
    Victim::Sampler(0),
    Victim::Gateway(0),
    Victim::Sampler(2),
];
/// Spans a second of each sender.
const SPANS_A_SECOND: u64 = 20_000;
/// Bits of the numbers of the traces of a sender.
const NUMBERS: u32 = 22;
/// A node writes each 250 ms, and its thread may wait for a processor.
const MAX_AGE: Duration = Duration::from_millis(500);
