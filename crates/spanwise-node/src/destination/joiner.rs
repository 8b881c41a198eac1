//! Joins small requests: their bytes one behind the other are one request.

#[cfg(test)]
mod tests;

use super::batch::{Batch, Charges, framed, max_copied};
use super::queue::Queue;
use super::transports::Numbered;
use crate::memory::Memory;
use crate::stage::OwnedRequest;
use spanwise_batch::{Budget, Charge};
use spanwise_ledger::{DropReason, Tickets};
use spanwise_transport::PREFIX;
use spanwise_wire::{RequestLimits, RequestPart};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Joins small requests, and hands each queue the result.
///
/// An `ExportTraceServiceRequest` is one repeated field, so that two of them, one behind the other, are a request with the groups of both.
pub(super) struct Joiner {
    limits: JoinerLimits,
    queues: Arc<[Arc<Queue>]>,
    open: Mutex<Option<Open>>,
    opened: Notify,
    is_closing: AtomicBool,
    /// Bytes of the last joined request: the capacity of the next.
    last_bytes: AtomicUsize,
    requests: Budget,
    /// The memory of `open` beyond its requests.
    _charge: Option<Charge>,
}

/// The limits of a joined request.
#[derive(Debug, Clone, Copy)]
pub(super) struct JoinerLimits {
    pub(super) max_spans: u64,
    pub(super) max_bytes: usize,
    /// A single larger request leaves in parts.
    pub(super) max_request_bytes: usize,
    /// One that cannot be divided leaves whole, unless it is larger than this: a spool would refuse it.
    pub(super) max_whole_bytes: usize,
    pub(super) timeout: Duration,
}

/// The request that is being joined.
struct Open {
    /// With space for the prefix of gRPC in front.
    bytes: Vec<u8>,
    spans: u64,
    charges: Charges,
    /// Of each destination.
    tickets: Vec<Tickets>,
    since: Instant,
}

impl Joiner {
    pub(super) fn new(limits: JoinerLimits, queues: Arc<[Arc<Queue>]>, memory: &Memory) -> Self {
        Self {
            limits,
            queues,
            open: Mutex::new(None),
            opened: Notify::new(),
            is_closing: AtomicBool::new(false),
            last_bytes: AtomicUsize::new(0),
            requests: memory.requests.clone(),
            _charge: memory.requests.try_charge(limits.max_bytes),
        }
    }

    /// Whether no destination can ever have a request of `bytes` bytes with this number of spans.
    pub(super) fn is_too_large(&self, bytes: usize, spans: u64) -> bool {
        spans == 1 && !self.is_storable(bytes + PREFIX)
    }

    /// Copies a request behind those that wait.
    pub(super) fn accept(&self, request: OwnedRequest) {
        let OwnedRequest { bytes, spans, charge } = request;
        let mut full = Vec::new();
        let mut open = self.lock();
        if open.as_ref().is_some_and(|it| it.bytes.len() + bytes.len() > self.limits.max_bytes) {
            full.extend(open.take());
        }
        let is_new = open.is_none();
        let joined = open.get_or_insert_with(|| self.open(bytes.len()));
        joined.bytes.extend_from_slice(&bytes);
        joined.spans += spans;
        joined.add_charge(charge);
        for (tickets, queue) in joined.tickets.iter_mut().zip(&*self.queues) {
            tickets.merge(queue.tickets(spans));
        }
        let is_full =
            joined.spans >= self.limits.max_spans || joined.bytes.len() >= self.limits.max_bytes;
        // Behind the lock: what is open then is closed by `close_all`.
        if is_full || self.limits.timeout.is_zero() || self.is_closing.load(Relaxed) {
            full.extend(open.take());
        } else if is_new {
            self.opened.notify_one();
        }
        drop(open);
        full.into_iter().for_each(|open| self.close(open));
    }

    /// Hands the queues the request that is being joined, and each later one at once.
    pub(super) fn close_all(&self) {
        self.is_closing.store(true, Relaxed);
        let open = self.lock().take();
        open.into_iter().for_each(|open| self.close(open));
    }

    /// Hands the queues each request that has waited for the timeout. Never returns.
    pub(super) async fn run(&self) {
        loop {
            let since = self.lock().as_ref().map(|open| open.since);
            let Some(since) = since else {
                self.opened.notified().await;
                continue;
            };
            let due = since + self.limits.timeout;
            if Instant::now() < due {
                tokio::time::sleep_until(due.into()).await;
                continue;
            }
            let is_due = |open: &mut Open| open.since <= since;
            let open = self.lock().take_if(is_due);
            open.into_iter().for_each(|open| self.close(open));
        }
    }

    fn open(&self, bytes: usize) -> Open {
        let capacity = self.last_bytes.load(Relaxed).max(bytes);
        let mut memory = Vec::with_capacity(PREFIX + capacity);
        memory.resize(PREFIX, 0);
        Open {
            bytes: memory,
            spans: 0,
            charges: Charges { own: Vec::new(), shared: Vec::new() },
            tickets: self.queues.iter().map(|queue| queue.tickets(0)).collect(),
            since: Instant::now(),
        }
    }

    fn close(&self, open: Open) {
        let Open { mut bytes, spans, charges, tickets, .. } = open;
        let is_large = bytes.len() > self.limits.max_request_bytes + PREFIX && spans > 1;
        let may_be_whole = self.is_storable(bytes.len());
        if is_large && let Some((parts, more)) = self.divided(&bytes) {
            // Bytes of the parts beyond the bytes of the request.
            let charge = if more > 0 { self.requests.try_charge_reserved(more) } else { None };
            if charge.is_some() || more == 0 || !may_be_whole {
                return self.push_parts(parts, (charges, charge), tickets);
            }
        }
        if !may_be_whole {
            return tickets.into_iter().for_each(|tickets| tickets.dropped(DropReason::TooLarge));
        }
        self.last_bytes.store(bytes.len().min(self.limits.max_bytes), Relaxed);
        bytes.shrink_to_fit();
        self.push(bytes, charges, (spans, tickets));
    }

    /// Whether each spool stores a request of `len` bytes with the prefix.
    fn is_storable(&self, len: usize) -> bool {
        len <= self.limits.max_whole_bytes.saturating_add(PREFIX)
    }

    /// The parts of one request that is larger than the limit, and how many bytes they have beyond its own: each repeats the resources of its
    /// spans. `None` if they would be far larger than the request.
    fn divided<'b>(&self, bytes: &'b [u8]) -> Option<(Vec<RequestPart<'b>>, usize)> {
        let message = bytes.get(PREFIX..)?;
        let limits = RequestLimits::default()
            .with_prefix(PREFIX)
            .with_max_spans(usize::MAX)
            .with_max_bytes(self.limits.max_request_bytes);
        let (mut parts, mut skipped, mut copied) = (Vec::new(), 0, 0);
        while let Some(part) = RequestPart::plan(message, skipped, limits).ok()? {
            skipped += part.spans();
            copied += part.encoded_len();
            if copied > max_copied(message.len()) {
                return None;
            }
            parts.push(part);
        }
        Some((parts, copied.saturating_sub(message.len())))
    }

    /// The parts share the charges.
    fn push_parts(
        &self,
        parts: Vec<RequestPart<'_>>,
        charges: (Charges, Option<Charge>),
        mut tickets: Vec<Tickets>,
    ) {
        let charges = Arc::new(charges);
        for part in parts {
            let spans = part.spans();
            let of_part: Vec<Tickets> = tickets.iter_mut().map(|all| all.split(spans)).collect();
            // One span has as many bytes as its client gave it.
            if !self.is_storable(part.encoded_len()) {
                of_part.into_iter().for_each(|tickets| tickets.dropped(DropReason::TooLarge));
                continue;
            }
            let bytes = part.write(Vec::new()).into_bytes();
            self.push(bytes, Arc::clone(&charges), (spans, of_part));
        }
        // None is left, since a receiver has checked the framing.
        tickets.into_iter().for_each(|tickets| tickets.dropped(DropReason::TooLarge));
    }

    fn push<C: Send + Sync + 'static>(
        &self,
        bytes: Vec<u8>,
        charges: C,
        (spans, tickets): (u64, Vec<Tickets>),
    ) {
        // Bodies wait with the request for the last of its destinations.
        let of_bodies = self.charge_of_bodies(bytes.len());
        let is_shared = of_bodies.is_some();
        // Never an error: the prefix is there, and the memory stays the same.
        let Ok(mut request) = framed(bytes, (charges, of_bodies)) else { return };
        if is_shared {
            request = request.with_shared_bodies();
        }
        for (queue, tickets) in self.queues.iter().zip(tickets) {
            let request = request.clone();
            queue.push(Batch::new(request, spans, tickets));
        }
    }

    /// Charges the bodies of a request that its destinations share, one of each kind. `None`: no two of them send the same bodies, or there is
    /// no space; each makes its own then, while it sends.
    fn charge_of_bodies(&self, len: usize) -> Option<Charge> {
        if self.queues.len() < 2 {
            return None;
        }
        let (mut bytes, mut is_shared) = (0_usize, false);
        let mut kinds = Vec::<Arc<Numbered>>::with_capacity(self.queues.len());
        for transport in self.queues.iter().map(|queue| queue.transport()) {
            if kinds.iter().any(|known| known.sends_same_bodies(&transport)) {
                is_shared = true;
            } else if transport.sends_same_bodies(&transport) {
                bytes = bytes.saturating_add(transport.compressed_bound(len));
                kinds.push(transport);
            }
        }
        is_shared.then(|| self.requests.try_charge_reserved(bytes)).flatten()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn add_charge(&mut self, charge: Arc<Charge>) {
        match Arc::try_unwrap(charge) {
            Ok(charge) => match self.charges.own.last_mut() {
                Some(own) => {
                    if let Err(other) = own.merge(charge) {
                        self.charges.own.push(other);
                    }
                }
                None => self.charges.own.push(charge),
            },
            Err(shared) => self.charges.shared.push(shared),
        }
    }
}
