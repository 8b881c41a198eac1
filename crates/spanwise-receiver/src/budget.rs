//! The memory budget of a receiver: bytes are charged before they are allocated.

mod body_buffer;
mod charge;
mod holder;
mod idle;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use holder::{Holder, Use};
use idle::IdleBuffers;

pub(crate) use body_buffer::BodyBuffer;
pub(crate) use charge::Charge;

/// The memory budget that all connections and requests of a receiver share.
///
/// When it is used up, the budget evicts the slowest holder: the one with the most bytes for the
/// longest time. The asking request then waits for these bytes instead of being rejected.
#[derive(Debug)]
pub(crate) struct Budget {
    born: Instant,
    /// Bytes of connections, requests and idle buffers: at most the limit.
    charged: AtomicUsize,
    /// Bytes of `charged` in read buffers and TLS sessions: at most half of the limit, so that they never displace bodies.
    buffers: AtomicUsize,
    idle: IdleBuffers,
    limit: usize,
    freed: Notify,
    next: AtomicU64,
    holders: Mutex<HashMap<u64, Arc<Holder>>>,
}

impl Budget {
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            charged: AtomicUsize::new(0),
            buffers: AtomicUsize::new(0),
            idle: IdleBuffers::default(),
            limit,
            freed: Notify::new(),
            next: AtomicU64::new(0),
            holders: Mutex::default(),
        })
    }

    /// Bytes that connections and requests hold.
    pub fn used(&self) -> usize {
        self.charged.load(Relaxed).saturating_sub(self.idle.bytes())
    }

    /// Bytes of these in read buffers and TLS sessions.
    pub fn buffers(&self) -> usize {
        self.buffers.load(Relaxed)
    }

    /// Bytes of idle buffers.
    pub fn cached(&self) -> usize {
        self.idle.bytes()
    }

    /// Evicts one idle or slow connection in favour of a new one; `false` if none has exceeded its
    /// time. The order is: connections without a request that never got a response, then those that
    /// got one, each with the longest idle time first; then those with the slowest bodies.
    pub fn evict_connection(&self) -> bool {
        self.evict_connection_that(|_| true)
    }

    /// Evicts holders for the `more` bytes of a new connection's session; `false` without an eviction if
    /// none has exceeded its time.
    ///
    /// Connections are evicted as for one connection too many, and not by their bytes: a client that exports
    /// now and then holds its session for longer than one that never finishes a handshake.
    #[cfg(feature = "tls")]
    fn evict_for_session(&self, more: usize, asking: &Holder) -> bool {
        let leaves = |holder: &Arc<Holder>| holder.is_connection && holder.is_leaving();
        let leaving = self
            .holders()
            .values()
            .filter(|&holder| leaves(holder))
            .fold(0, |sum, holder| sum + holder.bytes.load(Relaxed));
        if leaving >= more || self.evict_connection_that(|holder| holder.bytes.load(Relaxed) > 0) {
            return true;
        }
        // The share of the buffers has space, so that bodies hold the memory.
        self.buffers().saturating_add(more) <= self.buffer_share() && self.evict_for(more, asking)
    }

    fn evict_connection_that(&self, is_candidate: impl Fn(&Holder) -> bool) -> bool {
        let now = self.now();
        let holders = self.holders();
        let candidates = holders.values().filter_map(|holder| {
            let age = now.saturating_sub(holder.since.load(Relaxed));
            let grace = if holder.served.load(Relaxed) { IDLE } else { UNPROVEN };
            let usage = match (holder.open.load(Relaxed) > 0, holder.served.load(Relaxed)) {
                (false, false) => Use::Never,
                (false, true) => Use::Once,
                // Bytes per day: a rate with enough resolution for slow connections.
                (true, _) => Use::Now(holder.arrived.load(Relaxed) as u64 * DAY / age.max(1)),
            };
            let is_due = holder.evictable() && age >= grace.as_millis() as u64;
            (holder.is_connection && is_due && is_candidate(holder))
                .then_some(((usage, Reverse(age)), holder))
        });
        let Some((_, holder)) = candidates.min_by_key(|(order, _)| *order) else { return false };
        holder.evict();
        true
    }

    /// Adds a holder and returns its key.
    fn register(&self, holder: &Arc<Holder>) -> u64 {
        let key = self.next.fetch_add(1, Relaxed);
        self.holders().insert(key, Arc::clone(holder));
        key
    }

    /// Evicts holders until `more` bytes are about to be freed; returns `false` without an eviction if
    /// the holders that are slow enough, and slower than `asking`, hold fewer bytes.
    fn evict_for(&self, more: usize, asking: &Holder) -> bool {
        if more > self.limit {
            return false;
        }
        let now = self.now();
        let holders = self.holders();
        let mut available = self.limit.saturating_sub(self.used());
        // An evicted holder with a pending response holds its bytes until the response is sent.
        let leaving = holders.values().filter(|holder| holder.is_leaving());
        available += leaving.map(|holder| holder.bytes.load(Relaxed)).sum::<usize>();
        let own_weight = asking.weight(now);
        if available >= more {
            return true;
        }
        let slow = holders.values().filter_map(|holder| {
            let age = now.saturating_sub(holder.since.load(Relaxed));
            let weight = holder.weight(now);
            (holder.evictable() && age >= SLOW.as_millis() as u64 && weight > own_weight)
                .then_some((weight, holder))
        });
        let mut slow: Vec<_> = slow.collect();
        let held = slow.iter().map(|(_, holder)| holder.bytes.load(Relaxed)).sum::<usize>();
        if available.saturating_add(held) < more {
            return false;
        }
        slow.sort_unstable_by_key(|(weight, _)| Reverse(*weight));
        for (_, holder) in slow {
            if available >= more {
                break;
            }
            available += holder.bytes.load(Relaxed);
            holder.evict();
        }
        true
    }

    /// The most bytes that connections may hold.
    fn buffer_share(&self) -> usize {
        self.limit / 2
    }

    fn try_charge(&self, more: usize) -> bool {
        self.try_charge_free(more) || (self.free_idle() && self.try_charge_free(more))
    }

    /// As [`try_charge`](Self::try_charge), without freeing idle buffers.
    fn try_charge_free(&self, more: usize) -> bool {
        let fits = |charged: usize| charged.checked_add(more).filter(|&sum| sum <= self.limit);
        self.charged.fetch_update(Relaxed, Relaxed, fits).is_ok()
    }

    /// Takes a cached buffer with space for `capacity` bytes. The caller charges its capacity.
    fn take_idle(&self, capacity: usize) -> Option<Vec<u8>> {
        let buffer = self.idle.take(capacity)?;
        self.charged.fetch_sub(buffer.capacity(), Relaxed);
        Some(buffer)
    }

    /// Caches the buffer of a body, if memory is plentiful.
    fn put_idle(&self, buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        let charge = || self.used() <= self.limit / 2 && self.try_charge_free(capacity);
        self.idle.put(buffer, self.limit / IDLE_SHARE, charge);
    }

    /// Frees all cached buffers. Returns whether there were any.
    fn free_idle(&self) -> bool {
        let buffers = self.idle.take_all();
        let bytes = idle::capacity(&buffers);
        drop(buffers);
        self.charged.fetch_sub(bytes, Relaxed);
        bytes > 0
    }

    fn now(&self) -> u64 {
        self.born.elapsed().as_millis() as u64
    }

    fn holders(&self) -> MutexGuard<'_, HashMap<u64, Arc<Holder>>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Minimum age of a holder that is evicted from memory.
const SLOW: Duration = Duration::from_millis(500);
/// Time without a finished request after which a connection is evicted in favour of a new one: for
/// its first request, and for later ones.
const UNPROVEN: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(5);
/// The share of the memory that cached buffers may take.
const IDLE_SHARE: usize = 8;
/// A day in milliseconds.
const DAY: u64 = 24 * 3600 * 1000;
