//! [`State`]: what the admin endpoint reads of the node, from before its start until after its drain.

use super::log::{Line, Log};
use crate::account::Account;
use crate::node::NodeView;
use crate::settings::Role;
use crate::stage::Busy;
use spanwise_metrics::Metric;
use spanwise_tail::PolicyCounts;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

/// Where the node is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its spools and listeners are not open yet.
    Starting,
    /// It accepts requests.
    Running,
    /// It accepts none, and sends what it has.
    Draining,
}

impl Phase {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
        }
    }
}

/// The source of all that the admin endpoint shows.
pub(crate) trait Source: Send + Sync + 'static {
    fn phase(&self) -> Phase;

    /// Why the node takes no request now, if it takes none.
    fn busy(&self) -> Option<Busy>;

    fn about(&self) -> About;

    /// The account; `None` before the start has ended.
    fn account(&self) -> Option<Account>;

    /// The policies of tail sampling and the metrics of its shards.
    fn tail(&self) -> Option<(Vec<PolicyCounts>, Vec<Metric>)>;

    /// The metrics of the gateway; empty without one.
    fn gateway_metrics(&self) -> Vec<Metric>;

    /// The last lines of the log.
    fn lines(&self) -> Vec<Line>;
}

/// The source behind the routes.
pub(crate) type Shown = Arc<dyn Source>;

/// The facts that do not change while the process runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct About {
    pub(crate) role: &'static str,
    /// The start of the process, by both clocks.
    pub(crate) started: Instant,
    pub(crate) started_at: SystemTime,
}

/// The state of the process's node.
pub(crate) struct State {
    about: About,
    phase: AtomicU8,
    view: OnceLock<NodeView>,
    log: Log,
}

impl State {
    pub(crate) fn new(role: Role, log: Log) -> Self {
        let role = role.name();
        let about = About { role, started: Instant::now(), started_at: SystemTime::now() };
        Self { about, phase: AtomicU8::new(STARTING), view: OnceLock::new(), log }
    }

    /// The node has started.
    pub(crate) fn set_running(&self, view: NodeView) {
        let _only_once = self.view.set(view);
        self.phase.store(RUNNING, Relaxed);
    }

    /// The node drains.
    pub(crate) fn set_draining(&self) {
        self.phase.store(DRAINING, Relaxed);
    }
}

impl Source for State {
    fn phase(&self) -> Phase {
        let is_opening = || self.view.get().is_some_and(NodeView::is_opening);
        match self.phase.load(Relaxed) {
            STARTING => Phase::Starting,
            RUNNING if is_opening() => Phase::Starting,
            RUNNING => Phase::Running,
            _ => Phase::Draining,
        }
    }

    fn busy(&self) -> Option<Busy> {
        self.view.get().and_then(NodeView::busy)
    }

    fn about(&self) -> About {
        self.about
    }

    fn account(&self) -> Option<Account> {
        self.view.get().map(NodeView::account)
    }

    fn tail(&self) -> Option<(Vec<PolicyCounts>, Vec<Metric>)> {
        let sampler = self.view.get()?.tail_sampler()?;
        Some((sampler.policy_counts(), sampler.metrics()))
    }

    fn gateway_metrics(&self) -> Vec<Metric> {
        self.view.get().map(NodeView::gateway_metrics).unwrap_or_default()
    }

    fn lines(&self) -> Vec<Line> {
        self.log.recent()
    }
}

const STARTING: u8 = 0;
const RUNNING: u8 = 1;
const DRAINING: u8 = 2;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use crate::node::Node;
    use crate::settings::*;
    use spanwise_spool::SpoolSettings;
    use std::time::Duration;

    #[test]
    fn a_node_is_ready_once_its_spools_are_open() {
        let name = format!("spanwise-node-opening-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let spool =
            DestinationSpool { directory: directory.clone(), settings: SpoolSettings::default() };
        let destination = DestinationSettings {
            spool: Some(spool),
            ..DestinationSettings::new("debug", Target::Debug)
        };
        let settings = NodeSettings {
            role: Role::Both,
            memory: MemoryLimit::Bytes(64 << 20),
            receivers: vec![ReceiverSettings::new("receiver", ([127, 0, 0, 1], 0).into())],
            processors: Vec::new(),
            tail_sampling: None,
            gateway: None,
            destinations: vec![destination],
            admin: None,
            state_directory: None,
            shutdown_timeout: Duration::from_secs(10),
            reload_interval: None,
            logs: LogFormat::Text,
        };
        let log = Log::to(LogFormat::Text, Box::new(std::io::sink())).unwrap();
        let state = State::new(settings.role, log);
        assert_eq!(state.phase(), Phase::Starting);
        let node = Node::start(settings).unwrap();
        state.set_running(node.view());
        let until = Instant::now() + Duration::from_secs(60);
        while state.phase() != Phase::Running {
            assert!(Instant::now() < until);
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(node.view().is_ready());
        node.view().set_opening();
        assert_eq!(state.phase(), Phase::Starting);
        assert!(!node.view().is_ready());
        state.set_draining();
        assert_eq!(state.phase(), Phase::Draining);
        node.shutdown(Duration::from_secs(10));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
