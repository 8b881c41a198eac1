//! Sends the requests of one destination.

#[cfg(test)]
mod tests;

use super::batch::{Batch, book, framed, max_copied};
use super::division::Division;
use super::queue::Queue;
use super::transports::Numbered;
use crate::memory::{CopyCharge, Memory};
use crate::rejection::Rejection;
use spanwise_export::sans_io::{count_request, is_retryable};
use spanwise_ledger::DropReason;
use spanwise_transport::{Delivery, Failure, FramedRequest, Outcome, PREFIX};
use spanwise_wire::{RequestLimits, RequestPart};
use std::sync::Arc;

/// Sends requests of `queue`, one at a time, until they are cancelled.
pub(super) async fn run(queue: Arc<Queue>, memory: Memory) {
    while let Some(batch) = queue.next().await {
        run_one(&queue, &memory, batch).await;
    }
}

/// Sends a request of the queue.
pub(super) async fn run_one(queue: &Queue, memory: &Memory, batch: Batch) {
    let bytes = batch.len();
    match send(queue, memory, batch).await {
        Sent::Settled => queue.settled(bytes),
        // It has all spans of the request still.
        Sent::Unsent(batch) if !batch.is_rest => store(queue, batch),
        Sent::Unsent(rest) => {
            queue.add_held(&rest);
            queue.settled(bytes);
            store(queue, rest);
        }
    }
    queue.ended();
}

/// The end of a request.
pub(super) enum Sent {
    /// All spans have outcomes.
    Settled,
    /// Another attempt, later, may succeed: the request, or what is left of it.
    Unsent(Batch),
}

/// Hands the request to the spool, or books its loss.
fn store(queue: &Queue, batch: Batch) {
    if let Err(batch) = queue.store(batch) {
        let bytes = batch.len();
        let reason = batch.on_loss.unwrap_or(DropReason::RetryDeadline);
        batch.dropped(reason);
        queue.settled(bytes);
    }
}

/// Sends a request, in parts if the destination refuses it as too large, or because of some of its spans.
pub(super) async fn send(queue: &Queue, memory: &Memory, mut batch: Batch) -> Sent {
    let copies = match batch.has_copies {
        true => 0,
        false => queue.transport().compressed_bound(batch.len()),
    };
    let mut attempt = Attempt { queue, memory, has_firewall: false };
    let Answer { delivery, rejection, was_interrupted } =
        attempt.send(&batch.request, copies).await;
    batch.is_ambiguous |= was_interrupted;
    let mut division = Division::of_whole(batch.spans);
    if division.lower((&delivery, rejection), &(0..batch.spans), batch.len(), queue) {
        return send_in_parts(attempt, batch, division).await;
    }
    queue.note(&delivery, rejection);
    if queue.may_retry(&delivery, rejection) {
        return Sent::Unsent(batch.unsent(&delivery));
    }
    batch.book(&delivery);
    Sent::Settled
}

/// Sends the parts of a request, one at a time.
async fn send_in_parts(mut attempt: Attempt<'_>, mut batch: Batch, mut division: Division) -> Sent {
    let (queue, memory) = (attempt.queue, attempt.memory);
    let (mut skipped, mut copied) = (0, 0);
    loop {
        let planned = RequestPart::plan(batch.request.message(), skipped, division.limits());
        let Some(part) = planned.ok().flatten() else { break };
        let (range, bytes) = (skipped..skipped + part.spans(), part.encoded_len());
        copied += bytes;
        if copied > 4 * max_copied(batch.len()) {
            // Each part repeats the resources of its spans, which are too large for that.
            if division.is_by_size() {
                break;
            }
            // The rest may have the spans of other clients.
            division.rest_as_it_is();
            copied = 0;
            continue;
        }
        let copies = match batch.has_copies {
            true => 0,
            false => bytes + queue.transport().compressed_bound(bytes),
        };
        let part = FramedRequest::from(part.write(Vec::new()));
        let Answer { delivery, rejection, was_interrupted } = attempt.send(&part, copies).await;
        if was_interrupted {
            division.set_ambiguous_until(range.end);
        }
        let is_ambiguous = division.is_ambiguous_at(skipped);
        if division.lower((&delivery, rejection), &range, bytes, queue) {
            continue;
        }
        queue.note(&delivery, rejection);
        if queue.may_retry(&delivery, rejection) {
            batch.is_ambiguous |= is_ambiguous;
            return rest(memory, batch, skipped, &delivery);
        }
        let tickets = batch.tickets.split(range.end - range.start);
        book(tickets, &delivery, batch.is_ambiguous || is_ambiguous);
        division.advance(range.end, delivery.is_accepted());
        skipped = range.end;
    }
    // None is left, unless the bytes are no request.
    batch.tickets.dropped(DropReason::TooLarge);
    Sent::Settled
}

/// The request without its first `skipped` spans.
fn rest(memory: &Memory, batch: Batch, skipped: u64, delivery: &Delivery) -> Sent {
    if skipped == 0 {
        return Sent::Unsent(batch.unsent(delivery));
    }
    let limits = RequestLimits::default()
        .with_prefix(PREFIX)
        .with_max_spans(usize::MAX)
        .with_max_bytes(usize::MAX);
    let part = RequestPart::plan(batch.request.message(), skipped, limits).ok().flatten();
    // A rest of a rest has the memory of the first request, and not of those between.
    let whole = batch.whole.clone().unwrap_or_else(|| Box::new(batch.request.clone()));
    let request = part.map(|part| {
        let bytes = part.write(Vec::new()).into_bytes();
        let charge = memory.requests.try_charge_reserved(bytes.len());
        framed(bytes, (whole.clone(), charge))
    });
    match request {
        Some(Ok(request)) => {
            let spans = batch.spans.saturating_sub(skipped);
            let rest = Batch { request, spans, is_rest: true, whole: Some(whole), ..batch };
            Sent::Unsent(rest.unsent(delivery))
        }
        _ => {
            batch.tickets.dropped(DropReason::TooLarge);
            Sent::Settled
        }
    }
}

/// The attempts of a request and its parts.
struct Attempt<'a> {
    queue: &'a Queue,
    memory: &'a Memory,
    /// A firewall refuses parts of the request for their content.
    has_firewall: bool,
}

/// The end of the attempts of a request or a part.
struct Answer {
    delivery: Delivery,
    rejection: Option<Rejection>,
    /// The destination may have it from an earlier transport.
    was_interrupted: bool,
}

impl Attempt<'_> {
    /// Sends a request as it is, with the next transport too if an attempt fails and a reload replaces the first one meanwhile. Copies take
    /// `copies` bytes.
    async fn send(&mut self, request: &FramedRequest, copies: usize) -> Answer {
        let (queue, memory) = (self.queue, self.memory);
        // A cancelled request ends without an attempt.
        let _copies: Option<CopyCharge> = match copies {
            0 => None,
            _ => tokio::select! {
                charge = memory.copies.charge(copies) => Some(charge),
                () = queue.cancelled() => None,
            },
        };
        let mut was_interrupted = false;
        loop {
            let transport = queue.transport();
            let delivery = transport.send(request.clone(), queue.cancelled()).await;
            count_request(queue.ledger(), Some(&delivery));
            let rejection = self.rejection(&transport, &delivery).await;
            // Each further turn needs a further reload.
            let is_worth_another = queue.cancelled_until().is_none()
                && transport.is_replaced()
                && (is_interrupted(&delivery)
                    || is_retryable(&delivery)
                    || rejection == Some(Rejection::Access));
            if !is_worth_another {
                return Answer { delivery, rejection, was_interrupted };
            }
            was_interrupted |= delivery.may_have_been_accepted();
        }
    }

    /// Why the destination refuses a request for good. A firewall refuses one for its content with a status that denies access, too: a request
    /// without spans shows which it is.
    async fn rejection(&mut self, transport: &Numbered, delivery: &Delivery) -> Option<Rejection> {
        let (queue, rejection) = (self.queue, Rejection::of(delivery));
        if !Rejection::is_forbidden(delivery) || !(self.has_firewall || queue.may_ask_for_access())
        {
            return rejection;
        }
        let ended = async {
            tokio::select! {
                () = queue.cancelled() => {}
                () = transport.replaced() => {}
            }
        };
        // Its attempts are none of the destination's requests.
        let answer = (**transport).send_with_cancel(FramedRequest::from(Vec::new()), ended).await;
        count_request(queue.ledger(), Some(&answer));
        self.has_firewall = answer.is_accepted();
        if self.has_firewall { Some(Rejection::Content) } else { rejection }
    }
}

fn is_interrupted(delivery: &Delivery) -> bool {
    matches!(delivery.outcome, Outcome::Failed(Failure::Shutdown))
}
