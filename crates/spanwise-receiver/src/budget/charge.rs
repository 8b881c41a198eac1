//! The charge of one connection or request.

use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::task::Context;
use std::time::Duration;

use tokio::select;
use tokio::time::{Instant, timeout_at};

use super::holder::Holder;
use super::{BodyBuffer, Budget};
use crate::refusal::Refusal;

/// The bytes that one connection or request is charged for; its drop returns them.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<Budget>,
    key: u64,
    holder: Arc<Holder>,
    /// The connection of a request.
    connection: Option<Arc<Holder>>,
}

/// Pauses the reads of a connection until this is dropped.
struct ReadPause<'a>(&'a Holder);

impl<'a> ReadPause<'a> {
    fn new(connection: &'a Holder) -> Self {
        connection.waiting.fetch_add(1, Relaxed);
        Self(connection)
    }
}

impl Drop for ReadPause<'_> {
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
    /// An empty charge for one connection.
    pub fn connection(budget: &Arc<Budget>) -> Self {
        Self::new(budget, None, true)
    }

    /// An empty charge for one request without a connection.
    #[cfg(test)]
    pub fn request_of(budget: &Arc<Budget>) -> Self {
        Self::new(budget, None, false)
    }

    fn new(budget: &Arc<Budget>, connection: Option<Arc<Holder>>, is_connection: bool) -> Self {
        if let Some(connection) = &connection {
            connection.open.fetch_add(1, Relaxed);
        }
        let holder = Arc::new(Holder::new(is_connection, budget.now()));
        let key = budget.register(&holder);
        Self { budget: Arc::clone(budget), key, holder, connection }
    }

    /// An empty charge for one request of this connection.
    pub fn request(&self) -> Charge {
        Self::new(&self.budget, Some(Arc::clone(&self.holder)), false)
    }

    /// Whether a request of this connection waits for memory; if so, wakes `cx` once none waits.
    pub fn is_paused(&self, cx: &Context<'_>) -> bool {
        if self.holder.waiting.load(Relaxed) == 0 {
            return false;
        }
        let mut reader = self.holder.reader.lock().unwrap_or_else(PoisonError::into_inner);
        *reader = Some(cx.waker().clone());
        true
    }

    /// Charges `more` bytes, or none of them. Waits only while a slower holder is being evicted.
    pub async fn grow(&self, more: usize) -> Result<(), Refusal> {
        if self.try_grow(more) {
            return Ok(());
        }
        let deadline = Instant::now() + EVICTION_TIMEOUT;
        let _paused = self.connection.as_deref().map(ReadPause::new);
        loop {
            let mut freed = pin!(self.budget.freed.notified());
            freed.as_mut().enable();
            if self.try_grow(more) {
                return Ok(());
            }
            if !self.budget.evict_for(more, &self.holder) {
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

    /// Charges `more` bytes for the TLS session of a new connection, or none of them. Waits only while other
    /// connections are being evicted.
    #[cfg(feature = "tls")]
    pub async fn grow_session(&self, more: usize) -> bool {
        let deadline = Instant::now() + EVICTION_TIMEOUT;
        loop {
            let mut freed = pin!(self.budget.freed.notified());
            freed.as_mut().enable();
            if self.try_grow_buffer(more) {
                return true;
            }
            let evicts = self.budget.evict_for_session(more, &self.holder);
            if !evicts || timeout_at(deadline, freed).await.is_err() {
                return false;
            }
        }
    }

    /// Returns `less` bytes of a connection to the budget, which has charged at least as many.
    #[cfg(feature = "tls")]
    pub fn shrink_session_by(&self, less: usize) {
        self.holder.bytes.fetch_sub(less, Relaxed);
        self.budget.buffers.fetch_sub(less, Relaxed);
        self.budget.charged.fetch_sub(less, Relaxed);
        self.budget.freed.notify_waiters();
    }

    /// Evicts other holders for `more` bytes, without waiting for these bytes.
    pub fn evict_others_for(&self, more: usize) {
        _ = self.budget.evict_for(more, &self.holder);
    }

    /// Charges `more` bytes, or none of them.
    pub fn try_grow(&self, more: usize) -> bool {
        let charged = self.budget.try_charge(more);
        if charged {
            self.holder.bytes.fetch_add(more, Relaxed);
        }
        charged
    }

    /// Returns all but `left` bytes of a request to the budget.
    pub fn shrink_to(&self, left: usize) {
        let bytes = self.holder.bytes.load(Relaxed);
        let less = bytes.saturating_sub(left);
        if less > 0 {
            self.holder.bytes.fetch_sub(less, Relaxed);
            self.budget.charged.fetch_sub(less, Relaxed);
            self.budget.freed.notify_waiters();
        }
    }

    /// Returns `less` bytes of a request to the budget, which has charged at least as many.
    #[cfg(feature = "zstd")]
    pub fn shrink_by(&self, less: usize) {
        self.shrink_to(self.holder.bytes.load(Relaxed).saturating_sub(less));
    }

    /// Moves all but `left` bytes of a request to a charge of their own.
    pub fn split(&self, left: usize) -> Charge {
        let moved = self.holder.bytes.load(Relaxed).saturating_sub(left);
        let charge = Self::new(&self.budget, self.connection.clone(), false);
        self.holder.bytes.fetch_sub(moved, Relaxed);
        charge.holder.bytes.fetch_add(moved, Relaxed);
        charge
    }

    /// Takes the bytes of `other`, a part that was [`split`](Self::split) off.
    pub fn absorb(&self, other: Charge) {
        let bytes = other.holder.bytes.swap(0, Relaxed);
        self.holder.bytes.fetch_add(bytes, Relaxed);
    }

    /// Counts `bytes` received bytes of a request's body.
    pub fn receive(&self, bytes: usize) {
        self.holder.arrived.fetch_add(bytes, Relaxed);
        if let Some(connection) = &self.connection {
            connection.arrived.fetch_add(bytes, Relaxed);
        }
    }

    /// Whether any byte of a request's body was received.
    pub fn has_received(&self) -> bool {
        self.holder.arrived.load(Relaxed) > 0
    }

    /// Charges `more` bytes, some of them only expected, as long as all charges together are within a
    /// quarter of the budget.
    pub fn try_grow_early(&self, more: usize) -> bool {
        let used = self.budget.used().saturating_sub(self.budget.buffers());
        used.saturating_add(more) <= self.budget.limit / 4 && self.try_grow(more)
    }

    /// A cached buffer with space for `capacity` bytes, which is not charged yet.
    pub fn take_idle_buffer(&self, capacity: usize) -> Option<Vec<u8>> {
        self.budget.take_idle(capacity)
    }

    /// A body whose buffer is cached for the next one.
    pub fn reusable(&self, body: Vec<u8>) -> BodyBuffer {
        BodyBuffer::new(body, Arc::downgrade(&self.budget))
    }

    /// Charges `more` bytes for a read buffer, or none of them.
    pub fn try_grow_buffer(&self, more: usize) -> bool {
        let share = self.budget.buffer_share();
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

    /// Completes once this holder is evicted and must return its bytes.
    pub async fn evicted(&self) {
        while !self.is_evicted() {
            self.holder.notice.notified().await;
        }
        // Stores a permit for the next waiter, because this one took it.
        self.holder.notice.notify_one();
    }

    pub fn is_evicted(&self) -> bool {
        self.holder.evicted.load(Relaxed)
    }

    /// Counts a pending response: until [`finish_response`](Self::finish_response) the client waits for
    /// the receiver, and is not slow.
    pub fn begin_response(&self) {
        self.holder.pending.fetch_add(1, Relaxed);
    }

    /// Counts a pending response as sent.
    pub fn finish_response(&self) {
        self.holder.since.store(self.budget.now(), Relaxed);
        self.holder.served.store(true, Relaxed);
        self.holder.arrived.store(0, Relaxed);
        self.holder.pending.fetch_sub(1, Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let bytes = self.holder.bytes.swap(0, Relaxed);
        if self.holder.is_connection {
            // A connection holds read buffers and a TLS session only.
            self.budget.buffers.fetch_sub(bytes, Relaxed);
        }
        self.budget.charged.fetch_sub(bytes, Relaxed);
        self.budget.holders().remove(&self.key);
        if let Some(connection) = &self.connection {
            connection.open.fetch_sub(1, Relaxed);
        }
        if bytes > 0 {
            self.budget.freed.notify_waiters();
        }
    }
}

/// Time for an evicted holder to return its bytes, while a request waits for them.
const EVICTION_TIMEOUT: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{IDLE, SLOW, UNPROVEN};
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn the_limit_is_never_exceeded_and_drops_return_all_bytes() {
        let budget = Budget::new(100);
        let one = Charge::request_of(&budget);
        let two = Charge::request_of(&budget);
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
    async fn only_the_slowest_holder_is_evicted() {
        let budget = Budget::new(100);
        let old_and_small = Charge::request_of(&budget);
        let old_and_large = Charge::request_of(&budget);
        let pending = Charge::request_of(&budget);
        for (charge, bytes) in [(&old_and_small, 10), (&old_and_large, 40), (&pending, 45)] {
            assert_eq!(charge.grow(bytes).await, Ok(()));
        }
        pending.begin_response();
        let young = Charge::request_of(&budget);
        assert_eq!(young.grow(20).await, Err(Refusal::Overloaded), "no holder is slow yet");
        advance(SLOW).await;
        let asking = Charge::request_of(&budget);
        let (charged, ()) = tokio::join!(asking.grow(20), async {
            old_and_large.evicted().await;
            drop(old_and_large);
        });
        assert_eq!(charged, Ok(()));
        assert!(!old_and_small.is_evicted() && !pending.is_evicted() && !young.is_evicted());
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_holder_evicts_no_other() {
        let budget = Budget::new(100);
        let (slow, other) = (Charge::request_of(&budget), Charge::request_of(&budget));
        assert_eq!(slow.grow(90).await, Ok(()));
        assert_eq!(other.grow(10).await, Ok(()));
        advance(SLOW * 2).await;
        assert_eq!(slow.grow(1).await, Err(Refusal::Overloaded));
        assert!(!other.is_evicted());
    }

    #[tokio::test(start_paused = true)]
    async fn buffers_take_half_at_most_and_waiting_for_an_eviction_times_out() {
        let budget = Budget::new(100);
        let connection = Charge::connection(&budget);
        assert!(connection.try_grow_buffer(50));
        assert!(!connection.try_grow_buffer(1));
        advance(SLOW).await;
        let asking = Charge::request_of(&budget);
        assert_eq!(
            asking.grow(60).await,
            Err(Refusal::Overloaded),
            "its bytes were never returned"
        );
        assert!(connection.is_evicted());
        drop(connection);
        assert_eq!(asking.grow(60).await, Ok(()));
        assert!(Charge::connection(&budget).try_grow_buffer(40));
    }

    #[cfg(feature = "tls")]
    #[tokio::test(start_paused = true)]
    async fn unproven_sessions_are_evicted_for_a_new_one_and_proven_ones_are_not() {
        let budget = Budget::new(100);
        let [silent, proven, half_open] = std::array::from_fn(|_| Charge::connection(&budget));
        assert!(proven.grow_session(30).await && half_open.grow_session(15).await);
        proven.shrink_session_by(5);
        proven.begin_response();
        proven.finish_response();
        let new = Charge::connection(&budget);
        assert!(!new.grow_session(25).await, "no session is old enough");
        assert_eq!((budget.used(), budget.buffers()), (40, 40));
        advance(UNPROVEN).await;
        let (charged, ()) = tokio::join!(new.grow_session(25), async {
            half_open.evicted().await;
            drop(half_open);
        });
        assert!(charged && !proven.is_evicted());
        // It holds no bytes, so that its eviction would not help.
        assert!(!silent.is_evicted());
        drop([silent, proven, new]);
        assert_eq!((budget.used(), budget.buffers()), (0, 0));
    }

    #[cfg(feature = "tls")]
    #[tokio::test(start_paused = true)]
    async fn a_slow_body_is_evicted_for_a_session_and_a_fast_one_is_not() {
        let budget = Budget::new(100);
        let body = Charge::request_of(&budget);
        assert_eq!(body.grow(90).await, Ok(()));
        let new = Charge::connection(&budget);
        assert!(!new.grow_session(20).await && !body.is_evicted());
        advance(SLOW).await;
        let (charged, ()) = tokio::join!(new.grow_session(20), async {
            body.evicted().await;
            drop(body);
        });
        assert!(charged);
        // More than the share of the buffers never fits.
        let start = Instant::now();
        assert!(!Charge::connection(&budget).grow_session(51).await);
        assert!(start.elapsed() <= EVICTION_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connections_are_evicted_for_new_ones() {
        let budget = Budget::new(0);
        let (proven, idle) = (Charge::connection(&budget), Charge::connection(&budget));
        proven.begin_response();
        proven.finish_response();
        assert!(!budget.evict_connection());
        advance(UNPROVEN).await;
        assert!(budget.evict_connection());
        assert!(idle.is_evicted() && !proven.is_evicted());
        assert!(!budget.evict_connection());
        advance(IDLE).await;
        assert!(budget.evict_connection() && proven.is_evicted());
    }

    #[tokio::test(start_paused = true)]
    async fn connections_that_receive_a_body_are_evicted_last_and_the_slowest_of_them_first() {
        let budget = Budget::new(0);
        let [fast, slow, silent, proven] = std::array::from_fn(|_| Charge::connection(&budget));
        let requests = [fast.request(), slow.request(), silent.request()];
        requests[0].receive(2000);
        requests[1].receive(1000);
        proven.begin_response();
        proven.finish_response();
        advance(IDLE).await;
        let idle = Charge::connection(&budget);
        advance(UNPROVEN).await;
        for next in [&idle, &proven, &silent, &slow, &fast] {
            assert!(!next.is_evicted() && budget.evict_connection() && next.is_evicted());
        }
        assert!(!budget.evict_connection());
    }
}
