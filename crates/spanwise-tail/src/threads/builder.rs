//! Builds a sampler with threads.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::error::TailThreadsError;
use super::memory::QueueMemory;
use super::owner::{Owner, ShardSpans};
use super::shared::{Shared, Status};
use super::tail_sampler_threads::TailSamplerThreads;
use crate::engine::{CommonSettings, OwnedShard, TailOutput, TailSamplingConfig};

/// The behaviour of [`TailSamplerThreads::append`] while the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnFullQueue {
    /// The request is refused at once and counted, so that a receiver can answer its sender to retry later.
    #[default]
    Refuse,
    /// The caller is blocked until there is space or this time has passed; only then the request is refused and counted. An output of the
    /// sampler is refused at once: its own thread makes the space.
    Wait(Duration),
}

/// The settings of a [`TailSamplerThreads`].
#[derive(Debug, Clone)]
#[must_use]
pub struct TailSamplerThreadsBuilder {
    config: TailSamplingConfig,
    max_queue_bytes: usize,
    on_full: OnFullQueue,
}

impl TailSamplerThreadsBuilder {
    pub(crate) fn new(config: TailSamplingConfig) -> Self {
        Self { config, max_queue_bytes: 64 << 20, on_full: OnFullQueue::default() }
    }

    /// The most bytes of requests that wait for the shards, beside [`TailSamplingConfig::max_memory_bytes`]. A request is charged with its
    /// capacity and, until its spans are listed, 96 bytes for each of them. Default 64 MiB.
    pub fn with_max_queue_bytes(self, max_queue_bytes: usize) -> Self {
        Self { max_queue_bytes, ..self }
    }

    /// The behaviour while the queue is full. Default [`OnFullQueue::Refuse`].
    pub fn with_on_full(self, on_full: OnFullQueue) -> Self {
        Self { on_full, ..self }
    }

    /// Starts a thread for each of [`TailSamplingConfig::num_shards`] shards; `output` makes the output of each.
    ///
    /// # Errors
    /// The settings are not valid, `max_queue_bytes` is 0, or a thread cannot be started.
    pub fn build<O: TailOutput + Send + 'static>(
        self,
        output: impl FnMut(usize) -> O,
    ) -> Result<TailSamplerThreads, TailThreadsError> {
        let Self { config, max_queue_bytes, on_full } = self;
        if max_queue_bytes == 0 {
            let message = "0 is too small; accepted is 1 or more".to_owned();
            return Err(TailThreadsError::Setting { name: "max_queue_bytes", message });
        }
        let (settings, shards) = CommonSettings::new(&config)?;
        // All of them before the first thread: the caller's code may panic.
        let outputs: Vec<O> = (0..shards.len()).map(output).collect();
        let initial = shards.iter().map(|shard| {
            let status = Status { memory_bytes: shard.memory_bytes(), ..Status::default() };
            (status, shard.policy_counts().cloned().collect())
        });
        let shared = Arc::new(Shared::new(QueueMemory::new(max_queue_bytes), initial));
        let mut queues = Vec::with_capacity(shards.len());
        let now = Instant::now();
        for (index, (shard, output)) in shards.into_iter().zip(outputs).enumerate() {
            let (queue, receiver) = mpsc::channel::<ShardSpans>();
            let shard = OwnedShard::new(shard, now);
            let owner = Owner::new(shard, output, (Arc::clone(&shared), index), Instant::now);
            let guard = shared.running.start();
            // Of an error the threads before end with their queues.
            thread::Builder::new()
                .name(format!("spanwise-tail-{index}"))
                .spawn(move || {
                    let _running = guard;
                    owner.run(&receiver);
                })
                .map_err(TailThreadsError::Thread)?;
            queues.push(queue);
        }
        Ok(TailSamplerThreads::new(queues, settings, shared, on_full))
    }
}
