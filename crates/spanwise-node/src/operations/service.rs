//! [`serve`]: the node as a process, from its start to its end.

use super::admin;
use super::file_watch::{FileContent, FileWatch};
use super::heap::HeapTrimmer;
use super::log::{Event, Log, timestamp};
use super::signals::{Signal, Signals};
use super::state::{Source as _, State};
use super::watch::Watch;
use crate::account::{Account, ReceiverAccount, SamplerAccount};
use crate::machine;
use crate::node::Node;
use crate::settings::{AdminSettings, LogFormat, NodeSettings};
use crate::start_error::{ExitKind, StartError};
use spanwise_admin::{AdminEndpoint, AdminError};
use spanwise_config::{Problem, Read};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The file of the settings, which a reload reads again.
pub(crate) struct SettingsFile<'a> {
    pub(crate) path: &'a Path,
    /// Its content before the first settings were read.
    pub(crate) content: FileContent,
    /// Its path, for messages.
    pub(crate) name: &'a str,
    /// Reads it: the settings with warnings, or a line for each problem.
    pub(crate) read: &'a dyn Fn() -> Result<Read<NodeSettings>, Vec<String>>,
}

/// Runs a node until a signal ends it. Blocks the calling thread, which is the process's first one.
pub(crate) fn serve(read: Read<NodeSettings>, file: &SettingsFile<'_>) -> ExitCode {
    let Read { value: settings, warnings, .. } = read;
    let log = match Log::start(settings.logs) {
        Ok(log) => log,
        // There is no log yet.
        Err(error) => {
            eprintln!("spanwise-node: cannot start the thread of the log: {error}");
            return ExitCode::from(ExitKind::Other.code());
        }
    };
    warn(&log, &warnings);
    let result = Service::start(settings, file, log.clone()).map(|service| service.run(file));
    let status = result.unwrap_or_else(|error| {
        let exit_status = error.kind.code();
        let (problem, exit_status) = (error.to_string(), u64::from(exit_status));
        log.event(Event::StartFailed { problem: &problem, exit_status });
        error.kind.code()
    });
    // A reader of the standard error that has stopped must not hold up the end.
    let _written = log.flush(LAST_LINES);
    ExitCode::from(status)
}

struct Service {
    node: Node,
    state: Arc<State>,
    /// Serves until the end.
    _admin: Option<AdminEndpoint>,
    /// Works until the end.
    _heap: HeapTrimmer,
    signals: Signals,
    log: Log,
    shutdown_timeout: Duration,
    watch: Option<FileWatch>,
}

impl Service {
    fn start(
        settings: NodeSettings,
        file: &SettingsFile<'_>,
        log: Log,
    ) -> Result<Self, StartError> {
        let signals =
            Signals::register().map_err(|error| StartError::io("register signals", &error))?;
        let heap =
            HeapTrimmer::start().map_err(|error| StartError::io("start a thread", &error))?;
        let state = Arc::new(State::new(settings.role, log.clone()));
        // Before the node: probes see that it starts, while it reads spools.
        let admin = settings.admin.as_ref().map(|admin| start_admin(admin, &state, &log));
        let admin = admin.transpose()?;
        let shutdown_timeout = settings.shutdown_timeout;
        let watch = FileWatch::new((file.path, file.content), &settings, Instant::now());
        let role = settings.role.name();
        let node = Node::start(settings)?;
        let view = node.view();
        let account = view.account();
        for ReceiverAccount { name, endpoint, .. } in &account.receivers {
            log.event_unlimited(Event::Listening { receiver: name, address: endpoint });
        }
        if let Some(crash) = account.crash {
            log.event(Event::EarlierCrash { spans: crash.spans });
        }
        let memory = account.memory.limit_bytes;
        state.set_running(view);
        log.event(Event::Ready {
            role,
            version: env!("CARGO_PKG_VERSION"),
            memory_mib: memory >> 20,
            cores: machine::cores() as u64,
            millis: millis(state.about().started),
        });
        Ok(Self { node, state, _admin: admin, _heap: heap, signals, log, shutdown_timeout, watch })
    }

    /// Runs until a signal ends the node, and returns the exit status.
    fn run(mut self, file: &SettingsFile<'_>) -> u8 {
        let mut watch = Watch::default();
        let signal = loop {
            match self.signals.wait_until(Instant::now() + WATCH_EVERY) {
                Some(Signal::Terminate(signal)) => break signal,
                Some(Signal::Reload) => self.reload(file),
                None => {
                    let now = Instant::now();
                    if self.watch.as_mut().is_some_and(|watch| watch.has_changed(now)) {
                        self.reload(file);
                    }
                    let log = self.log.clone();
                    watch.observe(self.node.account(), &mut |event| log.event(event));
                }
            }
        };
        self.drain(signal, &mut watch)
    }

    fn reload(&mut self, file: &SettingsFile<'_>) {
        let (start, content) = (Instant::now(), FileContent::of(file.path));
        let problems = match (file.read)() {
            Ok(Read { value: settings, warnings, .. }) => {
                warn(&self.log, &warnings);
                let (logs, shutdown_timeout) = (settings.logs, settings.shutdown_timeout);
                let watch = FileWatch::new((file.path, content), &settings, Instant::now());
                match self.node.reload(settings) {
                    Ok(()) => {
                        self.log.set_format(logs);
                        self.shutdown_timeout = shutdown_timeout;
                        self.watch = watch;
                        let event = Event::Reloaded { file: file.name, millis: millis(start) };
                        return self.log.event_unlimited(event);
                    }
                    Err(error) => error.problems().iter().map(ToString::to_string).collect(),
                }
            }
            Err(problems) => problems,
        };
        let count = problems.len() as u64;
        for problem in problems.iter().take(MAX_PROBLEMS) {
            self.log.event_unlimited(Event::ReloadFailed { problem, problems: count });
        }
    }

    fn drain(self, signal: &str, watch: &mut Watch) -> u8 {
        let Self { node, state, log, shutdown_timeout, .. } = self;
        let start = Instant::now();
        state.set_draining();
        let timeout_millis = u64::try_from(shutdown_timeout.as_millis()).unwrap_or(u64::MAX);
        log.event(Event::Draining { signal, timeout_millis });
        let account = node.shutdown(shutdown_timeout);
        watch.observe(account.clone(), &mut |event| log.event(event));
        let [dropped_spans, spooled_spans, in_flight_spans] = sums(&account);
        let millis = millis(start);
        log.event(Event::Drained { millis, dropped_spans, spooled_spans, in_flight_spans });
        log.text(match log.format() {
            LogFormat::Text => format!("{account}\n"),
            LogFormat::Json => {
                let time = timestamp::format(SystemTime::now());
                let account = admin::document(state.as_ref(), &[]);
                format!("{{\"time\":\"{time}\",\"level\":\"info\",\"event\":\"account\",\"account\":{account}}}\n")
            }
        });
        match account.check() {
            Ok(()) => 0,
            Err(imbalance) => {
                log.event(Event::Imbalance { problem: &imbalance.to_string() });
                ExitKind::Other.code()
            }
        }
    }
}

/// Logs the warnings of a file that is used nevertheless.
fn warn(log: &Log, warnings: &[Problem]) {
    for warning in warnings.iter().take(MAX_PROBLEMS) {
        log.event_unlimited(Event::FileWarning { problem: &warning.to_string() });
    }
}

fn start_admin(
    settings: &AdminSettings,
    state: &Arc<State>,
    log: &Log,
) -> Result<AdminEndpoint, StartError> {
    let admin = admin::start(settings, state.clone()).map_err(|error| match error {
        AdminError::Bind { source, .. } => {
            let address = settings.address;
            let message = format!(
                "admin.endpoint: cannot listen at {address}: {source}; end the process that has the port, or choose another address"
            );
            StartError::new(ExitKind::Address, message)
        }
        other => StartError::new(ExitKind::Other, format!("admin.endpoint: {other}")),
    })?;
    log.event(Event::AdminListening { address: &admin.local_addr().to_string() });
    Ok(admin)
}

/// Dropped, spooled and in-flight spans of tail sampling, all destinations and peers.
fn sums(account: &Account) -> [u64; 3] {
    let of_peers = account.gateway.iter().map(|gateway| &gateway.ledger);
    let ledgers = account.destinations.iter().map(|it| &it.ledger).chain(of_peers);
    let sampler = account.sampler.as_ref();
    let lost = sampler.map_or(0, |it| it.lost().map(|(_, spans)| spans).sum());
    let first = [lost, 0, sampler.map_or(0, SamplerAccount::in_flight)];
    ledgers.fold(first, |[dropped, spooled, in_flight], ledger| {
        let dropped = dropped + ledger.dropped_total();
        [dropped, spooled + ledger.spooled, in_flight + ledger.in_flight]
    })
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The time between two looks at the account.
const WATCH_EVERY: Duration = Duration::from_secs(1);
const LAST_LINES: Duration = Duration::from_secs(1);
/// Lines of the warnings of a file, and of a reload that fails.
const MAX_PROBLEMS: usize = 64;
