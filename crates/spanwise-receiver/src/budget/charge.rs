//! The charge of one connection or request.

use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::task::Context;
use std::time::Duration;

use tokio::select;
use tokio::time::{Instant, timeout_at};

use super::Budget;
use super::holder::Holder;
use crate::refusal::Refusal;

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
        let charge = Self::new(&self.budget, self.connection.clone(), false);
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

/// What an evicted holder gets to let go, while somebody waits.
const EVICTION: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{RESTING, SLOW, UNPROVEN};
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn is_never_exceeded_and_always_given_back() {
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
    async fn the_slowest_makes_room_and_nobody_else() {
        let budget = Budget::new(100);
        let old_and_small = Charge::request_of(&budget);
        let old_and_large = Charge::request_of(&budget);
        let owed = Charge::request_of(&budget);
        for (charge, bytes) in [(&old_and_small, 10), (&old_and_large, 40), (&owed, 45)] {
            assert_eq!(charge.grow(bytes).await, Ok(()));
        }
        owed.owe();
        let young = Charge::request_of(&budget);
        assert_eq!(young.grow(20).await, Err(Refusal::Overloaded), "nobody is slow yet");
        advance(SLOW).await;
        let asking = Charge::request_of(&budget);
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
        let (slow, other) = (Charge::request_of(&budget), Charge::request_of(&budget));
        assert_eq!(slow.grow(90).await, Ok(()));
        assert_eq!(other.grow(10).await, Ok(()));
        advance(SLOW * 2).await;
        assert_eq!(slow.grow(1).await, Err(Refusal::Overloaded));
        assert!(!other.is_evicted());
    }

    #[tokio::test(start_paused = true)]
    async fn buffers_leave_half_to_bodies_and_an_eviction_that_frees_nothing_ends() {
        let budget = Budget::new(100);
        let connection = Charge::connection(&budget);
        assert!(connection.try_grow_buffer(50));
        assert!(!connection.try_grow_buffer(1));
        advance(SLOW).await;
        let asking = Charge::request_of(&budget);
        assert_eq!(asking.grow(60).await, Err(Refusal::Overloaded), "it was never given back");
        assert!(connection.is_evicted());
        drop(connection);
        assert_eq!(asking.grow(60).await, Ok(()));
        assert!(Charge::connection(&budget).try_grow_buffer(40));
    }

    #[tokio::test(start_paused = true)]
    async fn connections_of_no_use_make_room_for_new_ones() {
        let budget = Budget::new(0);
        let (proven, idle) = (Charge::connection(&budget), Charge::connection(&budget));
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
        let [fast, slow, silent, proven] = std::array::from_fn(|_| Charge::connection(&budget));
        let requests = [fast.request(), slow.request(), silent.request()];
        requests[0].arrive(2000);
        requests[1].arrive(1000);
        proven.owe();
        proven.settle();
        advance(RESTING).await;
        let idle = Charge::connection(&budget);
        advance(UNPROVEN).await;
        for next in [&idle, &proven, &silent, &slow, &fast] {
            assert!(!next.is_evicted() && budget.evict_connection() && next.is_evicted());
        }
        assert!(!budget.evict_connection());
    }
}
