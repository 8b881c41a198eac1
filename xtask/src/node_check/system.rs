//! Gateways, samplers and two destinations as processes.

use super::account::Account;
use super::files::{ALL, GATEWAY, SAMPLER};
use super::node::Node;
use super::sink::{Arrived, Sink};
use super::totals::Totals;
use crate::peers::wait_until;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The processes of a run.
pub(super) struct System {
    folder: PathBuf,
    program: PathBuf,
    pub(super) gateways: Vec<Node>,
    pub(super) samplers: Vec<Node>,
    pub(super) sinks: [Sink; 2],
}

impl System {
    /// Starts the destinations, then the samplers, then the gateways.
    ///
    /// # Errors
    /// A process does not start.
    pub(super) fn start(
        program: &Path,
        folder: &Path,
        gateways: usize,
        samplers: usize,
    ) -> Result<Self, String> {
        fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        let sinks = [Sink::start(0, true)?, Sink::start(0, true)?];
        let mut system = Self {
            folder: folder.to_owned(),
            program: program.to_owned(),
            gateways: Vec::new(),
            samplers: Vec::new(),
            sinks,
        };
        for _ in 0..samplers {
            system.add_sampler()?;
        }
        system.write_peers(samplers)?;
        for number in 1..=gateways {
            let name = format!("gateway-{number}");
            let text = GATEWAY
                .replace("PEERS", &system.peers().display().to_string())
                .replace("STATE", &system.state(&name).display().to_string());
            system.gateways.push(Node::start(program, folder, &name, &text)?);
        }
        Ok(system)
    }

    /// Starts one more sampler, which is no peer yet.
    ///
    /// # Errors
    /// It does not start.
    pub(super) fn add_sampler(&mut self) -> Result<(), String> {
        let name = format!("sampler-{}", self.samplers.len() + 1);
        let text = self.sampler(&name, ALL);
        self.samplers.push(Node::start(&self.program, &self.folder, &name, &text)?);
        Ok(())
    }

    /// The file of a sampler.
    pub(super) fn sampler(&self, name: &str, policies: &str) -> String {
        let [one, two] = &self.sinks;
        SAMPLER
            .replace("POLICIES", policies)
            .replace("STATE", &self.state(name).display().to_string())
            .replace("ONE", &one.address.to_string())
            .replace("TWO", &two.address.to_string())
            .replace("SPOOL", &self.folder.join(name).display().to_string())
    }

    /// The directory of the state of a node.
    pub(super) fn state(&self, name: &str) -> PathBuf {
        self.folder.join(name).join("state")
    }

    /// Writes the list of the first `count` samplers.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn write_peers(&self, count: usize) -> Result<(), String> {
        let peers = self.samplers.iter().take(count);
        let text: String = peers.map(|it| format!("127.0.0.1:{}\n", it.port)).collect();
        let new = self.folder.join("peers-new");
        let written = fs::write(&new, text).and_then(|()| fs::rename(&new, self.peers()));
        written.map_err(|error| error.to_string())
    }

    fn peers(&self) -> PathBuf {
        self.folder.join("peers")
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.gateways.iter().chain(&self.samplers)
    }

    /// Ends all nodes by their signals.
    ///
    /// # Errors
    /// One had ended before, or writes no account.
    pub(super) fn stop(&mut self) -> Result<(), String> {
        self.gateways.iter_mut().chain(&mut self.samplers).try_for_each(Node::stop)
    }

    pub(super) fn last_lines(&self) -> String {
        self.nodes().map(|node| format!("{}:\n{}", node.name, node.last_lines())).collect()
    }

    /// The sums of all accounts once no span is on its way.
    ///
    /// # Errors
    /// Spans are on their way for long, an account does not balance, or a process does not answer.
    pub(super) fn settle(&mut self) -> Result<Totals, String> {
        // Accounts are read one after the other: a span on its way between two of them is in none, and moves a number of the next round.
        let (mut accounts, mut before, mut failed) = (Vec::new(), None, None);
        let is_settled = wait_until(PATIENCE, || {
            let read = self.nodes().map(|node| Ok((node.name.clone(), node.account()?)));
            match read.collect::<Result<Vec<_>, String>>() {
                Ok(read) => accounts = read,
                Err(error) => failed = Some(error),
            }
            let moved: u64 = accounts.iter().map(|(_, account)| account.moved()).sum();
            let is_same = before.replace(moved) == Some(moved);
            let has_all = accounts.iter().all(|(_, account)| account.unsettled() == 0);
            failed.is_some() || is_same && has_all
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if !is_settled {
            let lines = self.last_lines();
            return Err(format!("spans are still on their way: {accounts:?}\n{lines}"));
        }
        for node in self.nodes() {
            accounts.extend(node.ended.iter().map(|it| (node.name.clone(), it.clone())));
        }
        for (name, account) in &accounts {
            if let Some(imbalance) = account.imbalance() {
                return Err(format!("{name}: {imbalance}"));
            }
        }
        let arrived = self.arrived()?;
        let killed = self.nodes().flat_map(|node| &node.killed);
        let all: Vec<&Account> = accounts.iter().map(|(_, it)| it).chain(killed).collect();
        Ok(Totals::of(&all, arrived))
    }

    fn arrived(&mut self) -> Result<[Arrived; 2], String> {
        let [one, two] = &mut self.sinks;
        Ok([one.arrived()?, two.arrived()?])
    }

    /// The reports of all crashes so far, by the node.
    ///
    /// # Errors
    /// A process does not answer.
    pub(super) fn crashes(&self) -> Result<Vec<(String, Vec<u64>)>, String> {
        let of_node = |node: &Node| -> Result<(String, Vec<u64>), String> {
            let now = node.account()?;
            let all = node.killed.iter().chain(&node.ended).chain([&now]);
            let crashes = all.filter_map(Account::crash).collect::<Vec<_>>();
            Ok((node.name.clone(), crashes))
        };
        let all: Result<Vec<_>, String> = self.nodes().map(of_node).collect();
        Ok(all?.into_iter().filter(|(_, crashes)| !crashes.is_empty()).collect())
    }
}

/// Samplers of a machine without optimization drain slowly.
const PATIENCE: Duration = Duration::from_secs(120);
