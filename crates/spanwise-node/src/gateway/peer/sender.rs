//! Sends the batches of a peer, each until it has an outcome.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use spanwise_ledger::DropReason;
use spanwise_transport::{Bytes, Delivery, Failure, FramedRequest, Outcome, PREFIX};
use spanwise_wire::{RequestLimits, RequestPart};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::queue::Batch;
use super::{Peer, PeerCounts, PeerOwner, Phase};

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
            // The parts of a batch that the peer refuses as too large.
            let mut parts = vec![batch];
            while let Some(batch) = parts.pop() {
                self.deliver(batch, &mut parts).await;
            }
            if let Some(owner) = self.owner.upgrade() {
                owner.ended();
            }
        }
    }

    /// Sends a batch until it has an outcome.
    async fn deliver(&self, batch: Batch, parts: &mut Vec<Batch>) {
        let Self { peer, owner } = self;
        let Batch { prefixed, tickets, held } = batch;
        let mut memory = None;
        let framed = FramedRequest::in_prefixed_memory(prefixed, |prefixed| {
            memory.insert(Bytes::from(prefixed)).clone()
        });
        let (Ok(framed), Some(memory)) = (framed, memory) else {
            // Each batch has a prefix.
            PeerCounts::add(&peer.counts.dropped, tickets.len());
            return tickets.dropped(DropReason::Transport);
        };
        let mut delay = FIRST_DELAY;
        let delivery = loop {
            let (begun, mut phase) = (Instant::now(), peer.phase.subscribe());
            let stopped = async { _ = phase.wait_for(|phase| *phase == Phase::Stopped).await };
            let delivery = peer.transport.send_with_cancel(framed.clone(), stopped).await;
            let silence = peer.note(&delivery, begun);
            if !is_retryable(&delivery) {
                break delivery;
            }
            if let (Some(silence), Some(owner)) = (silence, owner.upgrade()) {
                owner.unanswered(peer, silence);
            }
            let mut phase = peer.phase.subscribe();
            // The transport has its own delays between attempts: this one is between its requests.
            let serving = phase.wait_for(|phase| *phase != Phase::Serving);
            if timeout(delay, serving).await.is_ok() {
                break delivery;
            }
            delay = (delay * 2).min(MAX_DELAY);
        };
        drop(framed);
        let spans = tickets.len();
        let mut batch = Batch { prefixed: Vec::from(memory), tickets, held };
        match &delivery.outcome {
            Outcome::Accepted { rejected, .. } => {
                let refused = batch.tickets.split(*rejected);
                PeerCounts::add(&peer.counts.sent, batch.spans());
                PeerCounts::add(&peer.counts.dropped, refused.len());
                refused.dropped(DropReason::PartialRejected);
                batch.tickets.exported();
            }
            Outcome::Failed(Failure::TooLarge) if spans > 1 => match halves(batch) {
                Ok(halves) => parts.extend(halves),
                Err(batch) => peer.dropped(batch, DropReason::TooLarge),
            },
            Outcome::Failed(_) if is_retryable(&delivery) => match owner.upgrade() {
                Some(owner) if *peer.phase.borrow() == Phase::Left => {
                    PeerCounts::add(&peer.counts.rerouted, spans);
                    owner.take_back(batch);
                }
                _ => peer.dropped(batch, shutdown_reason(&delivery)),
            },
            Outcome::Failed(failure) => peer.dropped(batch, reason(failure, &delivery)),
        }
    }
}

/// Whether the same request may be accepted later: without an answer, or with one that asks for patience.
fn is_retryable(delivery: &Delivery) -> bool {
    let Outcome::Failed(failure) = &delivery.outcome else { return false };
    matches!(failure, Failure::RetryDeadline { .. } | Failure::AmbiguousTimeout | Failure::Tls)
}

fn shutdown_reason(delivery: &Delivery) -> DropReason {
    if delivery.may_have_been_accepted() {
        DropReason::AmbiguousShutdown
    } else {
        DropReason::ShutdownDeadline
    }
}

/// The reason for which the spans of a request are lost that is not sent again.
fn reason(failure: &Failure, delivery: &Delivery) -> DropReason {
    match failure {
        Failure::Shutdown => shutdown_reason(delivery),
        Failure::AmbiguousResponse => DropReason::AmbiguousResponse,
        Failure::ResponseTooLarge => DropReason::ResponseTooLarge,
        Failure::SinkPanicked => DropReason::ExporterPanic,
        _ if delivery.may_have_been_accepted() => DropReason::AmbiguousTimeout,
        Failure::Rejected { .. } => DropReason::Rejected,
        Failure::Redirect { .. } => DropReason::Redirect,
        Failure::TooLarge => DropReason::TooLarge,
        _ => DropReason::Transport,
    }
}

/// The two halves of a batch, the second one first.
///
/// # Errors
/// The batch, if its framing is malformed, or its halves are not much smaller.
fn halves(mut batch: Batch) -> Result<[Batch; 2], Batch> {
    let spans = batch.spans();
    let limits = RequestLimits::default().with_prefix(PREFIX).with_max_bytes(usize::MAX);
    let first = limits.with_max_spans(usize::try_from(spans / 2).unwrap_or(usize::MAX).max(1));
    let planned = |skipped, limits| RequestPart::plan(batch.message(), skipped, limits);
    let (Ok(Some(first)), Ok(Some(second))) =
        (planned(0, first), planned(spans / 2, limits.with_max_spans(usize::MAX)))
    else {
        return Err(batch);
    };
    // Halves that are nearly as large as the whole repeat a resource that is too large for the peer.
    let larger = first.encoded_len().max(second.encoded_len());
    if first.spans() + second.spans() != spans || larger > batch.prefixed.len() / 4 * 3 {
        return Err(batch);
    }
    let [first_half, second_half] =
        [first, second].map(|part| (part.spans(), part.write(Vec::new()).into_bytes()));
    let tickets = batch.tickets.split(first_half.0);
    // The charges last until both halves have ended.
    let mut held = batch.held.shared(2);
    let mut half =
        |prefixed, tickets| Batch { prefixed, tickets, held: held.pop().unwrap_or_default() };
    Ok([half(second_half.1, batch.tickets), half(first_half.1, tickets)])
}

const FIRST_DELAY: Duration = Duration::from_millis(50);
const MAX_DELAY: Duration = Duration::from_secs(2);
/// Requests to a peer at once.
const CONCURRENT_REQUESTS: usize = 4;
