//! [`State`]: what the admin endpoint reads of the node, from before its start until after its drain.

use super::log::{Line, Log};
use crate::account::Account;
use crate::node::NodeView;
use crate::settings::Role;
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

    /// Whether the node has no space for another request.
    fn is_busy(&self) -> bool;

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
        let role = role_name(role);
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
        match self.phase.load(Relaxed) {
            STARTING => Phase::Starting,
            RUNNING => Phase::Running,
            _ => Phase::Draining,
        }
    }

    fn is_busy(&self) -> bool {
        self.view.get().is_some_and(NodeView::is_busy)
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

/// The name of a role, as in a file.
pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Gateway => "gateway",
        Role::Sampler => "sampler",
        Role::Both => "both",
    }
}

const STARTING: u8 = 0;
const RUNNING: u8 = 1;
const DRAINING: u8 = 2;
