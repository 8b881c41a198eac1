//! The destinations: requests are joined, queued for each destination, sent, and stored on disk while a destination is down.

mod batch;
mod division;
#[cfg(test)]
mod fakes;
mod joiner;
mod queue;
mod sender;
mod spool_link;
mod spooler;
mod target;
#[cfg(test)]
mod tests;
mod transports;

use crate::account::DestinationAccount;
use crate::directories::Directories;
use crate::memory::Memory;
use crate::settings::{DestinationSettings, Target};
use crate::stage::{Busy, OwnedRequest, Refusal, Stage};
use crate::start_error::StartError;
use joiner::{Joiner, JoinerLimits};
use queue::Queue;
use spanwise_transport::Transport;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// All destinations of a node, which share the bytes of each request.
pub(crate) struct Destinations {
    joiner: Arc<Joiner>,
    queues: Arc<[Arc<Queue>]>,
}

/// The tasks of the destinations.
pub(crate) struct DestinationTasks {
    joining: JoinHandle<()>,
    senders: Vec<JoinHandle<()>>,
    spoolers: Vec<JoinHandle<()>>,
}

impl Destinations {
    /// Opens the spools and starts the tasks of all destinations.
    ///
    /// # Errors
    /// A transport cannot be built, or a spool cannot be used.
    pub(crate) fn start(
        settings: &[DestinationSettings],
        directories: &mut Directories,
        memory: &Memory,
        runtime: &Handle,
    ) -> Result<(Arc<Self>, DestinationTasks), StartError> {
        let transports = Self::transports(settings)?;
        let max_bytes = max_batch_bytes(&transports, memory).min(max_record_bytes(settings));
        let mut queues = Vec::with_capacity(settings.len());
        let mut spools = Vec::with_capacity(settings.len());
        for (settings, transport) in settings.iter().zip(transports) {
            let queue = Arc::new(Queue::new(settings, transport, memory));
            if let Some(spool) = &settings.spool {
                let opened = spooler::open(spool, &settings.name, &queue, directories)?;
                spools.push((Arc::clone(&queue), opened));
            }
            queues.push(queue);
        }
        let queues: Arc<[_]> = queues.into();
        let limits = JoinerLimits {
            max_spans: settings.iter().map(|it| it.max_batch_spans).min().unwrap_or(1).max(1),
            max_bytes: settings
                .iter()
                .map(|it| it.max_batch_bytes)
                .fold(max_bytes, usize::min)
                .max(1),
            max_request_bytes: max_bytes,
            max_whole_bytes: max_record_bytes(settings),
            timeout: settings.iter().map(|it| it.batch_timeout).min().unwrap_or_default(),
        };
        let joiner = Arc::new(Joiner::new(limits, Arc::clone(&queues), memory));
        let _guard = runtime.enter();
        let joining = runtime.spawn({
            let joiner = Arc::clone(&joiner);
            async move { joiner.run().await }
        });
        let spoolers = spools.into_iter().map(|(queue, spool)| {
            runtime.spawn(spooler::Spooler::new(queue, spool, memory, max_bytes).run())
        });
        let spoolers = spoolers.collect();
        let mut senders = Vec::new();
        for (queue, settings) in queues.iter().zip(settings) {
            for _ in 0..settings.max_concurrent_requests.max(1) {
                senders.push(runtime.spawn(sender::run(Arc::clone(queue), memory.clone())));
            }
        }
        let tasks = DestinationTasks { joining, senders, spoolers };
        Ok((Arc::new(Self { joiner, queues }), tasks))
    }

    /// The transports of these settings, in their order.
    ///
    /// # Errors
    /// One cannot be built.
    fn transports(settings: &[DestinationSettings]) -> Result<Vec<Transport>, StartError> {
        settings.iter().map(target::transport).collect()
    }

    /// The transports to receivers of these settings, in their order: a file that is open stays open.
    ///
    /// # Errors
    /// One cannot be built.
    pub(crate) fn new_transports(
        settings: &[DestinationSettings],
    ) -> Result<Vec<Option<Transport>>, StartError> {
        let built = settings.iter().map(|settings| match settings.target {
            Target::Otlp(_) => target::transport(settings).map(Some),
            Target::File { .. } | Target::Debug => Ok(None),
        });
        built.collect()
    }

    /// Replaces the transports: requests that are on their way end with the earlier ones.
    pub(crate) fn set_transports(&self, transports: Vec<Option<Transport>>) {
        for (queue, transport) in self.queues.iter().zip(transports) {
            transport.into_iter().for_each(|transport| queue.set_transport(transport));
        }
    }

    pub(crate) fn accounts(&self) -> Vec<DestinationAccount> {
        self.queues.iter().map(|queue| queue.account()).collect()
    }

    /// Whether a spool is being opened.
    pub(crate) fn is_opening(&self) -> bool {
        self.queues.iter().any(|queue| queue.is_opening())
    }

    /// Whether a destination has a spool.
    pub(crate) fn have_spools(&self) -> bool {
        self.queues.iter().any(|queue| queue.has_spool())
    }

    /// As while the spools are being opened.
    #[cfg(test)]
    pub(crate) fn set_opening(&self) {
        let opening = crate::account::SpoolState::Opening;
        self.queues.iter().for_each(|queue| queue.set_spool_state(opening, None));
    }

    /// Whether each span has an outcome or is on disk.
    fn is_idle(&self) -> bool {
        self.queues.iter().all(|queue| queue.is_idle())
    }

    /// Sends all that was accepted, until `flush_until`; then stores what is left, until `until`, or accounts for it as lost.
    pub(crate) async fn shutdown(
        &self,
        tasks: DestinationTasks,
        (flush_until, until): (Instant, Instant),
    ) {
        let DestinationTasks { joining, senders, spoolers } = tasks;
        joining.abort();
        // An end of it on another thread would push behind the last look.
        _ = joining.await;
        self.joiner.close_all();
        while !self.is_idle() && Instant::now() < flush_until {
            let wait = flush_until.saturating_duration_since(Instant::now()).min(IDLE_CHECK);
            tokio::time::sleep(wait).await;
        }
        self.queues.iter().for_each(|queue| queue.cancel(until));
        let ended = async {
            for task in senders.into_iter().chain(spoolers) {
                _ = task.await;
            }
        };
        _ = tokio::time::timeout_at((until + LAST_OUTCOMES).into(), ended).await;
        self.queues.iter().for_each(|queue| queue.drop_rest());
    }
}

impl Stage for Destinations {
    fn busy(&self) -> Option<Busy> {
        self.queues.iter().any(|queue| queue.is_full()).then_some(Busy::Full)
    }

    fn try_accept(&self, request: OwnedRequest) -> Result<(), Refusal> {
        if let Some(busy) = self.busy() {
            return Err(Refusal::Busy(busy));
        }
        if self.joiner.is_too_large(request.bytes.len(), request.spans) {
            return Err(Refusal::TooLarge);
        }
        self.joiner.accept(request);
        Ok(())
    }
}

/// The most bytes of a request: all destinations can make the copies of two at once, and usual receivers accept it.
fn max_batch_bytes(transports: &[Transport], memory: &Memory) -> usize {
    let copies = transports.iter().map(|it| it.compressed_bound(UNIT).div_ceil(UNIT) + 1);
    let copies = copies.sum::<usize>().max(1);
    let of_copies = memory.copies.budget().limit() / copies / 2;
    MAX_BATCH_BYTES.min(of_copies).min(memory.requests.limit() / 8).max(MIN_BATCH_BYTES)
}

/// The most bytes of a request: each spool stores it. It refuses those of more than half its bytes, compressed.
fn max_record_bytes(settings: &[DestinationSettings]) -> usize {
    let spools = settings.iter().filter_map(|it| it.spool.as_ref());
    let bytes = spools.map(|it| it.settings.max_bytes / 4).min().unwrap_or(u64::MAX);
    usize::try_from(bytes).unwrap_or(usize::MAX).max(MIN_BATCH_BYTES)
}

/// The tasks of the spools end at the same deadline, and book their last outcomes then.
const LAST_OUTCOMES: Duration = Duration::from_millis(30);
const IDLE_CHECK: Duration = Duration::from_millis(2);
/// Below the 4 MiB that gRPC servers accept by default.
const MAX_BATCH_BYTES: usize = 3_932_160;
const MIN_BATCH_BYTES: usize = 16 << 10;
const UNIT: usize = 1 << 20;
