//! Bytes that clients make the receiver hold, charged before they are allocated.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::select;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::refusal::Refusal;

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

/// Whoever holds bytes: a connection for its buffers, or a request for its body.
#[derive(Debug)]
struct Holder {
    is_connection: bool,
    bytes: AtomicUsize,
    /// Milliseconds from the budget's birth to the last request that was finished, or to the
    /// holder's own birth.
    since: AtomicU64,
    /// Whether a request was ever finished.
    served: AtomicBool,
    /// Answers that the receiver owes: whoever waits for us is not slow.
    owed: AtomicUsize,
    evicted: AtomicBool,
    notice: Notify,
    /// Requests of a connection that wait for memory. What came meanwhile would be held too, so
    /// nothing is read.
    waiting: AtomicUsize,
    reader: Mutex<Option<Waker>>,
    /// Requests of a connection.
    open: AtomicUsize,
    /// Bytes of bodies that came; of a connection, since the last answer.
    arrived: AtomicUsize,
}

/// What a connection is used for, the most dispensable first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    /// It never had an answer, and has no request.
    Never,
    /// It had one.
    Once,
    /// A request is on its way, so fast.
    Now(u64),
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

    /// An empty charge for one request.
    #[cfg(test)]
    pub fn charge(self: &Arc<Self>) -> Charge {
        self.holder(None, false)
    }

    /// An empty charge for one connection.
    pub fn connection(self: &Arc<Self>) -> Charge {
        self.holder(None, true)
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

    fn holder(self: &Arc<Self>, connection: Option<Arc<Holder>>, is_connection: bool) -> Charge {
        if let Some(connection) = &connection {
            connection.open.fetch_add(1, Relaxed);
        }
        let holder = Arc::new(Holder {
            is_connection,
            bytes: AtomicUsize::new(0),
            since: AtomicU64::new(self.now()),
            served: AtomicBool::new(false),
            owed: AtomicUsize::new(0),
            evicted: AtomicBool::new(false),
            notice: Notify::new(),
            waiting: AtomicUsize::new(0),
            reader: Mutex::new(None),
            open: AtomicUsize::new(0),
            arrived: AtomicUsize::new(0),
        });
        let key = self.next.fetch_add(1, Relaxed);
        self.holders().insert(key, Arc::clone(&holder));
        Charge { budget: Arc::clone(self), key, holder, connection }
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

impl Holder {
    /// Bytes times the milliseconds they have been held.
    fn weight(&self, now: u64) -> u128 {
        let age = now.saturating_sub(self.since.load(Relaxed));
        self.bytes.load(Relaxed) as u128 * u128::from(age)
    }

    fn evictable(&self) -> bool {
        self.owed.load(Relaxed) == 0 && !self.evicted.load(Relaxed)
    }

    fn evict(&self) {
        self.evicted.store(true, Relaxed);
        self.notice.notify_one();
    }
}

/// What one connection or request holds; given back on drop.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<Budget>,
    key: u64,
    holder: Arc<Holder>,
    /// Of a request.
    connection: Option<Arc<Holder>>,
}

/// A connection that is not read from, until this is dropped.
struct Paused<'a>(&'a Holder);

impl<'a> Paused<'a> {
    fn new(connection: &'a Holder) -> Self {
        connection.waiting.fetch_add(1, Relaxed);
        Self(connection)
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        if self.0.waiting.fetch_sub(1, Relaxed) > 1 {
            return;
        }
        let reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Charge {
    /// An empty charge for one request of this connection.
    pub fn request(&self) -> Charge {
        self.budget.holder(Some(Arc::clone(&self.holder)), false)
    }

    /// Whether a request of this connection waits for memory; if so, wakes `cx` when none does.
    pub fn is_paused(&self, cx: &Context<'_>) -> bool {
        if self.holder.waiting.load(Relaxed) == 0 {
            return false;
        }
        let mut reader = self.holder.reader.lock().unwrap_or_else(PoisonError::into_inner);
        *reader = Some(cx.waker().clone());
        true
    }

    /// Takes `more` bytes, or none of them. Waits only while somebody slower is being evicted.
    pub async fn grow(&self, more: usize) -> Result<(), Refusal> {
        if self.try_grow(more) {
            return Ok(());
        }
        let deadline = Instant::now() + EVICTION;
        let _paused = self.connection.as_deref().map(Paused::new);
        loop {
            let mut freed = pin!(self.budget.freed.notified());
            freed.as_mut().enable();
            if self.try_grow(more) {
                return Ok(());
            }
            if !self.budget.make_room(more, &self.holder) {
                return Err(Refusal::Overloaded);
            }
            select! {
                waited = timeout_at(deadline, freed) => {
                    waited.map_err(|_| Refusal::Overloaded)?;
                }
                () = self.evicted() => return Err(Refusal::Overloaded),
            }
        }
    }

    /// Has others evicted for `more` bytes, without waiting for them.
    pub fn ask_for(&self, more: usize) {
        _ = self.budget.make_room(more, &self.holder);
    }

    /// Takes `more` bytes, or none of them.
    pub fn try_grow(&self, more: usize) -> bool {
        let taken = self.budget.take(more);
        if taken {
            self.holder.bytes.fetch_add(more, Relaxed);
        }
        taken
    }

    /// Gives back all but `left` bytes of a request.
    pub fn shrink_to(&self, left: usize) {
        let bytes = self.holder.bytes.load(Relaxed);
        let less = bytes.saturating_sub(left);
        if less > 0 {
            self.holder.bytes.fetch_sub(less, Relaxed);
            self.budget.used.fetch_sub(less, Relaxed);
            self.budget.freed.notify_waiters();
        }
    }

    /// Moves all but `left` bytes of a request to a charge of their own.
    pub fn split(&self, left: usize) -> Charge {
        let moved = self.holder.bytes.load(Relaxed).saturating_sub(left);
        let charge = self.budget.holder(self.connection.clone(), false);
        self.holder.bytes.fetch_sub(moved, Relaxed);
        charge.holder.bytes.fetch_add(moved, Relaxed);
        charge
    }

    /// Notes that `bytes` of a request's body came.
    pub fn arrive(&self, bytes: usize) {
        self.holder.arrived.fetch_add(bytes, Relaxed);
        if let Some(connection) = &self.connection {
            connection.arrived.fetch_add(bytes, Relaxed);
        }
    }

    /// Whether any of a request's body came.
    pub fn has_arrived(&self) -> bool {
        self.holder.arrived.load(Relaxed) > 0
    }

    /// Takes `more` bytes of which some are only expected, as long as a quarter of the budget
    /// suffices for everybody.
    pub fn try_grow_early(&self, more: usize) -> bool {
        let used = self.budget.used().saturating_sub(self.budget.buffers());
        used.saturating_add(more) <= self.budget.limit / 4 && self.try_grow(more)
    }

    /// Takes `more` bytes for a read buffer, or none of them.
    pub fn try_grow_buffer(&self, more: usize) -> bool {
        let share = self.budget.limit / 2;
        let fits = |used: usize| used.checked_add(more).filter(|&used| used <= share);
        if self.budget.buffers.fetch_update(Relaxed, Relaxed, fits).is_err() {
            return false;
        }
        if !self.try_grow(more) {
            self.budget.buffers.fetch_sub(more, Relaxed);
            return false;
        }
        true
    }

    /// Completes when this holder has to give back what it holds.
    pub async fn evicted(&self) {
        while !self.is_evicted() {
            self.holder.notice.notified().await;
        }
        // For the next to ask: a permit is taken by the first.
        self.holder.notice.notify_one();
    }

    pub fn is_evicted(&self) -> bool {
        self.holder.evicted.load(Relaxed)
    }

    /// From here to [`settle`](Self::settle) the client waits for us, and cannot be slow.
    pub fn owe(&self) {
        self.holder.owed.fetch_add(1, Relaxed);
    }

    /// An answer that was owed is given.
    pub fn settle(&self) {
        self.holder.since.store(self.budget.now(), Relaxed);
        self.holder.served.store(true, Relaxed);
        self.holder.arrived.store(0, Relaxed);
        self.holder.owed.fetch_sub(1, Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let bytes = self.holder.bytes.swap(0, Relaxed);
        if self.holder.is_connection {
            // All that a connection holds is read buffers.
            self.budget.buffers.fetch_sub(bytes, Relaxed);
        }
        self.budget.used.fetch_sub(bytes, Relaxed);
        self.budget.holders().remove(&self.key);
        if let Some(connection) = &self.connection {
            connection.open.fetch_sub(1, Relaxed);
        }
        if bytes > 0 {
            self.budget.freed.notify_waiters();
        }
    }
}

/// Nobody is evicted from memory who has had less time than this.
const SLOW: Duration = Duration::from_millis(500);
/// What an evicted holder gets to let go, while somebody waits.
const EVICTION: Duration = Duration::from_millis(250);
/// What a connection may be without a finished request before it makes room for a new one: the
/// first time, and later.
const UNPROVEN: Duration = Duration::from_secs(1);
const RESTING: Duration = Duration::from_secs(5);
/// In milliseconds.
const DAY: u64 = 24 * 3600 * 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn is_never_exceeded_and_always_given_back() {
        let budget = Budget::new(100);
        let one = budget.charge();
        let two = budget.charge();
        assert_eq!(one.grow(60).await, Ok(()));
        assert_eq!(two.grow(41).await, Err(Refusal::Overloaded));
        assert_eq!(two.grow(usize::MAX).await, Err(Refusal::Overloaded));
        assert_eq!(two.grow(40).await, Ok(()));
        assert_eq!(budget.used(), 100);
        drop(one);
        assert_eq!(budget.used(), 40);
        assert_eq!(two.grow(60).await, Ok(()));
        drop(two);
        assert_eq!(budget.used(), 0);
        assert!(budget.holders().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_makes_room_and_nobody_else() {
        let budget = Budget::new(100);
        let old_and_small = budget.charge();
        let old_and_large = budget.charge();
        let owed = budget.charge();
        for (charge, bytes) in [(&old_and_small, 10), (&old_and_large, 40), (&owed, 45)] {
            assert_eq!(charge.grow(bytes).await, Ok(()));
        }
        owed.owe();
        let young = budget.charge();
        assert_eq!(young.grow(20).await, Err(Refusal::Overloaded), "nobody is slow yet");
        advance(SLOW).await;
        let asking = budget.charge();
        let (taken, ()) = tokio::join!(asking.grow(20), async {
            old_and_large.evicted().await;
            drop(old_and_large);
        });
        assert_eq!(taken, Ok(()));
        assert!(!old_and_small.is_evicted() && !owed.is_evicted() && !young.is_evicted());
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_does_not_push_others_out() {
        let budget = Budget::new(100);
        let (slow, other) = (budget.charge(), budget.charge());
        assert_eq!(slow.grow(90).await, Ok(()));
        assert_eq!(other.grow(10).await, Ok(()));
        advance(SLOW * 2).await;
        assert_eq!(slow.grow(1).await, Err(Refusal::Overloaded));
        assert!(!other.is_evicted());
    }

    #[tokio::test(start_paused = true)]
    async fn buffers_leave_half_to_bodies_and_an_eviction_that_frees_nothing_ends() {
        let budget = Budget::new(100);
        let connection = budget.connection();
        assert!(connection.try_grow_buffer(50));
        assert!(!connection.try_grow_buffer(1));
        advance(SLOW).await;
        let asking = budget.charge();
        assert_eq!(asking.grow(60).await, Err(Refusal::Overloaded), "it was never given back");
        assert!(connection.is_evicted());
        drop(connection);
        assert_eq!(asking.grow(60).await, Ok(()));
        assert!(budget.connection().try_grow_buffer(40));
    }

    #[tokio::test(start_paused = true)]
    async fn connections_of_no_use_make_room_for_new_ones() {
        let budget = Budget::new(0);
        let (proven, idle) = (budget.connection(), budget.connection());
        proven.owe();
        proven.settle();
        assert!(!budget.evict_connection());
        advance(UNPROVEN).await;
        assert!(budget.evict_connection());
        assert!(idle.is_evicted() && !proven.is_evicted());
        assert!(!budget.evict_connection());
        advance(RESTING).await;
        assert!(budget.evict_connection() && proven.is_evicted());
    }

    #[tokio::test(start_paused = true)]
    async fn connections_with_a_body_on_its_way_go_last_and_the_slowest_of_them_first() {
        let budget = Budget::new(0);
        let [fast, slow, silent, proven] = std::array::from_fn(|_| budget.connection());
        let requests = [fast.request(), slow.request(), silent.request()];
        requests[0].arrive(2000);
        requests[1].arrive(1000);
        proven.owe();
        proven.settle();
        advance(RESTING).await;
        let idle = budget.connection();
        advance(UNPROVEN).await;
        for next in [&idle, &proven, &silent, &slow, &fast] {
            assert!(!next.is_evicted() && budget.evict_connection() && next.is_evicted());
        }
        assert!(!budget.evict_connection());
    }
}
