//! A running node.

mod fixed;

use crate::account::{Account, CrashAccount, MemoryAccount};
use crate::destination::{DestinationTasks, Destinations};
use crate::directories::Directories;
use crate::gateway::Gateway;
use crate::intake::{Entry, Intake, ReceiverStatsReaders, listen, renewed};
use crate::machine;
use crate::memory::{Memory, Shares};
use crate::processors::Processors;
use crate::sampler::Sampler;
use crate::settings::{GatewaySettings, NodeSettings, Role};
use crate::stage::{Busy, Stage};
use crate::start_error::{ExitKind, ReloadError, ReloadProblem, StartError};
use crate::state::{State, StateThread};
use fixed::Fixed;
use spanwise_metrics::Metric;
use spanwise_receiver::{Receiver, TlsRenewal};
use spanwise_tail::TailSamplerThreads;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// A running node: its receivers, stages and destinations.
///
/// Dropping it stops it without waiting: spans in memory are lost, and those on disk stay there. [`shutdown`](Self::shutdown) loses none
/// that the deadline leaves time for.
pub struct Node {
    shared: Arc<Shared>,
    receivers: Vec<Receiver>,
    entries: Vec<Arc<Entry>>,
    tasks: Option<DestinationTasks>,
    /// `None` at the end of a shutdown.
    runtime: Option<Runtime>,
    /// Until a shutdown.
    state: Option<StateThread>,
    fixed: Fixed,
}

/// A view of a node for other threads: its account and its state. Clones share it.
#[derive(Clone)]
pub struct NodeView {
    shared: Arc<Shared>,
}

struct Shared {
    intake: Arc<Intake>,
    /// Once they listen.
    receivers: OnceLock<ReceiverStatsReaders>,
    gateway: Option<Arc<Gateway>>,
    sampler: Option<Arc<Sampler>>,
    destinations: Arc<Destinations>,
    memory: Memory,
    shares: Shares,
    crash: Option<CrashAccount>,
}

impl Node {
    /// Starts a node: its destinations, then its stages, then its receivers, which accept requests when this returns.
    ///
    /// # Errors
    /// [`StartError`], one line with the fix. Nothing is left running.
    pub fn start(settings: NodeSettings) -> Result<Self, StartError> {
        let fixed = Fixed::of(&settings);
        let NodeSettings {
            role,
            memory,
            receivers,
            processors,
            tail_sampling,
            gateway,
            destinations,
            state_directory,
            ..
        } = settings;
        check_gateway(role, gateway.as_ref())?;
        let mut directories = Directories::default();
        let state = state_directory.map(|path| State::open(&mut directories, &path)).transpose()?;
        let cores = machine::cores();
        let tail_bytes = tail_sampling.as_ref().map(|config| config.max_memory_bytes);
        let shares = Shares::new(memory, receivers.len(), tail_bytes)?;
        let memory = Memory::new(&shares);
        let processors = Processors::new(processors)?;
        let runtime = runtime(cores)?;
        let (destinations, tasks) =
            Destinations::start(&destinations, &mut directories, &memory, runtime.handle())?;
        let next = Arc::clone(&destinations) as Arc<dyn Stage>;
        let sampler = match tail_sampling {
            Some(config) => {
                let sampler = Sampler::start(config, (&shares, &memory), cores, Arc::clone(&next))?;
                Some(Arc::new(sampler))
            }
            None => None,
        };
        let first = match &sampler {
            Some(sampler) => Arc::clone(sampler) as Arc<dyn Stage>,
            None => next,
        };
        let gateway = match gateway {
            Some(settings) if role != Role::Sampler => {
                let local = (role == Role::Both).then(|| Arc::clone(&first));
                let (budget, handle) = (memory.requests.clone(), runtime.handle().clone());
                let gateway = Gateway::start(settings, local, budget, handle);
                let of_gateway =
                    |error: StartError| StartError::new(error.kind, format!("gateway: {error}"));
                Some(Arc::new(gateway.map_err(of_gateway)?))
            }
            _ => None,
        };
        let of_clients = match &gateway {
            Some(gateway) => Arc::clone(gateway) as Arc<dyn Stage>,
            None => Arc::clone(&first),
        };
        let intake = Arc::new(Intake::new(processors, memory.clone()));
        let (state, crash) = state.unzip();
        let shared = Shared {
            intake,
            receivers: OnceLock::new(),
            gateway,
            sampler,
            destinations,
            memory,
            shares,
            crash: crash.flatten(),
        };
        let shared = Arc::new(shared);
        let (tasks, runtime) = (Some(tasks), Some(runtime));
        let (receivers_of_node, entries) = (Vec::new(), Vec::new());
        // From here on, a drop of the node ends what runs.
        let mut node = Self {
            shared,
            receivers: receivers_of_node,
            entries,
            tasks,
            runtime,
            state: None,
            fixed,
        };
        for settings in &receivers {
            let token = settings.bearer_token.clone();
            let intake = Arc::clone(&node.shared.intake);
            // Requests of peers are not routed again.
            let stage = if settings.is_for_peers { &first } else { &of_clients };
            let entry = Entry::new(intake, Arc::clone(stage), settings.is_for_peers, token);
            let entry = Arc::new(entry);
            let receiver = listen(settings, Arc::clone(&entry), &shares)?;
            node.receivers.push(receiver);
            node.entries.push(entry);
        }
        let names = receivers.iter().map(|settings| &*settings.name);
        let readers = ReceiverStatsReaders::of(names.zip(&node.receivers));
        let _only_once = node.shared.receivers.set(readers);
        let view = node.view();
        // Behind all that may fail: a start that fails leaves the report of a crash to the next one.
        node.state = state.map(|state| state.start(move || view.account())).transpose()?;
        Ok(node)
    }

    /// The addresses of the receivers, in the order of the settings, with the ports that the system chose.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.receivers.iter().map(Receiver::address).collect()
    }

    /// A view for other threads.
    pub fn view(&self) -> NodeView {
        NodeView { shared: Arc::clone(&self.shared) }
    }

    /// The account so far.
    pub fn account(&self) -> Account {
        self.shared.account()
    }

    /// Replaces policies, processors, tokens and the transports of destinations while requests arrive: no trace is lost, and each request
    /// has the earlier settings or these.
    ///
    /// # Errors
    /// Each key that has changed and that only a restart applies, and each setting that is not valid: the present ones stay, all of them.
    pub fn reload(&mut self, settings: NodeSettings) -> Result<(), ReloadError> {
        let keys = self.fixed.changed_keys(&Fixed::of(&settings)).into_iter();
        let mut problems: Vec<_> = keys.map(|key| ReloadProblem::NeedsRestart { key }).collect();
        let NodeSettings { receivers, processors, tail_sampling, gateway, destinations, .. } =
            settings;
        let mut not_valid = |error| problems.push(ReloadProblem::NotValid(error));
        let processors = Processors::new(processors).map_err(&mut not_valid).ok();
        let mut transports = Vec::new();
        for destination in &destinations {
            match Destinations::new_transports(std::slice::from_ref(destination)) {
                Ok(built) => transports.extend(built),
                Err(error) => not_valid(error),
            }
        }
        let mut renewals = Vec::new();
        for (receiver, settings) in self.receivers.iter().zip(&receivers) {
            let Some(tls) = &settings.tls else { continue };
            match renewed(receiver, &settings.name, tls) {
                Ok(renewal) => renewals.push(renewal),
                Err(error) => not_valid(error),
            }
        }
        let Some(processors) = processors.filter(|_| problems.is_empty()) else {
            return Err(ReloadError::new(problems));
        };
        // The last step that may fail.
        if let (Some(sampler), Some(config)) = (&self.shared.sampler, tail_sampling) {
            sampler
                .set_config(config)
                .map_err(|error| ReloadError::new(vec![ReloadProblem::NotValid(error)]))?;
        }
        if let (Some(gateway), Some(settings)) = (&self.shared.gateway, gateway) {
            gateway.set_decision_wait(settings.decision_wait);
        }
        self.shared.intake.set_processors(processors);
        self.shared.destinations.set_transports(transports);
        renewals.into_iter().for_each(TlsRenewal::apply);
        for (entry, settings) in self.entries.iter().zip(receivers) {
            entry.set_token(settings.bearer_token);
        }
        Ok(())
    }

    /// Ends the node within `timeout`: it accepts no further request, decides all traces, sends what it has, stores what no destination
    /// accepts, and accounts for the rest as lost. Blocks the calling thread.
    pub fn shutdown(mut self, timeout: Duration) -> Account {
        let start = Instant::now();
        // The disk and the bookkeeping get the end of it.
        let timeout = timeout.min(MAX_SHUTDOWN);
        let until = start + timeout - (timeout / 20).min(MAX_BOOKKEEPING);
        let storing = match (self.shared.destinations.have_spools(), &self.shared.sampler) {
            (true, _) => (timeout / 4).min(MAX_STORING),
            // For decisions about traces that find no space.
            (false, Some(_)) => (timeout / 8).min(MAX_STORING),
            (false, None) => Duration::ZERO,
        };
        let flush_until = until - storing;
        self.shared.intake.close();
        let open_requests = (timeout / 8).min(MAX_OPEN_REQUESTS);
        thread::scope(|scope| {
            for receiver in self.receivers.drain(..) {
                let end = move || receiver.shutdown_within(open_requests);
                // Where the system has no thread, the receiver stops by its drop.
                let _not_waited_for = thread::Builder::new().spawn_scoped(scope, end);
            }
        });
        if let (Some(gateway), Some(runtime)) = (&self.shared.gateway, &self.runtime) {
            // The own share goes on to the destinations.
            let has_more = !self.shared.destinations.accounts().is_empty();
            let half = start + flush_until.saturating_duration_since(start) / 2;
            runtime.block_on(gateway.drain(if has_more { half } else { until }));
        }
        if let Some(sampler) = &self.shared.sampler {
            sampler.shutdown(flush_until, flush_until + storing / 2);
        }
        if let (Some(runtime), Some(tasks)) = (self.runtime.take(), self.tasks.take()) {
            // Without a spool, spans are sent until the end.
            let has_spools = self.shared.destinations.have_spools();
            let send_until = if has_spools { flush_until } else { until };
            runtime.block_on(self.shared.destinations.shutdown(tasks, (send_until, until)));
            runtime.shutdown_background();
        }
        let account = self.shared.account();
        if let Some(state) = self.state.take() {
            state.close(account.clone(), (start + timeout).max(Instant::now() + MIN_LAST_WRITE));
        }
        account
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shared.intake.close();
        self.receivers.clear();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl NodeView {
    /// The account so far.
    pub fn account(&self) -> Account {
        self.shared.account()
    }

    /// Whether the node accepts requests, and its spools are open. One that cannot be opened in ten seconds is reported, and not waited for.
    pub fn is_ready(&self) -> bool {
        !self.shared.intake.is_closing() && !self.is_opening()
    }

    /// Whether a spool is being opened.
    pub(crate) fn is_opening(&self) -> bool {
        self.shared.destinations.is_opening()
    }

    /// As while the spools are being opened.
    #[cfg(test)]
    pub(crate) fn set_opening(&self) {
        self.shared.destinations.set_opening();
    }

    /// The metrics of the gateway, under the names of the Collector's load-balancing exporter where it has them. Empty without one.
    pub fn gateway_metrics(&self) -> Vec<Metric> {
        self.shared.gateway.as_ref().map(|gateway| gateway.metrics()).unwrap_or_default()
    }

    /// Why the node takes no request of a usual size now, if it takes none.
    pub(crate) fn busy(&self) -> Option<Busy> {
        let Shared { gateway, sampler, destinations, memory, .. } = &*self.shared;
        let stage = match (gateway, sampler) {
            (Some(gateway), _) => gateway.busy(),
            (None, Some(sampler)) => sampler.busy(),
            (None, None) => destinations.busy(),
        };
        let used = memory.requests.charged() + memory.requests.reserve() + USUAL_REQUEST;
        stage.or_else(|| (used > memory.requests.limit()).then_some(Busy::Full))
    }

    /// The tail sampler, for its metrics.
    pub fn tail_sampler(&self) -> Option<&TailSamplerThreads> {
        self.shared.sampler.as_deref().map(Sampler::threads)
    }
}

impl Shared {
    fn account(&self) -> Account {
        let memory = MemoryAccount {
            limit_bytes: self.shares.total as u64,
            budget_bytes: self.memory.requests.limit() as u64,
            charged_bytes: self.memory.requests.charged() as u64,
            peak_bytes: self.memory.requests.peak() as u64,
        };
        // Outcomes before their sources: an outcome that is read has its source in a number that is read later.
        Account {
            destinations: self.destinations.accounts(),
            sampler: self.sampler.as_ref().map(|sampler| sampler.account()),
            gateway: self.gateway.as_ref().map(|gateway| gateway.account()),
            intake: self.intake.account(),
            receivers: self.receivers.get().map(ReceiverStatsReaders::accounts).unwrap_or_default(),
            memory,
            crash: self.crash,
        }
    }
}

/// Checks the role of a node with the settings of a gateway.
fn check_gateway(role: Role, gateway: Option<&GatewaySettings>) -> Result<(), StartError> {
    let message = match (role, gateway) {
        (Role::Gateway, None) => "gateway: the role gateway needs its peers; add gateway.resolver",
        (Role::Both, Some(GatewaySettings { own_name: None, .. })) => {
            "gateway: the role both needs the name of this node among its peers; add gateway.own_name"
        }
        _ => return Ok(()),
    };
    Err(StartError::new(ExitKind::Settings, message))
}

fn runtime(cores: usize) -> Result<Runtime, StartError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.clamp(1, MAX_WORKERS))
        .thread_name("spanwise-node")
        .enable_all()
        .build()
        .map_err(|error| StartError::io("start the threads of the destinations", &error))
}

/// Threads that send requests: they compress them, and wait for the network without a thread.
const MAX_WORKERS: usize = 8;
/// The bytes of a usual request.
const USUAL_REQUEST: usize = 256 << 10;
/// The most time for open requests to finish when the node ends.
const MAX_OPEN_REQUESTS: Duration = Duration::from_millis(500);
/// A longer time is as good as none, and can be added to any instant.
const MAX_SHUTDOWN: Duration = Duration::from_secs(24 * 3600);
/// The end of a shutdown that is left for outcomes.
const MAX_BOOKKEEPING: Duration = Duration::from_millis(100);
/// The least time for the last write of the state: a start behind a shutdown without time would report a crash.
const MIN_LAST_WRITE: Duration = Duration::from_millis(20);
/// The part of a shutdown before it that is left for the disk.
const MAX_STORING: Duration = Duration::from_secs(2);
