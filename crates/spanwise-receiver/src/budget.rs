//! Bytes that clients make the receiver hold, charged before they are allocated.

mod charge;
mod holder;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use holder::{Holder, Use};

pub(crate) use charge::Charge;

/// What all connections and requests of a receiver may hold together.
///
/// When there is no room, the slowest holder is evicted: the one that has held the most bytes
/// for the longest time. Whoever asks then waits for its bytes instead of being refused.
#[derive(Debug)]
pub(crate) struct Budget {
    born: Instant,
    used: AtomicUsize,
    /// Bytes of `used` that are read buffers: at most half, so that they never displace bodies.
    buffers: AtomicUsize,
    limit: usize,
    freed: Notify,
    next: AtomicU64,
    holders: Mutex<HashMap<u64, Arc<Holder>>>,
}

impl Budget {
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            used: AtomicUsize::new(0),
            buffers: AtomicUsize::new(0),
            limit,
            freed: Notify::new(),
            next: AtomicU64::new(0),
            holders: Mutex::default(),
        })
    }

    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// Bytes of `used` that are read buffers.
    pub fn buffers(&self) -> usize {
        self.buffers.load(Relaxed)
    }

    /// Evicts a connection that has been of no use for long; `false` if there is none that others
    /// should have to make room for. First goes the one that has had no request for the longest
    /// time, if it never had an answer, then if it had; then whose bodies came the slowest.
    pub fn evict_connection(&self) -> bool {
        let now = self.now();
        let holders = self.holders();
        let useless = holders.values().filter_map(|holder| {
            let age = now.saturating_sub(holder.since.load(Relaxed));
            let patience = if holder.served.load(Relaxed) { RESTING } else { UNPROVEN };
            let use_of_it = match (holder.open.load(Relaxed) > 0, holder.served.load(Relaxed)) {
                (false, false) => Use::Never,
                (false, true) => Use::Once,
                // Bytes a day: a rate that tells slow ones apart.
                (true, _) => Use::Now(holder.arrived.load(Relaxed) as u64 * DAY / age.max(1)),
            };
            (holder.is_connection && holder.evictable() && age >= patience.as_millis() as u64)
                .then_some(((use_of_it, Reverse(age)), holder))
        });
        let Some((_, holder)) = useless.min_by_key(|(order, _)| *order) else { return false };
        holder.evict();
        true
    }

    /// Adds a holder and returns its key.
    fn register(&self, holder: &Arc<Holder>) -> u64 {
        let key = self.next.fetch_add(1, Relaxed);
        self.holders().insert(key, Arc::clone(holder));
        key
    }

    /// Evicts until `more` bytes are on their way back; `false`, and nobody evicted, if those who
    /// are slow enough and slower than `asking` do not hold as much.
    fn make_room(&self, more: usize, asking: &Holder) -> bool {
        if more > self.limit {
            return false;
        }
        let now = self.now();
        let holders = self.holders();
        let mut coming = self.limit.saturating_sub(self.used());
        // What was evicted and is answered by now keeps the rest until the answer is out.
        let leaving = holders
            .values()
            .filter(|holder| holder.evicted.load(Relaxed) && holder.owed.load(Relaxed) == 0);
        coming += leaving.map(|holder| holder.bytes.load(Relaxed)).sum::<usize>();
        let mine = asking.weight(now);
        if coming >= more {
            return true;
        }
        let slow = holders.values().filter_map(|holder| {
            let age = now.saturating_sub(holder.since.load(Relaxed));
            let weight = holder.weight(now);
            (holder.evictable() && age >= SLOW.as_millis() as u64 && weight > mine)
                .then_some((weight, holder))
        });
        let mut slow: Vec<_> = slow.collect();
        let held = slow.iter().map(|(_, holder)| holder.bytes.load(Relaxed)).sum::<usize>();
        if coming.saturating_add(held) < more {
            return false;
        }
        slow.sort_unstable_by_key(|(weight, _)| Reverse(*weight));
        for (_, holder) in slow {
            if coming >= more {
                break;
            }
            coming += holder.bytes.load(Relaxed);
            holder.evict();
        }
        true
    }

    fn take(&self, more: usize) -> bool {
        let fits = |used: usize| used.checked_add(more).filter(|&used| used <= self.limit);
        self.used.fetch_update(Relaxed, Relaxed, fits).is_ok()
    }

    fn now(&self) -> u64 {
        self.born.elapsed().as_millis() as u64
    }

    fn holders(&self) -> MutexGuard<'_, HashMap<u64, Arc<Holder>>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody is evicted from memory who has had less time than this.
const SLOW: Duration = Duration::from_millis(500);
/// What a connection may be without a finished request before it makes room for a new one: the
/// first time, and later.
const UNPROVEN: Duration = Duration::from_secs(1);
const RESTING: Duration = Duration::from_secs(5);
/// In milliseconds.
const DAY: u64 = 24 * 3600 * 1000;
