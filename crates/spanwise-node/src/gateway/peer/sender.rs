//! Sends the batches of a peer, each until it has an outcome.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use spanwise_export::sans_io::drop_reason;
use spanwise_ledger::DropReason;
use spanwise_transport::{Bytes, Delivery, Failure, FramedRequest, Outcome, PREFIX};
use spanwise_wire::{RequestLimits, RequestPart};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::queue::Batch;
use super::{Peer, PeerCounts, PeerOwner, Phase};
use crate::rejection::Rejection;

/// Starts the senders of a peer, which run on `runtime`.
pub(crate) fn start(peer: &Arc<Peer>, owner: &Weak<dyn PeerOwner>, runtime: &Handle) {
    for _ in 0..CONCURRENT_REQUESTS {
        let sender = Sender { peer: Arc::clone(peer), owner: Weak::clone(owner) };
        runtime.spawn(sender.run());
    }
}

/// One of the tasks that send to a peer.
pub(super) struct Sender {
    pub(super) peer: Arc<Peer>,
    pub(super) owner: Weak<dyn PeerOwner>,
}

impl Sender {
    pub(super) async fn run(self) {
        while let Some(batch) = self.peer.queue.next().await {
            self.deliver(batch).await;
            if let Some(owner) = self.owner.upgrade() {
                owner.ended();
            }
        }
    }

    /// Sends a batch until it has an outcome, or its halves wait behind the other batches.
    async fn deliver(&self, batch: Batch) {
        let peer = &*self.peer;
        let Batch { prefixed, tickets, is_alone, held, not_taken_at, divisions } = batch;
        let mut memory = None;
        let framed = FramedRequest::in_prefixed_memory(prefixed, |prefixed| {
            memory.insert(Bytes::from(prefixed)).clone()
        });
        let (Ok(framed), Some(memory)) = (framed, memory) else {
            // Each batch has a prefix.
            PeerCounts::add(&peer.counts.dropped, tickets.len());
            return tickets.dropped(DropReason::Transport);
        };
        let delivery = self.send(&framed).await;
        drop(framed);
        let (spans, phase) = (tickets.len(), *peer.phase.borrow());
        let prefixed = Vec::from(memory);
        let mut batch = Batch { prefixed, tickets, is_alone, held, not_taken_at, divisions };
        match &delivery.outcome {
            Outcome::Accepted { rejected, .. } => {
                let refused = batch.tickets.split(*rejected);
                PeerCounts::add(&peer.counts.sent, batch.spans());
                PeerCounts::add(&peer.counts.dropped, refused.len());
                refused.dropped(DropReason::PartialRejected);
                batch.tickets.exported();
            }
            Outcome::Failed(Failure::TooLarge) if spans > 1 => match halves(batch) {
                Ok(halves) => halves.into_iter().for_each(|half| self.put_back(half, &delivery)),
                Err(batch) => peer.dropped(batch, DropReason::TooLarge),
            },
            Outcome::Failed(_) if is_retryable(&delivery) => match phase {
                Phase::Serving => self.not_taken(batch, &delivery),
                Phase::Left | Phase::Stopped => self.interrupted(batch, phase, &delivery),
            },
            Outcome::Failed(failure) if spans > 1 && self.may_divide(&mut batch, &delivery) => {
                let reason = drop_reason(failure, delivery.may_have_been_accepted());
                match halves(batch) {
                    Ok(halves) => {
                        halves.into_iter().for_each(|half| self.put_back(half, &delivery))
                    }
                    Err(batch) => peer.dropped(batch, reason),
                }
            }
            Outcome::Failed(failure) => {
                peer.dropped(batch, drop_reason(failure, delivery.may_have_been_accepted()));
            }
        }
    }

    /// Sends a request until it has an answer that no repetition changes, the peer ends, or the peer has answered others, and this one
    /// has waited in vain for the time after which a peer is unreachable.
    async fn send(&self, framed: &FramedRequest) -> Delivery {
        let Self { peer, owner } = self;
        let (mut delay, mut first_failure) = (FIRST_DELAY, None);
        loop {
            let (begun, mut phase) = (Instant::now(), peer.phase.subscribe());
            let stopped = async { _ = phase.wait_for(|phase| *phase == Phase::Stopped).await };
            let delivery = peer.transport.send_with_cancel(framed.clone(), stopped).await;
            let silence = peer.note(&delivery, begun);
            if !is_retryable(&delivery) {
                return delivery;
            }
            if let (Some(silence), Some(owner)) = (silence, owner.upgrade()) {
                owner.unanswered(peer, silence);
            }
            let first_failure = *first_failure.get_or_insert(begun);
            let is_over = first_failure.elapsed() >= peer.patience;
            if is_over && peer.has_answered_since(first_failure) {
                return delivery;
            }
            let mut phase = peer.phase.subscribe();
            // The transport has its own delays between attempts: this one is between its requests.
            let serving = phase.wait_for(|phase| *phase != Phase::Serving);
            if timeout(delay, serving).await.is_ok() {
                return delivery;
            }
            delay = (delay * 2).min(MAX_DELAY);
        }
    }

    /// The peer answers, and did not take this batch for the whole time: its halves, or itself for a second time, follow the batches that
    /// wait, none of which it holds up. One that cannot be halved is lost then, if the peer takes others.
    fn not_taken(&self, mut batch: Batch, delivery: &Delivery) {
        let first = *batch.not_taken_at.get_or_insert_with(Instant::now);
        match halves(batch) {
            Ok(halves) => halves.into_iter().for_each(|half| self.put_back(half, delivery)),
            Err(batch) if !batch.is_alone || !self.peer.has_accepted_since(first) => {
                self.put_back(Batch { is_alone: true, ..batch }, delivery);
            }
            Err(batch) => {
                let Outcome::Failed(failure) = &delivery.outcome else { return };
                let reason = drop_reason(failure, delivery.may_have_been_accepted());
                self.peer.dropped(batch, reason);
            }
        }
    }

    /// Whether a batch that was refused because of some spans is divided to find them.
    fn may_divide(&self, batch: &mut Batch, delivery: &Delivery) -> bool {
        if Rejection::of(delivery) != Some(Rejection::Content) {
            return false;
        }
        let permitted = || Arc::new(AtomicU32::new(self.peer.divisions()));
        let divisions = batch.divisions.get_or_insert_with(permitted);
        divisions.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// Adds a batch behind those that wait; it counts as routed already.
    fn put_back(&self, batch: Batch, delivery: &Delivery) {
        if let Err(batch) = self.peer.queue.push(batch) {
            let phase = *self.peer.phase.borrow();
            self.interrupted(batch, phase, delivery);
        }
    }

    /// The peer ended before the batch had an outcome.
    fn interrupted(&self, batch: Batch, phase: Phase, delivery: &Delivery) {
        let is_ambiguous = delivery.may_have_been_accepted();
        match self.owner.upgrade() {
            Some(owner) if phase == Phase::Left => {
                PeerCounts::add(&self.peer.counts.rerouted, batch.spans());
                owner.take_back(batch);
            }
            _ => self.peer.dropped(batch, drop_reason(&Failure::Shutdown, is_ambiguous)),
        }
    }
}

/// Whether the same request may be accepted later: without an answer, or with one that asks for patience.
fn is_retryable(delivery: &Delivery) -> bool {
    let Outcome::Failed(failure) = &delivery.outcome else { return false };
    Rejection::of(delivery) == Some(Rejection::Access)
        || matches!(
            failure,
            Failure::RetryDeadline { .. } | Failure::AmbiguousTimeout | Failure::Tls
        )
}

/// The two halves of a batch.
///
/// # Errors
/// The batch, if it has one span, its framing is malformed, or its halves are not much smaller.
fn halves(mut batch: Batch) -> Result<[Batch; 2], Batch> {
    let spans = batch.spans();
    if spans < 2 {
        return Err(batch);
    }
    let limits = RequestLimits::default().with_prefix(PREFIX).with_max_bytes(usize::MAX);
    let first = limits.with_max_spans(usize::try_from(spans / 2).unwrap_or(usize::MAX).max(1));
    let planned = |skipped, limits| RequestPart::plan(batch.message(), skipped, limits);
    let (Ok(Some(first)), Ok(Some(second))) =
        (planned(0, first), planned(spans / 2, limits.with_max_spans(usize::MAX)))
    else {
        return Err(batch);
    };
    // Halves that together are much larger than the whole repeat a resource that is most of it.
    let bytes = first.encoded_len() + second.encoded_len();
    if first.spans() + second.spans() != spans || bytes > batch.prefixed.len() / 2 * 3 {
        return Err(batch);
    }
    let [first_half, second_half] =
        [first, second].map(|part| (part.spans(), part.write(Vec::new()).into_bytes()));
    let tickets = batch.tickets.split(first_half.0);
    // The charges last until both halves have ended.
    let mut held = batch.held.shared(2);
    let (not_taken_at, divisions) = (batch.not_taken_at, batch.divisions);
    let mut half = |prefixed, tickets| {
        let (held, divisions) = (held.pop().unwrap_or_default(), divisions.clone());
        Batch { prefixed, tickets, is_alone: true, held, not_taken_at, divisions }
    };
    Ok([half(first_half.1, tickets), half(second_half.1, batch.tickets)])
}

const FIRST_DELAY: Duration = Duration::from_millis(50);
const MAX_DELAY: Duration = Duration::from_secs(2);
/// Requests to a peer at once.
const CONCURRENT_REQUESTS: usize = 4;
