//! The spool behind a destination: stores what the destination does not accept, and sends it once it does.

mod disk;
mod opening;
mod reading;
mod replay;
#[cfg(test)]
mod tests;

use super::batch::Batch;
use super::queue::Queue;
use super::sender::Sent;
use crate::account::SpoolState;
use crate::memory::Memory;
use disk::Disk;
use replay::Replay;
use spanwise_export::{RequestSpool, SpoolCommand, SpoolEvent, SpoolLosses, SpoolRecovery};
use spanwise_ledger::DropReason;
use spanwise_worker::{Notified, notify};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(super) use opening::open;

/// The task of a spool. Requests are the disk's while it stores; while it is being opened or fails they stay in memory, within the bytes of
/// the queue, and the destination and the disk are tried again with them.
pub(super) struct Spooler<S> {
    queue: Arc<Queue>,
    spool: S,
    memory: Memory,
    notified: Notified,
    /// The time of this step.
    now: Instant,
    disk: Disk,
    /// Requests that the disk has not acknowledged.
    storing: BTreeMap<u64, Storing>,
    next_id: u64,
    is_closing: bool,
    /// A read may find a record.
    has_records: bool,
    /// The last read failed.
    reads_fail: bool,
    replay: Replay,
    replayed: Arc<Mutex<Option<Sent>>>,
    /// Bytes of the memory that the next record is read into.
    read_bytes: usize,
    /// The destination may have spans on disk.
    may_be_delivered: bool,
    next_read: Instant,
    next_probe: Instant,
    probe_wait: Duration,
}

struct Storing {
    batch: Batch,
    /// It is what is left of the present record.
    is_rest: bool,
}

impl<S: RequestSpool> Spooler<S> {
    pub(super) fn new(
        queue: Arc<Queue>,
        mut spool: S,
        memory: &Memory,
        max_batch_bytes: usize,
    ) -> Self {
        let (notifier, notified) = notify();
        spool.set_notifier(notifier.clone());
        queue.set_spool(notifier, spool.usage());
        let now = Instant::now();
        Self {
            queue,
            spool,
            memory: memory.clone(),
            notified,
            now,
            disk: Disk::new(now),
            storing: BTreeMap::new(),
            next_id: 0,
            is_closing: false,
            has_records: false,
            reads_fail: false,
            replay: Replay::None,
            replayed: Arc::default(),
            read_bytes: max_batch_bytes,
            may_be_delivered: false,
            next_read: now,
            next_probe: now,
            probe_wait: MIN_PROBE_WAIT,
        }
    }

    /// Stores and sends until requests are cancelled, and then stores what is left.
    pub(super) async fn run(mut self) {
        while let Some(wake) = self.step(Instant::now()) {
            self.notified.wait_until(wake).await;
        }
    }

    /// Takes the events, and does what is due. Returns when the next step is due without an event; `None` at the end.
    fn step(&mut self, now: Instant) -> Option<Instant> {
        self.now = now;
        while let Some(event) = self.spool.next_event() {
            if self.event(event) {
                return self.end();
            }
        }
        self.end_replay();
        if self.disk.check_opening(now) {
            self.publish();
        }
        self.store();
        self.probe();
        self.read();
        let mut wake = self.wake().max(now + MIN_WAIT);
        if let Some(until) = self.queue.cancelled_until() {
            self.close(until);
            // Its request is cancelled, and the outcome of that comes within moments.
            let is_sending = matches!(self.replay, Replay::Sending);
            let last = if is_sending { until + LAST_OUTCOME } else { until };
            if now >= last || self.has_ended() {
                return self.end();
            }
            wake = wake.min(last);
        }
        Some(wake)
    }

    fn wake(&self) -> Instant {
        let mut wake = self.now + IDLE_WAIT;
        let mut at = |time: Instant| wake = wake.min(time);
        let is_held_back = self.queue.is_held_back();
        match &self.replay {
            Replay::None if self.may_read() => {
                at(self.next_read.max(if is_held_back { self.next_probe } else { self.now }));
            }
            Replay::Rest(_) => at(self.next_probe),
            _ => {}
        }
        if is_held_back && self.probes_from_memory() {
            at(self.next_probe);
        }
        if self.storing.is_empty() && self.queue.has_some_for_spool() {
            self.disk.next_try().into_iter().for_each(&mut at);
        }
        self.disk.open_until().into_iter().for_each(&mut at);
        wake
    }

    /// Takes an event; returns whether it is the last.
    fn event(&mut self, event: SpoolEvent) -> bool {
        match event {
            SpoolEvent::Opened(recovery) => self.opened(recovery),
            SpoolEvent::Stored { id, result } => self.stored(id, result),
            SpoolEvent::Record { buffer, spans } => self.record(buffer, spans),
            SpoolEvent::RecordTooLarge { bytes, spans, .. } => self.too_large(bytes, spans),
            SpoolEvent::Empty { .. } => {
                self.replay = Replay::None;
                (self.has_records, self.reads_fail) = (false, false);
                self.may_be_delivered = !self.storing.is_empty() && self.may_be_delivered;
            }
            SpoolEvent::ReadFailed { error, .. } => self.read_failed(&error),
            SpoolEvent::Lost(losses) => self.lost(losses),
            SpoolEvent::Failed { error } => self.disk_failed(&error),
            SpoolEvent::Unavailable { error } => self.unavailable(&error),
            SpoolEvent::Closed => return true,
            _ => {}
        }
        false
    }

    fn opened(&mut self, recovery: SpoolRecovery) {
        self.has_records |= recovery.spans > 0;
        self.may_be_delivered |= recovery.spans > 0;
        let ledger = self.queue.ledger();
        ledger.recovered(recovery.spans).spooled();
        ledger.recovered(recovery.damaged).dropped(DropReason::SpoolIo);
        ledger.recovered(recovery.crash.spans).dropped(DropReason::Crash);
        self.disk.opened();
        self.publish();
    }

    fn lost(&self, losses: SpoolLosses) {
        let ledger = self.queue.ledger();
        ledger.unspool(losses.evicted).dropped(DropReason::SpoolEvicted);
        ledger.unspool(losses.expired).dropped(DropReason::SpoolExpired);
        ledger.unspool(losses.io).dropped(DropReason::SpoolIo);
    }

    /// Hands the disk the requests that are for it: while it fails, one from time to time, to find out whether it stores again.
    fn store(&mut self) {
        let is_cancelled = self.queue.cancelled_until().is_some();
        while !self.is_closing
            && self.disk.may_store(self.now, (is_cancelled, self.storing.is_empty()))
            && let Some(batch) = self.queue.take_for_spool()
        {
            self.store_one(batch, false);
        }
    }

    fn store_one(&mut self, batch: Batch, is_rest: bool) {
        self.may_be_delivered |= batch.is_ambiguous;
        let id = self.next_id;
        self.next_id += 1;
        let (request, spans) = (batch.request.clone(), batch.spans);
        self.storing.insert(id, Storing { batch, is_rest });
        self.spool.submit(SpoolCommand::Store { id, request, spans });
    }

    fn stored(&mut self, id: u64, result: Result<(), Arc<str>>) {
        let Some(Storing { batch, is_rest }) = self.storing.remove(&id) else { return };
        let error = match result {
            Ok(()) => {
                self.has_records = true;
                let bytes = batch.len();
                batch.tickets.spooled();
                match is_rest {
                    true => self.acknowledge(),
                    false => self.queue.settled(bytes),
                }
                if self.disk.stored() {
                    self.publish();
                }
                return;
            }
            Err(error) => error,
        };
        match (is_rest, self.queue.cancelled_until()) {
            (true, _) => self.replay = Replay::Rest(batch),
            (false, None) => self.queue.put_back(batch),
            // The last attempt.
            (false, Some(_)) => self.lose(batch, DropReason::SpoolIo),
        }
        self.disk_failed(&error);
    }

    fn disk_failed(&mut self, error: &str) {
        self.disk.failed(self.now, error);
        self.queue.failed(error.to_owned());
        self.publish();
    }

    /// There is no spool any more: its requests go on from memory, and records stay for the next start.
    fn unavailable(&mut self, error: &str) {
        self.disk.ended(error);
        self.queue.failed(error.to_owned());
        self.has_records = false;
        for Storing { batch, is_rest } in std::mem::take(&mut self.storing).into_values() {
            match is_rest {
                // The whole record is on disk still.
                true => batch.tickets.spooled(),
                false => self.queue.put_back(batch),
            }
        }
        if !matches!(self.replay, Replay::Sending) {
            self.leave_record();
        }
        self.publish();
    }

    fn publish(&self) {
        self.queue.set_spool_state(self.disk.state(), self.disk.problem());
    }

    /// A destination that is down is tried with requests in memory, if there is nothing on disk to try it with.
    fn probe(&mut self) {
        if !self.queue.is_held_back() {
            return;
        }
        let is_up = self.disk.state() == SpoolState::Up;
        let has_nothing = is_up && !self.has_records && self.storing.is_empty();
        if has_nothing {
            self.queue.probe();
        } else if self.probes_from_memory() && self.now >= self.next_probe {
            // With the time that a request takes: the transport tries it several times.
            self.next_probe = self.now + MIN_PROBE_WAIT;
            self.queue.probe();
        }
    }

    /// Whether no record can show whether the destination is up.
    fn probes_from_memory(&self) -> bool {
        let has_record = self.has_records && !self.reads_fail;
        let is_failing = self.disk.state() != SpoolState::Up || self.reads_fail;
        is_failing && !has_record && self.queue.cancelled_until().is_none()
    }

    /// Closes the spool once all is stored.
    fn close(&mut self, until: Instant) {
        let is_sending = matches!(self.replay, Replay::Sending | Replay::StoringRest);
        let has_all = self.storing.is_empty() && self.queue.has_none_for_spool() && !is_sending;
        if has_all && !std::mem::replace(&mut self.is_closing, true) {
            self.spool.submit(SpoolCommand::Close(until));
        }
    }

    /// Whether the spool has ended, and no record of it is being sent.
    fn has_ended(&self) -> bool {
        self.disk.state() == SpoolState::Ended && !matches!(self.replay, Replay::Sending)
    }

    /// Requests that the disk has not stored until the deadline are lost; without a spool they wait in memory.
    fn end(&mut self) -> Option<Instant> {
        for Storing { batch, is_rest } in std::mem::take(&mut self.storing).into_values() {
            match is_rest {
                true => batch.tickets.spooled(),
                // The disk may have it, and the next start sends it then.
                false => self.lose(batch, DropReason::AmbiguousShutdown),
            }
        }
        None
    }

    fn lose(&self, batch: Batch, reason: DropReason) {
        let bytes = batch.len();
        batch.dropped(reason);
        self.queue.settled(bytes);
    }
}

/// The wait before the first probe of a destination that is down; it doubles up to the maximum.
const MIN_PROBE_WAIT: Duration = Duration::from_secs(1);
const MAX_PROBE_WAIT: Duration = Duration::from_secs(10);
/// The wait for memory to read a record into.
const MEMORY_WAIT: Duration = Duration::from_millis(20);
/// The time for the outcome of a request that is cancelled.
const LAST_OUTCOME: Duration = Duration::from_millis(20);
const MIN_WAIT: Duration = Duration::from_millis(1);
const IDLE_WAIT: Duration = Duration::from_secs(60);
