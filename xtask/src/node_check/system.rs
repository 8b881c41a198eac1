//! Two gateways, three samplers and two destinations as processes, under faults: every accepted span has its place in an account.

use super::account::Account;
use super::compare;
use super::load::SPANS;
use super::node::Node;
use super::options::Options;
use super::sender::{Load, Sent};
use super::sink::{Arrived, Sink};
use crate::peers::wait_until;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// The processes of a run.
struct System {
    folder: PathBuf,
    program: PathBuf,
    gateways: Vec<Node>,
    samplers: Vec<Node>,
    sinks: [Sink; 2],
}

/// The faults of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Faults {
    /// A destination is down, a peer comes and goes, files are read again: no process loses what it has in memory.
    Orderly,
    /// Each kind of process is killed and started again.
    Kills,
}

/// Runs one load through all faults, and adds up the accounts.
///
/// # Errors
/// A span is in no account, a process does not start, or an account does not balance.
pub(super) fn run(
    options: &Options,
    faults: Faults,
    program: &Path,
    folder: &Path,
) -> Result<(), String> {
    let folder = folder.join(format!("{faults:?}").to_lowercase());
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let mut system = System::start(program, &folder)?;
    let seconds = options.seconds.max(Duration::from_secs(4)) * 4;
    let loads = system.loads(seconds);
    let senders: Vec<_> =
        loads.into_iter().map(|load| thread::spawn(move || compare::send(&load))).collect();
    let step = seconds / 8;
    match faults {
        Faults::Orderly => system.orderly(step)?,
        Faults::Kills => system.kills(step)?,
    }
    let mut sent = Sent::default();
    for sender in senders {
        let of_one = sender.join().map_err(|_| "the sender panicked")??;
        sent.accepted_spans += of_one.accepted_spans;
        sent.failed_spans += of_one.failed_spans;
        sent.uncertain_spans += of_one.uncertain_spans;
        sent.retries += of_one.retries;
    }
    if sent.accepted_spans < SPANS {
        return Err(format!("nothing was accepted: {sent:?}\n{}", system.last_lines()));
    }
    let mut accounts = system.settle()?;
    for node in system.nodes() {
        accounts.extend(node.earlier.drain(..).map(|account| (node.name.clone(), account)));
    }
    let arrived = system.arrived()?;
    report(faults, &sent, &accounts, arrived)?;
    system.nodes().try_for_each(Node::stop)
}

impl System {
    fn start(program: &Path, folder: &Path) -> Result<Self, String> {
        let sinks = [Sink::start(0, true)?, Sink::start(0, true)?];
        let mut system = Self {
            folder: folder.to_owned(),
            program: program.to_owned(),
            gateways: Vec::new(),
            samplers: Vec::new(),
            sinks,
        };
        for number in 1..=3 {
            system.add_sampler(number)?;
        }
        system.write_peers(3)?;
        for number in 1..=2 {
            let text = GATEWAY.replace("PEERS", &system.peers().display().to_string());
            let name = format!("gateway-{number}");
            system.gateways.push(Node::start(program, folder, &name, &text)?);
        }
        Ok(system)
    }

    fn add_sampler(&mut self, number: usize) -> Result<(), String> {
        let name = format!("sampler-{number}");
        let text = self.sampler(&name, ALL);
        self.samplers.push(Node::start(&self.program, &self.folder, &name, &text)?);
        Ok(())
    }

    /// The file of a sampler.
    fn sampler(&self, name: &str, policies: &str) -> String {
        let [one, two] = &self.sinks;
        SAMPLER
            .replace("POLICIES", policies)
            .replace("ONE", &one.address.to_string())
            .replace("TWO", &two.address.to_string())
            .replace("SPOOL", &self.folder.join(name).display().to_string())
    }

    fn peers(&self) -> PathBuf {
        self.folder.join("peers")
    }

    /// Writes the list of the first `count` samplers.
    fn write_peers(&self, count: usize) -> Result<(), String> {
        let peers = self.samplers.iter().take(count);
        let text: String = peers.map(|it| format!("127.0.0.1:{}\n", it.port)).collect();
        let new = self.folder.join("peers-new");
        let written = fs::write(&new, text).and_then(|()| fs::rename(&new, self.peers()));
        written.map_err(|error| error.to_string())
    }

    /// A load for each gateway, with half of the numbers each.
    fn loads(&self, duration: Duration) -> Vec<Load> {
        let loads = self.gateways.iter().enumerate().map(|(index, gateway)| Load {
            endpoint: format!("http://127.0.0.1:{}", gateway.port),
            is_grpc: index == 0,
            first: (index as u64) << 24,
            duration,
            concurrency: 4,
            rate: Some(SPANS_A_SECOND),
        });
        loads.collect()
    }

    fn orderly(&mut self, step: Duration) -> Result<(), String> {
        thread::sleep(step);
        println!("  a destination is down");
        self.sinks[0].down()?;
        thread::sleep(step);
        println!("  a peer is added");
        self.add_sampler(4)?;
        self.write_peers(4)?;
        thread::sleep(step);
        println!("  the destination is back");
        self.sinks[0].up()?;
        println!("  other policies, while requests arrive");
        for sampler in &self.samplers {
            sampler.write(&self.sampler(&sampler.name, SOME))?;
            sampler.reload()?;
        }
        thread::sleep(step);
        println!("  the peer is removed, and its process goes on");
        self.write_peers(3)?;
        thread::sleep(step);
        println!("  a gateway and a sampler end by their signals and start again");
        for node in [self.gateways.first_mut(), self.samplers.first_mut()].into_iter().flatten() {
            node.stop()?;
            node.run()?;
        }
        Ok(())
    }

    fn kills(&mut self, step: Duration) -> Result<(), String> {
        for round in 0..3 {
            thread::sleep(step);
            println!(
                "  a sampler, a gateway and a destination are killed and start again ({round})"
            );
            if let Some(sampler) = self.samplers.get_mut(round) {
                sampler.kill()?;
                sampler.run()?;
            }
            if let Some(gateway) = self.gateways.get_mut(round % 2) {
                gateway.kill()?;
                gateway.run()?;
            }
            self.sinks[round % 2].down()?;
            thread::sleep(step / 4);
            self.sinks[round % 2].up()?;
        }
        Ok(())
    }

    fn nodes(&mut self) -> impl Iterator<Item = &mut Node> {
        self.gateways.iter_mut().chain(&mut self.samplers)
    }

    fn last_lines(&mut self) -> String {
        self.nodes().map(|node| format!("{}:\n{}", node.name, node.last_lines())).collect()
    }

    /// The accounts once no span is on its way.
    fn settle(&mut self) -> Result<Vec<(String, Account)>, String> {
        let (mut accounts, mut failed) = (Vec::new(), None);
        let is_settled = wait_until(Duration::from_secs(120), || {
            let read = self.nodes().map(|node| Ok((node.name.clone(), node.account()?)));
            match read.collect::<Result<Vec<_>, String>>() {
                Ok(read) => accounts = read,
                Err(error) => failed = Some(error),
            }
            failed.is_some() || accounts.iter().all(|(_, account)| account.unsettled() == 0)
        });
        match failed {
            Some(error) => Err(error),
            None if is_settled => Ok(accounts),
            None => {
                Err(format!("spans are still on their way: {accounts:?}\n{}", self.last_lines()))
            }
        }
    }

    fn arrived(&mut self) -> Result<[Arrived; 2], String> {
        let [one, two] = &mut self.sinks;
        Ok([one.arrived()?, two.arrived()?])
    }
}

/// Adds up the accounts, and prints the sums.
fn report(
    faults: Faults,
    sent: &Sent,
    accounts: &[(String, Account)],
    arrived: [Arrived; 2],
) -> Result<(), String> {
    for (name, account) in accounts {
        if let Some(imbalance) = account.imbalance() {
            return Err(format!("{name}: {imbalance}"));
        }
    }
    let sum = |number: &dyn Fn(&Account) -> u64| -> u64 {
        accounts.iter().map(|(_, account)| number(account)).sum()
    };
    let left_out = sum(&Account::left_out);
    let crashed = sum(&|it| it.number("/crash/spans"));
    // The spans of the time after the last write of each killed process: all that a gateway gets, and a third for a sampler.
    let kills = accounts.iter().filter(|(_, account)| account.0["crash"].is_object());
    let uncertain = kills.count() as u64 * SPANS_A_SECOND / 2;
    println!(
        "  accepted {} · left out {left_out} · lost by kills {crashed} ± {uncertain}",
        sent.accepted_spans
    );
    for (name, arrived) in ["one", "two"].iter().zip(arrived) {
        let dropped = sum(&|it| it.of(name, "dropped"));
        let Arrived { spans, distinct, torn, whole } = arrived;
        println!(
            "  {name}: arrived {spans}, different {distinct}, dropped {dropped}; traces whole {whole}, torn {torn}"
        );
        let accounted = distinct + left_out + dropped + crashed;
        let missing = i128::from(sent.accepted_spans) - i128::from(accounted);
        let may_miss = i128::from(uncertain);
        // Requests that a sender repeats may have arrived although its request failed, and what a killed process had sent without
        // an answer may be in two accounts.
        let may_exceed =
            i128::from(sent.uncertain_spans + sent.failed_spans + crashed + spans - distinct);
        if missing > may_miss || -missing > may_exceed {
            return Err(format!("{name}: {missing} accepted spans are in no account ({faults:?})"));
        }
        println!("  {name}: {} spans in no account", missing.max(0));
    }
    Ok(())
}

/// Spans a second of each sender.
const SPANS_A_SECOND: u64 = 20_000;

const GATEWAY: &str = "\
role: gateway
memory: {limit_mib: 256}
receivers: [{endpoint: '127.0.0.1:PORT'}]
gateway:
  resolver: {file: {path: 'PEERS', interval: 200ms}}
  protocol: {tls: {insecure: true}}
logs: {format: json}
admin: {endpoint: '127.0.0.1:ADMIN'}
";
const SAMPLER: &str = "\
role: sampler
memory: {limit_mib: 256}
receivers: [{endpoint: '127.0.0.1:PORT'}]
tail_sampling: {decision_wait: 1s, policies: [POLICIES]}
destinations:
  - {name: one, otlp: {endpoint: 'http://ONE', protocol: grpc}, spool: {directory: 'SPOOL/one', max_mib: 256}}
  - {name: two, otlp: {endpoint: 'http://TWO', protocol: grpc}, spool: {directory: 'SPOOL/two', max_mib: 256}}
state: {directory: 'SPOOL/state'}
logs: {format: json}
admin: {endpoint: '127.0.0.1:ADMIN'}
";
/// Samples everything.
const ALL: &str = "{name: all, type: always_sample}";
/// Samples errors, slow traces and a half of the others.
const SOME: &str = "{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}, \
     {name: slow, type: latency, latency: {threshold_ms: 500}}, \
     {name: half, type: probabilistic, probabilistic: {sampling_percentage: 50}}";
