//! The public sampler with threads.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use spanwise_metrics::Metric;

use super::builder::{OnFullQueue, TailSamplerThreadsBuilder};
use super::counts::TailThreadCounts;
use super::error::TailAppendError;
use super::memory::Charge;
use super::owner::{QueuedRequest, ShardSpans};
use super::shared::Shared;
use crate::engine::{
    CommonSettings, DividedRequest, DividedSpans, Framing, ShardUpdate, SpanPlace,
};
use crate::engine::{TailSamplingConfig, TailSamplingError};
use crate::explain::ExplainFilter;
use crate::policy::{Policy, PolicyCounts};
use crate::rules::{Rule, ThroughputState};

/// A tail sampler whose shards have a thread each: requests come from any thread, and the sampled spans of a shard go to its own output.
///
/// A request is divided by trace id on the caller's thread, without copying its spans, and waits in a queue of bounded memory. The owner
/// of a shard decides the traces that are due between any 1,024 spans, however many requests wait. No thread takes a lock for a span: an owner
/// takes one for up to 1,024 of them, to publish the account of its shard, and for a decision that takes tokens which shards share.
///
/// An output that blocks delays its own shard, and in the end fills the queue. An output that panics is called again with the next
/// request or decision, and the panic is counted. An output may call the sampler: no call waits for the thread that makes it.
///
/// # Fork
/// The threads stay in the parent. In the child, [`append`](Self::append) returns [`TailAppendError::Forked`],
/// [`shutdown`](Self::shutdown) returns at once, all counts are 0, and new settings have no effect; no call blocks, and no span leaves
/// twice.
///
/// ```
/// use std::time::Duration;
///
/// use spanwise_tail::{Policy, PolicyKind, TailSamplerThreads, TailSamplingConfig};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = TailSamplingConfig::default()
///     .with_num_shards(2)
///     .with_policy(Policy::new("all", PolicyKind::AlwaysSample));
/// // The output of each shard: a list that ends with its thread. A real one sends the requests.
/// let sampler = TailSamplerThreads::builder(config).build(|_shard| Vec::<Vec<u8>>::new())?;
/// // resource_spans { scope_spans { spans { trace_id } } }
/// let request = [&[10, 22, 18, 20, 18, 18, 10, 16][..], &[7; 16]].concat();
/// assert_eq!(sampler.append(request), Ok(1));
/// let shutdown = sampler.shutdown(Duration::from_secs(10));
/// assert!(shutdown.is_complete && shutdown.counts.is_balanced());
/// assert_eq!(shutdown.counts.shards.sampled_spans, 1);
/// # Ok(())
/// # }
/// ```
pub struct TailSamplerThreads {
    /// `None` once the sampler is shut down: the owners take what is queued, and end.
    queues: RwLock<Option<Vec<Sender<ShardSpans>>>>,
    shards: usize,
    settings: Mutex<CommonSettings>,
    shared: Arc<Shared>,
    on_full: OnFullQueue,
    accepted_spans: AtomicU64,
    refused_requests: AtomicU64,
    refused_spans: AtomicU64,
    malformed_requests: AtomicU64,
    process: u32,
}

/// The result of [`TailSamplerThreads::shutdown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct TailShutdown {
    /// Whether all threads ended in time: every accepted span has its outcome. Otherwise they continue until their outputs return.
    pub is_complete: bool,
    /// The account at the end.
    pub counts: TailThreadCounts,
}

impl TailSamplerThreads {
    /// Builds a sampler with these settings; [`TailSamplingConfig::num_shards`] is the number of threads.
    pub fn builder(config: TailSamplingConfig) -> TailSamplerThreadsBuilder {
        TailSamplerThreadsBuilder::new(config)
    }

    pub(crate) fn new(
        queues: Vec<Sender<ShardSpans>>,
        settings: CommonSettings,
        shared: Arc<Shared>,
        on_full: OnFullQueue,
    ) -> Self {
        Self {
            shards: queues.len(),
            queues: RwLock::new(Some(queues)),
            settings: Mutex::new(settings),
            shared,
            on_full,
            accepted_spans: AtomicU64::new(0),
            refused_requests: AtomicU64::new(0),
            refused_spans: AtomicU64::new(0),
            malformed_requests: AtomicU64::new(0),
            process: process::id(),
        }
    }

    /// Accepts an `ExportTraceServiceRequest` and returns the number of its spans. It is accepted as a whole or not at all.
    ///
    /// # Errors
    /// The request is malformed, larger than the queue, or finds the queue full; the sampler is shut down, or in another process.
    ///
    /// # Cost
    /// The framing is read twice. A span takes 12 bytes while it waits, and a request one allocation for each shard and three more.
    pub fn append(&self, request: Vec<u8>) -> Result<u64, TailAppendError> {
        if self.is_forked() {
            return Err(TailAppendError::Forked);
        }
        let framing = Framing::check(&request).map_err(|error| {
            self.malformed_requests.fetch_add(1, Ordering::Relaxed);
            TailAppendError::Malformed(error)
        })?;
        if self.shared.is_closed() {
            return Err(TailAppendError::Closed);
        }
        let spans = framing.spans();
        if spans == 0 {
            return Ok(0);
        }
        let fixed_bytes = request.capacity().saturating_add(self.message_bytes(spans));
        let list_bytes = DividedSpans::max_bytes(spans, self.shards);
        let charged = self.charge(request.len(), fixed_bytes.saturating_add(list_bytes));
        let mut charge = charged.inspect_err(|error| {
            if *error != TailAppendError::Closed {
                self.refused_requests.fetch_add(1, Ordering::Relaxed);
                self.refused_spans.fetch_add(spans, Ordering::Relaxed);
            }
        })?;
        let divided = DividedSpans::new(&request, &framing, self.shards);
        charge.shrink_to(fixed_bytes.saturating_add(divided.bytes()));
        let (request, lists) = divided.of_request(request);
        self.send(QueuedRequest { request, _charge: charge }, lists)
    }

    /// Charges a request of `len` bytes with all bytes that it may take.
    fn charge(&self, len: usize, bytes: usize) -> Result<Charge, TailAppendError> {
        let memory = &self.shared.memory;
        if bytes > memory.max() || len > DividedRequest::MAX_LEN {
            return Err(TailAppendError::TooLarge);
        }
        let charge = match (memory.try_charge(bytes), self.on_full) {
            (None, OnFullQueue::Wait(wait)) if !self.shared.is_owner() => {
                let until = Instant::now().checked_add(wait);
                memory.charge(bytes, until, || self.shared.is_closed())
            }
            (charge, _) => charge,
        };
        match charge {
            Some(charge) => Ok(charge),
            None if self.shared.is_closed() => Err(TailAppendError::Closed),
            None => Err(TailAppendError::QueueFull),
        }
    }

    /// Bytes of the messages to the shards that get spans.
    fn message_bytes(&self, spans: u64) -> usize {
        let messages = usize::try_from(spans).unwrap_or(usize::MAX).min(self.shards);
        REQUEST_BYTES.saturating_add(messages.saturating_mul(MESSAGE_BYTES))
    }

    fn send(
        &self,
        request: QueuedRequest,
        lists: Vec<Vec<SpanPlace>>,
    ) -> Result<u64, TailAppendError> {
        // Taken by callers together, and by a shutdown alone: nothing is sent behind it.
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        let Some(queues) = &*queues else { return Err(TailAppendError::Closed) };
        let request = Arc::new(request);
        let mut accepted = 0;
        for (queue, spans) in queues.iter().zip(lists) {
            let count = spans.len() as u64;
            if count == 0 {
                continue;
            }
            // Before the owner counts them as received.
            self.accepted_spans.fetch_add(count, Ordering::SeqCst);
            if queue.send(ShardSpans { request: Arc::clone(&request), spans }).is_ok() {
                accepted += count;
            } else {
                // Not reached: owners end after their queue.
                self.accepted_spans.fetch_sub(count, Ordering::SeqCst);
            }
        }
        Ok(accepted)
    }

    /// As [`TailSampler::set_config`](crate::TailSampler::set_config): each shard has the settings from its next 1,024 spans or tick on.
    ///
    /// # Errors
    /// As [`ShardedTailSampler::set_config`](crate::ShardedTailSampler::set_config): the present settings stay in all shards.
    pub fn set_config(&self, config: &TailSamplingConfig) -> Result<(), TailSamplingError> {
        self.update(|settings| settings.set_config(config.clone()))
    }

    /// As [`TailSampler::set_policies`](crate::TailSampler::set_policies): each shard decides by them from its next 1,024 spans or tick on.
    ///
    /// # Errors
    /// A policy is not valid, or the sampler has rules: the present policies stay in all shards.
    pub fn set_policies(&self, policies: &[Policy]) -> Result<(), TailSamplingError> {
        self.update(|settings| settings.set_policies(policies))
    }

    /// As [`TailSampler::set_rules`](crate::TailSampler::set_rules), with the effect of [`set_policies`](Self::set_policies).
    ///
    /// # Errors
    /// A rule is not valid, or the sampler has policies: the present rules stay in all shards.
    pub fn set_rules(&self, rules: &[Rule]) -> Result<(), TailSamplingError> {
        self.update(|settings| settings.set_rules(rules))
    }

    /// As [`TailSampler::set_explain`](crate::TailSampler::set_explain), in all shards.
    pub fn set_explain(&self, filter: Option<ExplainFilter>) {
        let _always_valid = self.update(|settings| Ok(settings.set_explain(filter)));
    }

    /// As [`TailSampler::throughput_states`](crate::TailSampler::throughput_states), of all shards together.
    pub fn throughput_states(&self) -> Vec<ThroughputState> {
        if self.is_forked() { Vec::new() } else { self.settings().throughput_states() }
    }

    /// Changes the settings and hands each shard its part; one caller at a time, so that all shards get the same.
    fn update(
        &self,
        change: impl FnOnce(&mut CommonSettings) -> Result<Vec<ShardUpdate>, TailSamplingError>,
    ) -> Result<(), TailSamplingError> {
        if self.is_forked() {
            return Ok(());
        }
        let mut settings = self.settings();
        self.shared.update(change(&mut settings)?);
        Ok(())
    }

    fn settings(&self) -> MutexGuard<'_, CommonSettings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account. Each span is in one place of it.
    pub fn counts(&self) -> TailThreadCounts {
        let mut counts = TailThreadCounts::default();
        if self.is_forked() {
            return counts;
        }
        for status in self.shared.each_status() {
            counts.shards.add(&status.counts);
            counts.max_tick_delay = counts.max_tick_delay.max(status.max_tick_delay);
        }
        // Read behind the shards: a span that one of them received was accepted.
        counts.accepted_spans = self.accepted_spans.load(Ordering::SeqCst);
        counts.queued_spans = counts.accepted_spans.saturating_sub(counts.shards.received_spans);
        counts.queued_bytes = self.shared.memory.used() as u64;
        counts.refused_requests = self.refused_requests.load(Ordering::Relaxed);
        counts.refused_spans = self.refused_spans.load(Ordering::Relaxed);
        counts.malformed_requests = self.malformed_requests.load(Ordering::Relaxed);
        counts.output_panics = self.shared.output_panics.load(Ordering::Relaxed);
        counts
    }

    /// As [`TailSampler::policy_counts`](crate::TailSampler::policy_counts), of all shards together.
    pub fn policy_counts(&self) -> Vec<PolicyCounts> {
        if self.is_forked() { Vec::new() } else { self.shared.policy_counts() }
    }

    /// As [`TailSampler::metrics`](crate::TailSampler::metrics), of all shards together; the time of each tick is measured.
    pub fn metrics(&self) -> Vec<Metric> {
        if self.is_forked() { Vec::new() } else { self.shared.metrics(self.counts().shards) }
    }

    /// As [`TailSampler::is_stressed`](crate::TailSampler::is_stressed), of any shard.
    pub fn is_stressed(&self) -> bool {
        !self.is_forked() && self.shared.each_status().any(|status| status.is_stressed)
    }

    /// Bytes of memory of all shards and queued requests: at most `max_memory_bytes` and `max_queue_bytes` together.
    pub fn memory_bytes(&self) -> usize {
        if self.is_forked() {
            return 0;
        }
        let shards: usize = self.shared.each_status().map(|status| status.memory_bytes).sum();
        shards + self.shared.memory.used()
    }

    /// Bytes of the requests that wait for the shards, of at most `max_queue_bytes`.
    ///
    /// # Cost
    /// One atomic load.
    pub fn queued_bytes(&self) -> usize {
        if self.is_forked() { 0 } else { self.shared.memory.used() }
    }

    /// Accepts no further request, takes what is queued, decides all traces, or drops them with `drop_pending_traces_on_shutdown`, and
    /// waits up to `timeout` for the threads to end. Dropping the sampler does the same without waiting, and so does a call from an output,
    /// whose own thread cannot end before.
    pub fn shutdown(&self, timeout: Duration) -> TailShutdown {
        if self.is_forked() {
            return TailShutdown { is_complete: false, counts: TailThreadCounts::default() };
        }
        let timeout = if self.shared.is_owner() { Duration::ZERO } else { timeout };
        let until = Instant::now().checked_add(timeout);
        self.shared.close();
        drop(self.queues.write().unwrap_or_else(PoisonError::into_inner).take());
        let is_complete = self.shared.running.wait(until);
        TailShutdown { is_complete, counts: self.counts() }
    }

    /// Drops all spans that wait and all undecided traces as [`shutdown`](crate::TailDropReason::Shutdown), instead of deciding them, once
    /// [`shutdown`](Self::shutdown) was called: for one whose time is over. A further call of it waits for the threads.
    ///
    /// # Cost
    /// Some 100 ns a trace, on the threads of the shards.
    pub fn discard_pending(&self) {
        self.shared.discards.store(true, Ordering::Relaxed);
    }

    fn is_forked(&self) -> bool {
        process::id() != self.process
    }
}

impl Drop for TailSamplerThreads {
    fn drop(&mut self) {
        let is_forked = self.is_forked();
        let queues = self.queues.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if is_forked {
            // A thread of the parent may have held a lock of the queue.
            std::mem::forget(queues);
        } else {
            self.shared.close();
        }
    }
}

/// The shared part of a queued request, and the vector of its lists.
const REQUEST_BYTES: usize = 256;
/// A message of a queue with its share of the list of messages.
const MESSAGE_BYTES: usize = 64;

/// Requests come from any thread.
const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<TailSamplerThreads>();
};
