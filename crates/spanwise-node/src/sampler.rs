//! Tail sampling as a stage: a thread for each shard, whose sampled traces go to the destinations.

use crate::account::SamplerAccount;
use crate::memory::{Memory, REQUEST_OVERHEAD, Shares};
use crate::stage::{Busy, OwnedRequest, Refusal, Stage};
use crate::start_error::{ExitKind, StartError};
use bytes::Bytes;
use spanwise_tail::{
    SampledRequest, TailAppendError, TailOutput, TailSamplerThreads, TailSamplingConfig,
    TailThreadsError,
};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The tail sampler of a node.
pub(crate) struct Sampler {
    threads: TailSamplerThreads,
    shards: u16,
    max_memory_bytes: usize,
    /// The bytes of the queue from which on it counts as full.
    full_bytes: usize,
    way_out: Arc<WayOut>,
}

/// The way of sampled requests to the destinations.
struct WayOut {
    next: Arc<dyn Stage>,
    memory: Memory,
    /// From then on requests without space are lost.
    until: Mutex<Option<Instant>>,
    dropped: AtomicU64,
}

/// The output of a shard.
struct Output(Arc<WayOut>);

impl Sampler {
    /// Starts the threads.
    ///
    /// # Errors
    /// The settings are not valid, or a thread cannot be started.
    pub(crate) fn start(
        config: TailSamplingConfig,
        (shares, memory): (&Shares, &Memory),
        cores: usize,
        next: Arc<dyn Stage>,
    ) -> Result<Self, StartError> {
        let shards = match config.num_shards {
            0 | 1 => u16::try_from(cores.clamp(1, MAX_SHARDS)).unwrap_or(1),
            shards => shards,
        };
        let memory = memory.clone();
        let way_out = WayOut { next, memory, until: Mutex::new(None), dropped: AtomicU64::new(0) };
        let way_out = Arc::new(way_out);
        let max_memory_bytes = shares.tail;
        let threads = TailSamplerThreads::builder(sized(config, shards, max_memory_bytes))
            .with_max_queue_bytes(shares.tail_queue)
            .build(|_shard| Output(Arc::clone(&way_out)))
            .map_err(|error| of(&error))?;
        let full_bytes = full_bytes(shares.tail_queue);
        Ok(Self { threads, shards, max_memory_bytes, full_bytes, way_out })
    }

    /// As [`TailSamplerThreads::set_config`]: no trace is lost.
    ///
    /// # Errors
    /// The settings are not valid for a running sampler: the present ones stay.
    pub(crate) fn set_config(&self, config: TailSamplingConfig) -> Result<(), StartError> {
        let config = sized(config, self.shards, self.max_memory_bytes);
        self.threads.set_config(&config).map_err(|error| of(&TailThreadsError::Config(error)))
    }

    pub(crate) fn account(&self) -> SamplerAccount {
        SamplerAccount {
            counts: self.threads.counts(),
            dropped: self.way_out.dropped.load(Relaxed),
        }
    }

    /// The threads, for their metrics.
    pub(crate) fn threads(&self) -> &TailSamplerThreads {
        &self.threads
    }

    /// Decides all traces, until `end` at the latest. Sampled ones have until `until` to reach the destinations, and are dropped then.
    pub(crate) fn shutdown(&self, until: Instant, end: Instant) {
        let lock = self.way_out.until.lock();
        *lock.unwrap_or_else(PoisonError::into_inner) = Some(until);
        // A half of the time behind `until` for decisions, whose traces are dropped where they are sampled, and a half for drops.
        let deciding = until + end.saturating_duration_since(until) / 2;
        let left = |end: Instant| end.saturating_duration_since(Instant::now()).max(MIN_TIME);
        if !self.threads.shutdown(left(deciding)).is_complete {
            self.threads.discard_pending();
            let _counted_in_the_account = self.threads.shutdown(left(end));
        }
    }
}

impl Stage for Sampler {
    fn busy(&self) -> Option<Busy> {
        (self.threads.queued_bytes() >= self.full_bytes).then_some(Busy::Full)
    }

    fn try_accept(&self, request: OwnedRequest) -> Result<(), Refusal> {
        if let Some(busy) = self.busy() {
            return Err(Refusal::Busy(busy));
        }
        let appended = self.threads.append(request.bytes.to_vec());
        appended.map(drop).map_err(|error| match error {
            TailAppendError::TooLarge => Refusal::TooLarge,
            TailAppendError::Malformed(_) => Refusal::Malformed,
            _ => Refusal::Busy(Busy::Full),
        })
    }
}

impl TailOutput for Output {
    /// Waits for space: the shard decides nothing meanwhile, its queue fills, and receivers refuse requests.
    fn request(&mut self, request: SampledRequest<'_>) {
        let Self(way_out) = self;
        let bytes = request.bytes.len() + REQUEST_OVERHEAD;
        loop {
            let until = *way_out.until.lock().unwrap_or_else(PoisonError::into_inner);
            if until.is_some_and(|until| Instant::now() >= until) {
                way_out.dropped.fetch_add(request.spans, Relaxed);
                return;
            }
            if way_out.next.busy().is_none()
                && let Some(charge) = way_out.memory.requests.try_charge_reserved(bytes)
            {
                let (bytes, spans) = (Bytes::copy_from_slice(request.bytes), request.spans);
                let owned = OwnedRequest { bytes, spans, charge: Arc::new(charge) };
                match way_out.next.try_accept(owned) {
                    Ok(()) => return,
                    Err(Refusal::Busy(_)) => {}
                    Err(Refusal::TooLarge | Refusal::Malformed) => {
                        way_out.dropped.fetch_add(request.spans, Relaxed);
                        return;
                    }
                }
            }
            thread::sleep(SPACE_WAIT);
        }
    }
}

/// The settings with the sizes of this node.
fn sized(
    mut config: TailSamplingConfig,
    shards: u16,
    max_memory_bytes: usize,
) -> TailSamplingConfig {
    (config.num_shards, config.max_memory_bytes) = (shards, max_memory_bytes);
    config.max_request_bytes = config.max_request_bytes.min(max_memory_bytes / 32);
    config
}

fn of(error: &TailThreadsError) -> StartError {
    let kind = match error {
        TailThreadsError::Thread(_) => ExitKind::Other,
        _ => ExitKind::Settings,
    };
    // A share of the memory is the sampler's, so that more memory mends a limit that is too small.
    StartError::new(kind, format!("tail_sampling (with three eighths of `memory`): {error}"))
}

/// The bytes from which on a queue of `max` bytes counts as full: it has no space for another request of a usual size.
fn full_bytes(max: usize) -> usize {
    max - (max / 8).min(USUAL_REQUEST)
}

/// The bytes of a usual request while it waits.
const USUAL_REQUEST: usize = 512 << 10;
/// A shutdown without time has some nevertheless: each accepted span needs an outcome.
const MIN_TIME: Duration = Duration::from_millis(15);
const SPACE_WAIT: Duration = Duration::from_millis(2);
const MAX_SHARDS: usize = 64;
