//! The spool behind a destination: stores what the destination does not accept, and sends it once it does.

use super::batch::{Batch, framed};
use super::queue::Queue;
use super::sender::{Sent, send};
use crate::memory::{CopyCharge, Memory};
use crate::settings::DestinationSpool;
use crate::start_error::{ExitKind, StartError};
use spanwise_export::{
    DiskSpool, RequestSpool, SpoolCommand, SpoolEvent, SpoolLosses, SpoolRecovery,
};
use spanwise_ledger::{DropReason, Tickets};
use spanwise_spool::SpoolError;
use spanwise_spool::storage::DirectoryStorage;
use spanwise_transport::PREFIX;
use spanwise_worker::{Notified, Notifier, notify};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Opens a spool.
///
/// # Errors
/// Another process has the directory, or it cannot be used.
pub(super) fn open(
    spool: &DestinationSpool,
    name: &str,
    queue: &Queue,
) -> Result<DiskSpool, StartError> {
    let failed = |error: &dyn std::fmt::Display| {
        StartError::new(ExitKind::Spool, format!("destination {name}: {error}"))
    };
    let mut tries = 0;
    loop {
        match DirectoryStorage::open(&spool.directory) {
            Ok(_unlocked_by_its_drop) => {
                check_writable(&spool.directory).map_err(|error| failed(&error))?;
                break;
            }
            // A process that ends at this moment has it a little longer.
            Err(SpoolError::Locked { .. }) if tries < LOCK_TRIES => {
                tries += 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(error) => return Err(failed(&error)),
        }
    }
    DiskSpool::builder(&spool.directory)
        .with_settings(spool.settings.clone())
        .with_ledger(queue.ledger().clone())
        .build()
        .map_err(|error| failed(&error))
}

/// A disk that is read-only or full at the start would lose what it should store.
fn check_writable(directory: &Path) -> Result<(), String> {
    let path = directory.join("write-check");
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&[0; 4096])?;
        file.sync_all()
    });
    // Left behind by a disk that fails here, it is written again by the next start.
    let _removed = fs::remove_file(&path);
    written.map_err(|error| {
        format!(
            "{} cannot be written: {error}; free space, or mount it for writing",
            directory.display()
        )
    })
}

/// The task of a spool.
pub(super) struct Spooler {
    queue: Arc<Queue>,
    spool: DiskSpool,
    memory: Memory,
    notified: Notified,
    /// Requests that the disk has not acknowledged.
    storing: BTreeMap<u64, Storing>,
    next_id: u64,
    is_open: bool,
    is_closing: bool,
    /// A read may find a record.
    has_records: bool,
    replay: Replay,
    replayed: Arc<Mutex<Option<Sent>>>,
    /// Bytes of the memory that the next record is read into.
    read_bytes: usize,
    /// The destination may have spans on disk.
    may_be_delivered: bool,
    next_probe: Instant,
    probe_wait: Duration,
}

struct Storing {
    tickets: Tickets,
    bytes: usize,
    /// It is what is left of the present record.
    is_rest: bool,
}

/// The record that is sent again.
enum Replay {
    None,
    Reading(CopyCharge),
    Sending,
    /// The rest of it is stored anew.
    StoringRest,
}

impl Spooler {
    pub(super) fn new(
        queue: Arc<Queue>,
        mut spool: DiskSpool,
        memory: &Memory,
        max_batch_bytes: usize,
    ) -> Self {
        let (notifier, notified) = notify();
        spool.set_notifier(notifier.clone());
        queue.set_spool(notifier);
        let now = Instant::now();
        Self {
            queue,
            spool,
            memory: memory.clone(),
            notified,
            storing: BTreeMap::new(),
            next_id: 0,
            is_open: false,
            is_closing: false,
            has_records: false,
            replay: Replay::None,
            replayed: Arc::default(),
            read_bytes: max_batch_bytes,
            may_be_delivered: false,
            next_probe: now,
            probe_wait: MIN_PROBE_WAIT,
        }
    }

    /// Stores and sends until requests are cancelled, and then stores what is left.
    pub(super) async fn run(mut self) {
        loop {
            while let Some(event) = self.spool.next_event() {
                if self.event(event) {
                    return self.end();
                }
            }
            self.end_replay();
            self.store();
            self.read();
            let cancelled_until = self.queue.cancelled_until();
            if let Some(until) = cancelled_until {
                if Instant::now() >= until {
                    return self.end();
                }
                self.close(until);
            }
            let wake = match &self.replay {
                Replay::None if self.has_records => self.next_probe,
                _ => Instant::now() + IDLE_WAIT,
            };
            let wake = wake.max(Instant::now() + MIN_WAIT);
            self.notified.wait_until(cancelled_until.map_or(wake, |until| until.min(wake))).await;
        }
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
                self.has_records = false;
                self.may_be_delivered = !self.storing.is_empty() && self.may_be_delivered;
            }
            SpoolEvent::ReadFailed { error, .. } => {
                self.replay = Replay::None;
                self.queue.failed(error.to_string());
                self.probe_failed();
            }
            SpoolEvent::Lost(losses) => self.lost(losses),
            SpoolEvent::Failed { error } => self.queue.failed(error.to_string()),
            SpoolEvent::Unavailable { error } => {
                self.queue.failed(error.to_string());
                return true;
            }
            SpoolEvent::Closed => return true,
            _ => {}
        }
        false
    }

    fn opened(&mut self, recovery: SpoolRecovery) {
        self.is_open = true;
        self.has_records |= recovery.spans > 0;
        self.may_be_delivered |= recovery.spans > 0;
        let ledger = self.queue.ledger();
        ledger.recovered(recovery.spans).spooled();
        ledger.recovered(recovery.damaged).dropped(DropReason::SpoolIo);
        ledger.recovered(recovery.crash.spans).dropped(DropReason::Crash);
    }

    fn lost(&self, losses: SpoolLosses) {
        let ledger = self.queue.ledger();
        ledger.unspool(losses.evicted).dropped(DropReason::SpoolEvicted);
        ledger.unspool(losses.expired).dropped(DropReason::SpoolExpired);
        ledger.unspool(losses.io).dropped(DropReason::SpoolIo);
    }

    /// Hands the disk the requests that are for it.
    fn store(&mut self) {
        while !self.is_closing
            && let Some(batch) = self.queue.take_for_spool()
        {
            self.store_one(batch, false);
        }
        let has_nothing = self.is_open && !self.has_records && self.storing.is_empty();
        if has_nothing && self.queue.is_down() {
            self.queue.assume_up();
        }
    }

    fn store_one(&mut self, batch: Batch, is_rest: bool) {
        self.may_be_delivered |= batch.is_ambiguous;
        let (id, bytes) = (self.next_id, batch.len());
        self.next_id += 1;
        let Batch { request, spans, tickets, .. } = batch;
        self.storing.insert(id, Storing { tickets, bytes, is_rest });
        self.spool.submit(SpoolCommand::Store { id, request, spans });
    }

    fn stored(&mut self, id: u64, result: Result<(), Arc<str>>) {
        let Some(Storing { tickets, bytes, is_rest }) = self.storing.remove(&id) else { return };
        match result {
            Ok(()) => {
                self.has_records = true;
                tickets.spooled();
            }
            Err(error) => {
                tickets.dropped(DropReason::SpoolIo);
                self.queue.failed(error.to_string());
            }
        }
        if is_rest {
            self.spool.submit(SpoolCommand::Acknowledge);
            self.replay = Replay::None;
        } else {
            self.queue.settled(bytes);
        }
    }

    /// Reads the next record, if its destination may accept it.
    fn read(&mut self) {
        let is_due = self.is_open
            && self.has_records
            && matches!(self.replay, Replay::None)
            && self.queue.cancelled_until().is_none()
            && (!self.queue.is_down() || Instant::now() >= self.next_probe);
        if !is_due {
            return;
        }
        let bytes = self.read_bytes + PREFIX;
        let Some(charge) = self.memory.copies.try_charge(self.bytes_of_replay(bytes)) else {
            self.next_probe = Instant::now() + MEMORY_WAIT;
            return;
        };
        let mut buffer = Vec::with_capacity(bytes);
        buffer.resize(PREFIX, 0);
        self.replay = Replay::Reading(charge);
        self.spool.submit(SpoolCommand::Read { buffer });
    }

    /// Sends a record that was read.
    fn record(&mut self, buffer: Vec<u8>, spans: u64) {
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

    /// Takes note of the end of the record that was sent.
    fn end_replay(&mut self) {
        let sent = self.replayed.lock().unwrap_or_else(PoisonError::into_inner).take();
        match sent {
            None => {}
            Some(Sent::Settled) => {
                self.probe_wait = MIN_PROBE_WAIT;
                self.next_probe = Instant::now();
                self.replay = Replay::None;
                self.spool.submit(SpoolCommand::Acknowledge);
            }
            Some(Sent::Unsent(batch)) if batch.is_rest => {
                self.probe_failed();
                self.replay = Replay::StoringRest;
                self.store_one(batch, true);
            }
            Some(Sent::Unsent(batch)) => {
                self.probe_failed();
                self.may_be_delivered |= batch.is_ambiguous;
                batch.tickets.spooled();
                self.replay = Replay::None;
                self.spool.submit(SpoolCommand::Rewind);
            }
        }
    }

    /// A record does not fit the memory that it was to be read into.
    fn too_large(&mut self, bytes: usize, spans: u64) {
        self.replay = Replay::None;
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
        self.next_probe = Instant::now() + self.probe_wait;
        self.probe_wait = (self.probe_wait * 2).min(MAX_PROBE_WAIT);
    }

    /// Closes the spool once all is stored.
    fn close(&mut self, until: Instant) {
        let is_sending = matches!(self.replay, Replay::Sending | Replay::StoringRest);
        let has_all = self.storing.is_empty() && self.queue.has_none_for_spool() && !is_sending;
        if has_all && !std::mem::replace(&mut self.is_closing, true) {
            self.spool.submit(SpoolCommand::Close(until));
        }
    }

    /// The spool has ended: what it has not stored is lost.
    fn end(mut self) {
        for Storing { tickets, bytes, is_rest } in std::mem::take(&mut self.storing).into_values() {
            tickets.dropped(DropReason::SpoolIo);
            if !is_rest {
                self.queue.settled(bytes);
            }
        }
        self.queue.spool_ended();
    }
}

/// The wait before the first probe of a destination that is down; it doubles up to the maximum.
const MIN_PROBE_WAIT: Duration = Duration::from_secs(1);
const MAX_PROBE_WAIT: Duration = Duration::from_secs(10);
/// The wait for memory to read a record into.
const MEMORY_WAIT: Duration = Duration::from_millis(20);
const MIN_WAIT: Duration = Duration::from_millis(1);
const IDLE_WAIT: Duration = Duration::from_secs(60);
const LOCK_TRIES: u32 = 25;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
