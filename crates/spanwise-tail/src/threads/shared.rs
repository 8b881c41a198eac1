//! The state that callers and the owners of shards share.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use spanwise_metrics::Metric;

use super::memory::QueueMemory;
use super::running::Running;
use crate::engine::{Shard, ShardUpdate, TailCounts};
use crate::metrics::{Counted, ShardMetrics, snapshot};
use crate::policy::PolicyCounts;

thread_local! {
    /// The address of the [`Shared`] that this thread is an owner of, or 0.
    static OWNED: Cell<usize> = const { Cell::new(0) };
}

pub(crate) struct Shared {
    pub(crate) memory: Arc<QueueMemory>,
    pub(crate) running: Arc<Running>,
    pub(crate) output_panics: AtomicU64,
    is_closed: AtomicBool,
    /// Undecided and queued spans are dropped.
    pub(crate) discards: AtomicBool,
    shards: Vec<Place>,
}

/// The place of a shard.
struct Place {
    has_update: AtomicBool,
    /// Taken by the owner once for each portion of a request and each tick.
    published: Mutex<Published>,
}

/// The numbers of a shard as of its last portion or tick.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Status {
    pub(crate) counts: TailCounts,
    pub(crate) memory_bytes: usize,
    pub(crate) is_stressed: bool,
    pub(crate) max_tick_delay: Duration,
}

struct Published {
    status: Status,
    policies: Vec<PolicyCounts>,
    metrics: ShardMetrics,
    update: Option<ShardUpdate>,
}

impl Shared {
    /// For each shard its numbers and its policies at the start.
    pub(crate) fn new(
        memory: Arc<QueueMemory>,
        shards: impl Iterator<Item = (Status, Vec<PolicyCounts>)>,
    ) -> Self {
        let place = |(status, policies)| Place {
            has_update: AtomicBool::new(false),
            published: Mutex::new(Published {
                status,
                policies,
                metrics: ShardMetrics::default(),
                update: None,
            }),
        };
        Self {
            memory,
            running: Arc::default(),
            output_panics: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            discards: AtomicBool::new(false),
            shards: shards.map(place).collect(),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// This thread is an owner of the sampler from now on.
    pub(crate) fn set_owner(&self) {
        OWNED.set(ptr::from_ref(self).addr());
    }

    /// Whether this thread is an owner, in a call of its output: one that waits for the owners would wait for itself.
    pub(crate) fn is_owner(&self) -> bool {
        OWNED.try_with(Cell::get) == Ok(ptr::from_ref(self).addr())
    }

    /// Ends the waits of callers and owners.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.memory.notify();
    }

    /// Hands each shard its new settings. Counts of new policies start at 0 at once.
    pub(crate) fn update(&self, updates: Vec<ShardUpdate>) {
        for (place, update) in self.shards.iter().zip(updates) {
            let mut published = place.lock();
            if let Some((_, policies)) = &update.settings {
                let before = std::mem::take(&mut published.policies);
                published.metrics.replace(before.iter(), policies.counts());
                published.policies = policies.counts().cloned().collect();
            }
            published.update = Some(update.behind(published.update.take()));
            place.has_update.store(true, Ordering::Release);
        }
    }

    /// The new settings of a shard, once.
    pub(crate) fn take_update(&self, index: usize) -> Option<ShardUpdate> {
        let place = self.shards.get(index)?;
        // The usual answer takes no lock.
        if !place.has_update.load(Ordering::Acquire) {
            return None;
        }
        let mut published = place.lock();
        place.has_update.store(false, Ordering::Relaxed);
        published.update.take()
    }

    pub(crate) fn publish(&self, index: usize, status: Status, shard: &Shard) {
        let Some(place) = self.shards.get(index) else { return };
        let mut published = place.lock();
        published.status = status;
        // Those of policies that are about to be replaced belong to no row.
        if published.update.as_ref().is_none_or(|update| update.settings.is_none()) {
            let rows = published.policies.iter_mut();
            rows.zip(shard.policy_counts()).for_each(|(row, counts)| row.set(counts));
            published.metrics.copy_from(shard.metrics());
        }
    }

    pub(crate) fn each_status(&self) -> impl Iterator<Item = Status> {
        self.shards.iter().map(|place| place.lock().status)
    }

    pub(crate) fn policy_counts(&self) -> Vec<PolicyCounts> {
        let mut shards = self.shards.iter().map(Place::lock);
        let mut sums = shards.next().map(|first| first.policies.clone()).unwrap_or_default();
        for shard in shards {
            sums.iter_mut().zip(&shard.policies).for_each(|(sum, counts)| sum.add(counts));
        }
        sums
    }
}

impl Shared {
    /// The metrics of all shards, whose counts are `counts`.
    pub(crate) fn metrics(&self, counts: TailCounts) -> Vec<Metric> {
        let (mut shards, mut policies) = (ShardMetrics::default(), self.policy_counts());
        for published in self.shards.iter().map(Place::lock) {
            shards.add(&published.metrics);
            published.metrics.add_replaced(&mut policies);
        }
        snapshot(&Counted { counts, policies, shards: &shards })
    }
}

impl Place {
    fn lock(&self) -> MutexGuard<'_, Published> {
        // Panics in no holder: the guard is held to read and to write numbers.
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
