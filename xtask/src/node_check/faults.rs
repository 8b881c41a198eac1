//! Faults that lose nothing, under the load of all senders: every accepted span has its place in an account.

use super::files::SOME;
use super::options::Options;
use super::sender::{Load, Sent};
use super::senders::{self, Sender};
use super::system::System;
use super::totals::{Allowed, Totals};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Runs one load through all faults, and adds up the accounts.
///
/// # Errors
/// A span is in no account, a process does not start, or an account does not balance.
pub(super) fn run(options: &Options, program: &Path, folder: &Path) -> Result<(), String> {
    let mut system = System::start(program, &folder.join("faults"), 2, 3)?;
    let seconds = options.seconds.max(Duration::from_secs(1)) * 4;
    let senders = senders(options, &system, folder, seconds)?;
    let running: Vec<_> = senders
        .into_iter()
        .map(|sender| {
            let name = sender.name();
            thread::spawn(move || sender.run().map(|sent| (name, sent)))
        })
        .collect();
    faults(&mut system, seconds / 8)?;
    let mut all = Sent::default();
    for sender in running {
        let (name, sent) = sender.join().map_err(|_| "a sender panicked")??;
        let Sent { accepted_spans, failed_spans, uncertain_spans, .. } = sent;
        println!(
            "  {name}: accepted {accepted_spans}, refused for good {failed_spans}, asked for twice {uncertain_spans}"
        );
        if accepted_spans == 0 {
            return Err(format!("{name}: nothing was accepted\n{}", system.last_lines()));
        }
        all.add(&sent);
    }
    let totals = system.settle()?;
    println!("  gateways sent spans of {} traces to two samplers", totals.torn_traces);
    totals.check(all.accepted_spans, allowed(&all, &totals))?;
    system.stop()
}

/// All senders of this machine, each with trace numbers of its own.
fn senders(
    options: &Options,
    system: &System,
    folder: &Path,
    duration: Duration,
) -> Result<Vec<Sender>, String> {
    let gateways = system.gateways.iter().enumerate();
    let mut all: Vec<Sender> = gateways
        .map(|(index, gateway)| {
            Sender::Own(Load {
                endpoint: format!("http://127.0.0.1:{}", gateway.port),
                is_grpc: index == 0,
                first: (index as u64) << NUMBERS,
                duration,
                concurrency: 4,
                rate: Some(options.rate(SPANS_A_SECOND)),
                requests: None,
            })
        })
        .collect();
    if options.is_quick {
        return Ok(all);
    }
    let ports: Vec<u16> = system.gateways.iter().map(|gateway| gateway.port).collect();
    all.extend(senders::foreign(&options.cache, folder, &ports, |index, port| Load {
        endpoint: format!("http://127.0.0.1:{port}"),
        is_grpc: true,
        first: (2 + index) << NUMBERS,
        duration,
        concurrency: 2,
        rate: Some(options.rate(SPANS_A_SECOND / 10)),
        requests: None,
    })?);
    Ok(all)
}

fn faults(system: &mut System, step: Duration) -> Result<(), String> {
    thread::sleep(step);
    println!("  a destination is down");
    system.sinks[0].down()?;
    thread::sleep(step);
    println!("  a peer is added");
    system.add_sampler()?;
    system.write_peers(4)?;
    thread::sleep(step);
    println!("  the destination is back");
    system.sinks[0].up()?;
    println!("  other policies, while requests arrive");
    for sampler in &system.samplers {
        sampler.write(&system.sampler(&sampler.name, SOME))?;
        sampler.reload()?;
    }
    thread::sleep(step);
    println!("  the peer is removed, and its process goes on");
    system.write_peers(3)?;
    thread::sleep(step);
    println!("  a gateway and a sampler end by their signals and start again");
    for node in [system.gateways.first_mut(), system.samplers.first_mut()].into_iter().flatten() {
        node.stop()?;
        node.run()?;
    }
    Ok(())
}

/// No accepted span may be missing. A request that a sender repeats, or gives up, may have arrived although its attempt failed: its spans
/// may have two places, once as sampled and once as left out.
fn allowed(sent: &Sent, totals: &Totals) -> [Allowed; 2] {
    totals.of_sinks.map(|sink| {
        let twice = sink.arrived.repeated();
        let may_exceed = sent.uncertain_spans + sent.failed_spans + twice;
        Allowed { may_miss: 0, may_exceed }
    })
}

/// Spans a second of each of our senders.
const SPANS_A_SECOND: u64 = 20_000;
/// Bits of the numbers of the traces of a sender.
const NUMBERS: u32 = 24;
