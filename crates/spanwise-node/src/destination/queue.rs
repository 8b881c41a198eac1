//! The requests that wait for one destination.

use super::batch::Batch;
use crate::account::DestinationAccount;
use crate::memory::Memory;
use crate::settings::DestinationSettings;
use arc_swap::ArcSwap;
use spanwise_ledger::{DropReason, Ledger, Tickets};
use spanwise_transport::{Delivery, Failure, Outcome, Transport};
use spanwise_worker::Notifier;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{Notify, watch};

/// The requests that wait for one destination, shared by its senders, its spool and the joiner.
pub(super) struct Queue {
    name: String,
    ledger: Ledger,
    max_bytes: usize,
    transport: ArcSwap<Transport>,
    state: Mutex<State>,
    /// Notified for the senders.
    work: Notify,
    /// The deadline of a shutdown, once requests are cancelled.
    cancelled: watch::Sender<Option<Instant>>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Batch>,
    /// Bytes of `waiting`.
    waiting_bytes: usize,
    /// Requests that failed and are to be stored.
    failed: VecDeque<Batch>,
    /// Bytes of all requests without an outcome: those above, in flight, and on their way to the disk.
    held_bytes: usize,
    held: usize,
    in_flight: usize,
    /// The last request failed, and another attempt may succeed.
    is_down: bool,
    /// Notifies the task of the spool, while there is one.
    spool: Option<Notifier>,
    last_error: Option<String>,
}

impl Queue {
    pub(super) fn new(
        settings: &DestinationSettings,
        transport: Transport,
        memory: &Memory,
    ) -> Self {
        Self {
            name: settings.name.clone(),
            ledger: Ledger::new(),
            max_bytes: settings.queue_bytes.unwrap_or(memory.requests.limit() / 2),
            transport: ArcSwap::from_pointee(transport),
            state: Mutex::default(),
            work: Notify::new(),
            cancelled: watch::Sender::new(None),
        }
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(super) fn transport(&self) -> Arc<Transport> {
        self.transport.load_full()
    }

    pub(super) fn set_transport(&self, transport: Transport) {
        self.transport.store(Arc::new(transport));
    }

    /// Counts `spans` spans as handed to the destination.
    pub(super) fn tickets(&self, spans: u64) -> Tickets {
        self.ledger.started_many(spans);
        self.ledger.tickets(spans)
    }

    /// Whether senders of requests should try again later.
    pub(super) fn is_full(&self) -> bool {
        self.lock().held_bytes >= self.max_bytes
    }

    /// Whether no request waits, is sent or is stored.
    pub(super) fn is_idle(&self) -> bool {
        self.lock().held == 0
    }

    /// Adds a request, behind the others.
    pub(super) fn push(&self, batch: Batch) {
        let mut state = self.lock();
        state.held_bytes += batch.len();
        state.held += 1;
        state.waiting_bytes += batch.len();
        state.waiting.push_back(batch);
        let spool = state.spool.clone().filter(|_| state.is_diverted(self.max_bytes));
        drop(state);
        self.work.notify_one();
        spool.iter().for_each(Notifier::notify);
    }

    /// The next request to send, once there is one; `None` once requests are cancelled. [`ended`](Self::ended) follows.
    pub(super) async fn next(&self) -> Option<Batch> {
        let mut cancelled = self.cancelled.subscribe();
        loop {
            let work = self.work.notified();
            if cancelled.borrow_and_update().is_some() {
                return None;
            }
            if let Some(batch) = self.take() {
                return Some(batch);
            }
            tokio::select! {
                () = work => {}
                _ = cancelled.changed() => {}
            }
        }
    }

    fn take(&self) -> Option<Batch> {
        let mut state = self.lock();
        // With a spool, a destination that is down gets a stored request first.
        if state.is_down && state.spool.is_some() {
            return None;
        }
        let batch = state.pop()?;
        state.in_flight += 1;
        let has_more = !state.waiting.is_empty();
        drop(state);
        if has_more {
            self.work.notify_one();
        }
        Some(batch)
    }

    /// The next request that goes to the disk: it failed, the destination is down, or too much waits.
    pub(super) fn take_for_spool(&self) -> Option<Batch> {
        let is_cancelled = self.cancelled_until().is_some();
        let mut state = self.lock();
        match state.failed.pop_front() {
            Some(batch) => Some(batch),
            None if is_cancelled || state.is_diverted(self.max_bytes) => state.pop(),
            None => None,
        }
    }

    /// Hands the spool a request that a sender took and that failed.
    ///
    /// # Errors
    /// The request, if there is no spool.
    pub(super) fn store(&self, batch: Batch) -> Result<(), Batch> {
        let mut state = self.lock();
        let Some(spool) = state.spool.clone() else { return Err(batch) };
        state.failed.push_back(batch);
        drop(state);
        spool.notify();
        Ok(())
    }

    /// Adds a part of a request that has no bytes in the queue's sum.
    pub(super) fn add_held(&self, batch: &Batch) {
        let mut state = self.lock();
        state.held_bytes += batch.len();
        state.held += 1;
    }

    /// All spans of a request of `bytes` bytes have outcomes.
    pub(super) fn settled(&self, bytes: usize) {
        let mut state = self.lock();
        state.held_bytes = state.held_bytes.saturating_sub(bytes);
        state.held = state.held.saturating_sub(1);
    }

    /// A request of [`next`](Self::next) is no longer in flight.
    pub(super) fn ended(&self) {
        let mut state = self.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        let spool = state.spool.clone();
        drop(state);
        if self.cancelled_until().is_some() {
            spool.iter().for_each(Notifier::notify);
        }
    }

    /// Takes note of the end of a request.
    pub(super) fn note(&self, delivery: &Delivery) {
        let mut state = self.lock();
        match &delivery.outcome {
            Outcome::Accepted { .. } => state.is_down = false,
            Outcome::Failed(Failure::Shutdown) => return,
            Outcome::Failed(_) => {
                state.is_down |= spanwise_export::sans_io::is_retryable(delivery);
                state.last_error = Some(delivery.to_string());
            }
        }
        let is_up = !state.is_down;
        drop(state);
        if is_up {
            self.work.notify_one();
        }
    }

    pub(super) fn is_down(&self) -> bool {
        self.lock().is_down
    }

    /// There is nothing on disk to find out with whether the destination is up: the next request is sent.
    pub(super) fn assume_up(&self) {
        self.lock().is_down = false;
        self.work.notify_one();
    }

    /// Whether no sender has a request and none waits.
    pub(super) fn has_none_for_spool(&self) -> bool {
        let state = self.lock();
        state.in_flight == 0 && state.waiting.is_empty() && state.failed.is_empty()
    }

    /// There is a spool, whose task this notifies.
    pub(super) fn set_spool(&self, notifier: Notifier) {
        self.lock().spool = Some(notifier);
    }

    /// The spool has ended. Its requests wait for the senders again.
    pub(super) fn spool_ended(&self) {
        let mut state = self.lock();
        state.spool = None;
        while let Some(batch) = state.failed.pop_back() {
            state.waiting_bytes += batch.len();
            state.waiting.push_front(batch);
        }
        drop(state);
        self.work.notify_one();
    }

    pub(super) fn failed(&self, error: String) {
        self.lock().last_error = Some(error);
    }

    /// Ends the requests that are sent; what is left is stored until then.
    pub(super) fn cancel(&self, until: Instant) {
        self.cancelled.send_replace(Some(until));
        let spool = self.lock().spool.clone();
        spool.iter().for_each(Notifier::notify);
    }

    /// The deadline of a shutdown, once requests are cancelled.
    pub(super) fn cancelled_until(&self) -> Option<Instant> {
        *self.cancelled.borrow()
    }

    /// Completes once requests are cancelled.
    pub(super) async fn cancelled(&self) {
        let mut cancelled = self.cancelled.subscribe();
        _ = cancelled.wait_for(Option::is_some).await;
    }

    /// The deadline has passed: what waits is lost.
    pub(super) fn drop_rest(&self) {
        let mut state = self.lock();
        let rest: Vec<_> = std::mem::take(&mut state.failed)
            .into_iter()
            .chain(std::mem::take(&mut state.waiting))
            .collect();
        state.waiting_bytes = 0;
        drop(state);
        for batch in rest {
            let (len, is_ambiguous) = (batch.len(), batch.is_ambiguous);
            batch.dropped(match is_ambiguous {
                true => DropReason::AmbiguousShutdown,
                false => DropReason::ShutdownDeadline,
            });
            self.settled(len);
        }
    }

    pub(super) fn account(&self) -> DestinationAccount {
        let (is_up, has_spool, queued_bytes, last_error) = {
            let state = self.lock();
            let held = state.held_bytes as u64;
            (!state.is_down, state.spool.is_some(), held, state.last_error.clone())
        };
        let (name, ledger) = (self.name.clone(), self.ledger.snapshot());
        DestinationAccount { name, ledger, is_up, has_spool, queued_bytes, last_error }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pop(&mut self) -> Option<Batch> {
        let batch = self.waiting.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(batch.len());
        Some(batch)
    }

    /// Whether the requests that wait go to the disk, if there is one.
    fn is_diverted(&self, max_bytes: usize) -> bool {
        !self.waiting.is_empty() && (self.is_down || self.waiting_bytes > max_bytes / 2)
    }
}
