//! The requests that wait for one destination.

use super::batch::Batch;
use super::spool_link::SpoolLink;
use super::transports::{Numbered, Transports};
use crate::account::{DestinationAccount, SpoolState};
use crate::memory::Memory;
use crate::rejection::{Rejection, Rejections};
use crate::settings::DestinationSettings;
use spanwise_export::SpoolUsage;
use spanwise_export::sans_io::is_retryable;
use spanwise_ledger::{DropReason, Ledger, Tickets};
use spanwise_transport::{Delivery, Failure, Outcome, Transport};
use spanwise_worker::Notifier;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// The requests that wait for one destination, shared by its senders, its spool and the joiner.
pub(super) struct Queue {
    name: String,
    ledger: Ledger,
    max_bytes: usize,
    transports: Transports,
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
    /// Requests are sent nevertheless, to find out whether that is so still.
    is_probing: bool,
    rejections: Rejections,
    /// The time of the next request without spans.
    next_question: Option<Instant>,
    /// The deadline has passed: no request is taken.
    is_over: bool,
    spool: Option<SpoolLink>,
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
            transports: Transports::new(transport),
            state: Mutex::default(),
            work: Notify::new(),
            cancelled: watch::Sender::new(None),
        }
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(super) fn transport(&self) -> Arc<Numbered> {
        self.transports.current()
    }

    /// The next attempts have this transport. The destination may be another one.
    pub(super) fn set_transport(&self, transport: Transport) {
        self.lock().rejections.end();
        self.transports.replace(transport);
    }

    #[cfg(test)]
    pub(super) fn is_failing(&self) -> bool {
        self.transports.attempts().is_failing()
    }

    /// Whether the same request may be accepted later. A destination that refuses all requests may have other credentials then: a spool has
    /// time for that.
    pub(super) fn may_retry(&self, delivery: &Delivery, rejection: Option<Rejection>) -> bool {
        is_retryable(delivery) || rejection == Some(Rejection::Access) && self.has_spool()
    }

    /// The rejections for which a request that is refused because of some spans is divided to find them.
    pub(super) fn divisions(&self) -> u32 {
        self.lock().rejections.divisions(Instant::now())
    }

    /// Whether a request without spans may find out why access was denied: once a second, for a destination that denies it to all.
    pub(super) fn may_ask_for_access(&self) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        let is_due = !state.is_down || state.next_question.is_none_or(|next| now >= next);
        if is_due {
            state.next_question = Some(now + ASK_EVERY);
        }
        is_due
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
        if state.is_over {
            drop(state);
            return batch.dropped(DropReason::ShutdownDeadline);
        }
        state.held_bytes += batch.len();
        state.held += 1;
        state.waiting_bytes += batch.len();
        state.waiting.push_back(batch);
        let spool = state.notifier().filter(|_| state.is_diverted(self.max_bytes));
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

    /// The next request to send, if one may be sent now. [`ended`](Self::ended) follows.
    pub(super) fn take(&self) -> Option<Batch> {
        let mut state = self.lock();
        // With a spool, a destination that is down gets a stored request first: its task decides when.
        if state.is_held_back() && state.spool.is_some() {
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

    /// Hands the spool a request that a sender took and that failed; it waits for the senders again while the disk does not store.
    ///
    /// # Errors
    /// The request, if there is no spool.
    pub(super) fn store(&self, batch: Batch) -> Result<(), Batch> {
        let mut state = self.lock();
        let Some(spool) = &state.spool else { return Err(batch) };
        let (notifier, is_up) = (spool.notifier.clone(), spool.state == SpoolState::Up);
        match is_up {
            true => state.failed.push_back(batch),
            false => state.wait_again(batch),
        }
        drop(state);
        notifier.notify();
        Ok(())
    }

    /// A request that the disk did not store waits again, behind the others: one that it never stores holds up none.
    pub(super) fn put_back(&self, batch: Batch) {
        self.lock().wait_again(batch);
        self.work.notify_one();
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
        let spool = state.notifier();
        drop(state);
        if self.cancelled_until().is_some() {
            spool.iter().for_each(Notifier::notify);
        }
    }

    /// Takes note of the end of a request.
    pub(super) fn note(&self, delivery: &Delivery, rejection: Option<Rejection>) {
        if matches!(delivery.outcome, Outcome::Failed(Failure::Shutdown)) {
            return;
        }
        // The end of a request decides over its attempts: a rejected one had an answer.
        self.transports.attempts().ended();
        let mut state = self.lock();
        match &delivery.outcome {
            Outcome::Accepted { .. } => {
                (state.is_down, state.is_probing) = (false, false);
                state.rejections.end();
            }
            Outcome::Failed(_) => {
                if rejection == Some(Rejection::Content) {
                    state.rejections.add();
                }
                if is_retryable(delivery) || rejection == Some(Rejection::Access) {
                    (state.is_down, state.is_probing) = (true, false);
                }
                state.last_error = Some(delivery.to_string());
            }
        }
        let is_up = !state.is_down;
        drop(state);
        if is_up {
            self.work.notify_one();
        }
    }

    /// Whether the destination is down, and no request is on its way to find out whether that is so still.
    pub(super) fn is_held_back(&self) -> bool {
        self.lock().is_held_back()
    }

    /// There is nothing on disk to find out with whether the destination is up: the next requests are sent.
    pub(super) fn probe(&self) {
        self.lock().is_probing = true;
        self.work.notify_one();
    }

    /// Whether a request waits that is for the disk.
    pub(super) fn has_some_for_spool(&self) -> bool {
        let state = self.lock();
        !state.failed.is_empty() || state.is_diverted(self.max_bytes)
    }

    /// Whether no sender has a request and none waits.
    pub(super) fn has_none_for_spool(&self) -> bool {
        let state = self.lock();
        state.in_flight == 0 && state.waiting.is_empty() && state.failed.is_empty()
    }

    /// There is a spool, which is being opened.
    pub(super) fn set_spool(&self, notifier: Notifier, usage: Option<SpoolUsage>) {
        let (state, problem) = (SpoolState::Opening, None);
        self.lock().spool = Some(SpoolLink { notifier, usage, state, problem });
    }

    /// The spool has this state from now on. Unless it stores, the requests for it wait for the senders again.
    pub(super) fn set_spool_state(&self, spool_state: SpoolState, problem: Option<String>) {
        let mut state = self.lock();
        if let Some(spool) = &mut state.spool {
            (spool.state, spool.problem) = (spool_state, problem);
        }
        if spool_state != SpoolState::Up {
            std::mem::take(&mut state.failed).into_iter().for_each(|it| state.wait_again(it));
        }
        drop(state);
        self.work.notify_one();
    }

    pub(super) fn has_spool(&self) -> bool {
        self.lock().spool.is_some()
    }

    /// Whether the spool is being opened.
    pub(super) fn is_opening(&self) -> bool {
        self.lock().spool.as_ref().is_some_and(|spool| spool.state == SpoolState::Opening)
    }

    pub(super) fn failed(&self, error: String) {
        self.lock().last_error = Some(error);
    }

    /// Ends the requests that are sent; what is left is stored until then.
    pub(super) fn cancel(&self, until: Instant) {
        self.cancelled.send_replace(Some(until));
        let spool = self.lock().notifier();
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
        state.is_over = true;
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
        let (is_up, spool, queued_bytes, last_error) = {
            let state = self.lock();
            let (held, spool) = (state.held_bytes as u64, state.spool.as_ref());
            (!state.is_down, spool.map(SpoolLink::account), held, state.last_error.clone())
        };
        // A request that is tried again and again has no end to take note of.
        let failing = self.transports.attempts().failing();
        let (is_up, last_error) = match failing {
            Some(cause) => (false, Some(cause)),
            None => (is_up, last_error),
        };
        let (name, ledger) = (self.name.clone(), self.ledger.snapshot());
        DestinationAccount { name, ledger, is_up, spool, queued_bytes, last_error }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn notifier(&self) -> Option<Notifier> {
        self.spool.as_ref().map(|spool| spool.notifier.clone())
    }

    /// A request whose bytes are held still waits behind the others.
    fn wait_again(&mut self, batch: Batch) {
        self.waiting_bytes += batch.len();
        self.waiting.push_back(batch);
    }

    fn pop(&mut self) -> Option<Batch> {
        let batch = self.waiting.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(batch.len());
        Some(batch)
    }

    fn is_held_back(&self) -> bool {
        self.is_down && !self.is_probing
    }

    /// Whether the requests that wait go to the disk, if there is one.
    fn is_diverted(&self, max_bytes: usize) -> bool {
        !self.waiting.is_empty() && (self.is_held_back() || self.waiting_bytes > max_bytes / 2)
    }
}

const ASK_EVERY: Duration = Duration::from_secs(1);
