//! Sends the records of a spool again, one at a time.

use super::replay::Replay;
use super::{MAX_PROBE_WAIT, MEMORY_WAIT, MIN_PROBE_WAIT, Spooler};
use crate::account::SpoolState;
use crate::destination::batch::{Batch, framed};
use crate::destination::sender::{Sent, send};
use spanwise_export::{RequestSpool, SpoolCommand};
use spanwise_ledger::DropReason;
use spanwise_transport::PREFIX;
use spanwise_worker::Notifier;
use std::sync::{Arc, PoisonError};

impl<S: RequestSpool> Spooler<S> {
    /// Whether a record may be read, but for the time.
    pub(super) fn may_read(&self) -> bool {
        let is_idle = matches!(self.replay, Replay::None);
        let is_cancelled = self.queue.cancelled_until().is_some();
        self.disk.is_open() && self.has_records && is_idle && !is_cancelled
    }

    /// Reads the next record, if its destination may accept it.
    pub(super) fn read(&mut self) {
        let is_time = self.now >= self.next_read
            && (!self.queue.is_held_back() || self.now >= self.next_probe);
        if !self.may_read() || !is_time {
            return;
        }
        let bytes = self.read_bytes + PREFIX;
        let Some(charge) = self.memory.copies.try_charge(self.bytes_of_replay(bytes)) else {
            self.next_read = self.now + MEMORY_WAIT;
            return;
        };
        let mut buffer = Vec::with_capacity(bytes);
        buffer.resize(PREFIX, 0);
        self.replay = Replay::Reading(charge);
        self.spool.submit(SpoolCommand::Read { buffer });
    }

    /// The record stays, and is read again after a while.
    pub(super) fn read_failed(&mut self, error: &str) {
        self.replay = Replay::None;
        self.reads_fail = true;
        self.probe_failed();
        self.next_read = self.next_probe;
        self.disk_failed(error);
    }

    /// Sends a record that was read.
    pub(super) fn record(&mut self, buffer: Vec<u8>, spans: u64) {
        self.reads_fail = false;
        let Replay::Reading(charge) = std::mem::replace(&mut self.replay, Replay::None) else {
            return;
        };
        if self.queue.cancelled_until().is_some() {
            // The close rewinds.
            return;
        }
        let tickets = self.queue.ledger().unspool(spans);
        let Ok(request) = framed(buffer, charge) else {
            tickets.dropped(DropReason::SpoolIo);
            self.spool.submit(SpoolCommand::Acknowledge);
            return;
        };
        let mut batch = Batch::new(request, spans, tickets);
        batch.is_ambiguous = self.may_be_delivered;
        batch.has_copies = true;
        self.send(batch);
    }

    fn send(&mut self, batch: Batch) {
        self.replay = Replay::Sending;
        let (queue, memory) = (Arc::clone(&self.queue), self.memory.clone());
        let (replayed, notifier): (_, Notifier) =
            (Arc::clone(&self.replayed), self.notified.notifier());
        tokio::spawn(async move {
            let sent = send(&queue, &memory, batch).await;
            *replayed.lock().unwrap_or_else(PoisonError::into_inner) = Some(sent);
            notifier.notify();
        });
    }

    /// Takes note of the end of the record that was sent, and sends the rest of one that the disk did not store.
    pub(super) fn end_replay(&mut self) {
        let sent = self.replayed.lock().unwrap_or_else(PoisonError::into_inner).take();
        match sent {
            None => self.send_rest(),
            Some(Sent::Settled) => {
                self.probe_wait = MIN_PROBE_WAIT;
                self.next_probe = self.now;
                self.acknowledge();
            }
            Some(Sent::Unsent(batch)) if batch.is_rest => {
                self.probe_failed();
                if self.disk.state() == SpoolState::Ended {
                    return self.leave(batch);
                }
                self.replay = Replay::StoringRest;
                self.store_one(batch, true);
            }
            Some(Sent::Unsent(batch)) => {
                self.probe_failed();
                self.may_be_delivered |= batch.is_ambiguous;
                self.leave(batch);
            }
        }
    }

    fn send_rest(&mut self) {
        let is_cancelled = self.queue.cancelled_until().is_some();
        match std::mem::replace(&mut self.replay, Replay::None) {
            Replay::Rest(batch) if is_cancelled => self.leave(batch),
            Replay::Rest(batch) if self.now >= self.next_probe => self.send(batch),
            other => self.replay = other,
        }
    }

    /// The record has its outcomes.
    pub(super) fn acknowledge(&mut self) {
        self.replay = Replay::None;
        self.spool.submit(SpoolCommand::Acknowledge);
    }

    /// The spans of the record are on disk still, and the next to read. Behind the rest of a record, only another process reads it: it
    /// sends the whole.
    fn leave(&mut self, batch: Batch) {
        batch.tickets.spooled();
        self.replay = Replay::None;
        self.spool.submit(SpoolCommand::Rewind);
    }

    /// The spool has ended: its record stays on disk.
    pub(super) fn leave_record(&mut self) {
        if let Replay::Rest(batch) = std::mem::replace(&mut self.replay, Replay::None) {
            batch.tickets.spooled();
        }
    }

    /// A record does not fit the memory that it was to be read into.
    pub(super) fn too_large(&mut self, bytes: usize, spans: u64) {
        self.replay = Replay::None;
        if self.queue.cancelled_until().is_some() {
            // The close rewinds.
            return;
        }
        if self.bytes_of_replay(bytes + PREFIX) <= self.memory.copies.budget().limit() {
            self.read_bytes = bytes;
            self.spool.submit(SpoolCommand::Rewind);
            return;
        }
        // An earlier process had more memory.
        self.queue.ledger().unspool(spans).dropped(DropReason::TooLarge);
        self.queue.failed(format!("a record of {bytes} bytes exceeds the memory, and is lost"));
        self.spool.submit(SpoolCommand::Acknowledge);
    }

    /// Bytes of a record of `bytes` bytes with its copies, or with those of its parts: a replay waits for no memory while it has some.
    fn bytes_of_replay(&self, bytes: usize) -> usize {
        bytes.saturating_add(self.queue.transport().compressed_bound(bytes).max(bytes))
    }

    fn probe_failed(&mut self) {
        self.next_probe = self.now + self.probe_wait;
        self.probe_wait = (self.probe_wait * 2).min(MAX_PROBE_WAIT);
    }
}
