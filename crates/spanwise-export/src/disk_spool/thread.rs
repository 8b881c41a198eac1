//! The thread of a spool: the only one that waits for the disk.

use super::events::Events;
use crate::spool::{CrashLoss, SpoolCommand, SpoolEvent, SpoolLosses, SpoolRecovery};
use spanwise_ledger::Ledger;
use spanwise_spool::boot_ledger::{BootIdentity, BootLedger, Precision, PreviousRun, SpanCounts};
use spanwise_spool::storage::{DirectoryStorage, Storage};
use spanwise_spool::{RecordId, Spool, SpoolError, SpoolSettings};
use spanwise_transport::FramedRequest;
use spanwise_worker::{catch_panic, mask_sigpipe};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

/// The thread before it has opened its directory.
pub(super) struct SpoolThread {
    directory: PathBuf,
    settings: SpoolSettings,
    ledger: Option<Ledger>,
    events: Arc<Events>,
}

type Files = <DirectoryStorage as Storage>::File;

/// The spool in an open directory.
struct Open {
    spool: Spool<DirectoryStorage>,
    boot_ledger: Option<BootLedger<Files>>,
    ledger: Option<Ledger>,
    events: Arc<Events>,
    /// The numbers that the boot ledger has.
    written: Option<SpanCounts>,
    /// Spans that were recovered, and those of them on disk: the exporter counts them once it has the event.
    recovered: (u64, u64),
    /// Requests that were appended and not synced.
    unsynced: Vec<u64>,
    unsynced_bytes: usize,
    /// The record that the exporter has.
    read: Option<RecordId>,
    next_expiry: Instant,
}

impl SpoolThread {
    pub(super) fn new(
        directory: PathBuf,
        settings: SpoolSettings,
        ledger: Option<Ledger>,
        events: Arc<Events>,
    ) -> Self {
        Self { directory, settings, ledger, events }
    }

    /// Opens the directory, and carries out commands until the exporter ends.
    pub(super) fn run(self, commands: &Receiver<SpoolCommand>) {
        mask_sigpipe();
        // A write beyond the limit of a file's size returns an error instead of ending the process.
        spanwise_worker::__private::mask_sigxfsz();
        let events = self.events.clone();
        if catch_panic(|| self.open_and_run(commands)).is_err() {
            let error = Arc::from("the thread of the spool panicked");
            events.push(SpoolEvent::Unavailable { error });
        }
    }

    fn open_and_run(self, commands: &Receiver<SpoolCommand>) {
        let mut is_reported = false;
        let (spool, boot_ledger, recovery) = loop {
            match self.open() {
                Ok(opened) => break opened,
                Err(error @ SpoolError::Locked { .. }) => {
                    if !std::mem::replace(&mut is_reported, true) {
                        self.events.push(SpoolEvent::Failed { error: text(&error) });
                    }
                    if !self.refuse_for(RETRY_OPEN, commands, &text(&error)) {
                        return;
                    }
                }
                Err(error) => {
                    self.events.push(SpoolEvent::Unavailable { error: text(&error) });
                    return;
                }
            }
        };
        let recovered = recovery.spans + recovery.damaged + recovery.crash.spans;
        let mut open = Open {
            spool,
            boot_ledger,
            ledger: self.ledger,
            events: self.events,
            written: None,
            recovered: (recovered, recovery.spans),
            unsynced: Vec::new(),
            unsynced_bytes: 0,
            read: None,
            next_expiry: Instant::now() + EXPIRE_EACH,
        };
        open.write_boot_ledger();
        open.events.push(SpoolEvent::Opened(recovery));
        open.run(commands);
    }

    #[expect(clippy::type_complexity, reason = "three results, each named where it is used")]
    fn open(
        &self,
    ) -> Result<(Spool<DirectoryStorage>, Option<BootLedger<Files>>, SpoolRecovery), SpoolError>
    {
        let mut storage = DirectoryStorage::open(&self.directory)?;
        let precision = Precision::Interval(WRITE_EACH);
        let opened = self
            .ledger
            .as_ref()
            .map(|_| BootLedger::open(&mut storage, BootIdentity::current(), precision));
        let (boot_ledger, previous) = match opened {
            Some(Ok((ledger, previous))) => (Some(ledger), previous),
            Some(Err(error)) => {
                let error = format!("the boot ledger cannot be used: {error}").into();
                self.events.push(SpoolEvent::Failed { error });
                (None, PreviousRun::None)
            }
            None => (None, PreviousRun::None),
        };
        let builder = Spool::builder().with_settings(self.settings.clone());
        let (spool, found) = builder.open_in(storage, SystemTime::now())?;
        let loss = previous.loss(found.spans);
        let crash = CrashLoss::new(loss.spans, (loss.min, loss.max), loss.uncertainty);
        // After a shutdown, all spans that were on disk are found, unless their segments are damaged as a whole, or removed.
        let damaged = match previous {
            PreviousRun::Clean(counts) => counts.spooled.saturating_sub(found.spans),
            _ => 0,
        };
        let recovery = SpoolRecovery::new(found.spans).with_damaged(damaged).with_crash(crash);
        Ok((spool, boot_ledger, recovery))
    }

    /// Refuses commands for this time. Returns `false` once the exporter has ended.
    fn refuse_for(
        &self,
        time: Duration,
        commands: &Receiver<SpoolCommand>,
        error: &Arc<str>,
    ) -> bool {
        let until = Instant::now() + time;
        loop {
            let command = commands.recv_timeout(until.saturating_duration_since(Instant::now()));
            match command {
                Ok(SpoolCommand::Store { id, .. }) => {
                    self.events.push(SpoolEvent::Stored { id, result: Err(error.clone()) });
                }
                Ok(SpoolCommand::Close(_)) => {
                    self.events.push(SpoolEvent::Closed);
                    return false;
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}

impl Open {
    fn run(mut self, commands: &Receiver<SpoolCommand>) {
        self.report_losses();
        let mut next_write = Instant::now() + WRITE_EACH;
        loop {
            // Requests that arrived together share a sync.
            let wait = match self.unsynced.is_empty() {
                true => next_write.saturating_duration_since(Instant::now()),
                false => Duration::ZERO,
            };
            match commands.recv_timeout(wait) {
                Ok(SpoolCommand::Store { id, request, spans }) => self.append(id, request, spans),
                Ok(command) => {
                    self.sync();
                    if self.carry_out(command) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.sync(),
                Err(RecvTimeoutError::Disconnected) => {
                    // Not a shutdown, but the exporter has booked what it had.
                    self.sync();
                    self.spool.checkpoint();
                    self.write_boot_ledger();
                    return;
                }
            }
            let now = Instant::now();
            if now >= next_write {
                self.write_boot_ledger();
                next_write = now + WRITE_EACH;
            }
            if now >= self.next_expiry {
                self.spool.expire(SystemTime::now());
                self.next_expiry = now + EXPIRE_EACH;
            }
            self.report_losses();
        }
    }

    /// Appends a request, which is stored by the next sync.
    fn append(&mut self, id: u64, request: FramedRequest, spans: u64) {
        let message = request.message();
        self.unsynced_bytes += message.len();
        let appended = self.spool.append(SystemTime::now(), message, spans);
        drop(request);
        match appended {
            Ok(_) => self.unsynced.push(id),
            Err(error) => {
                let is_all = matches!(error, SpoolError::NotStored { .. });
                self.stored(id, Err(text(&error)));
                if is_all {
                    self.answer(&Err(text(&error)));
                }
            }
        }
        if self.unsynced_bytes >= SYNC_BYTES {
            self.sync();
        }
    }

    fn sync(&mut self) {
        if !self.unsynced.is_empty() {
            let result = self.spool.sync(SystemTime::now());
            self.answer(&result.map(|_| ()).map_err(|error| text(&error)));
        }
    }

    /// Answers for all requests that were appended.
    fn answer(&mut self, result: &Result<(), Arc<str>>) {
        self.unsynced_bytes = 0;
        for id in std::mem::take(&mut self.unsynced) {
            self.stored(id, result.clone());
        }
    }

    fn stored(&self, id: u64, result: Result<(), Arc<str>>) {
        self.events.push(SpoolEvent::Stored { id, result });
    }

    /// Returns whether it is the last command.
    fn carry_out(&mut self, command: SpoolCommand) -> bool {
        match command {
            SpoolCommand::Store { id, request, spans } => self.append(id, request, spans),
            SpoolCommand::Read { buffer } => self.read(buffer),
            SpoolCommand::Acknowledge => {
                if let Some(record) = self.read.take() {
                    self.spool.acknowledge(record);
                }
            }
            SpoolCommand::Rewind => {
                self.read = None;
                self.spool.rewind();
            }
            SpoolCommand::Close(_) => {
                self.close();
                return true;
            }
        }
        false
    }

    fn read(&mut self, mut buffer: Vec<u8>) {
        let event = match self.spool.read_next(SystemTime::now()) {
            Ok(Some(stored)) => {
                self.read = Some(stored.id);
                let (bytes, spans) = (stored.request.len(), stored.spans);
                match buffer.len() + bytes <= buffer.capacity() {
                    true => {
                        buffer.extend_from_slice(&stored.request);
                        SpoolEvent::Record { buffer, spans }
                    }
                    false => SpoolEvent::RecordTooLarge { buffer, bytes, spans },
                }
            }
            Ok(None) => SpoolEvent::Empty { buffer },
            Err(error) => SpoolEvent::ReadFailed { buffer, error: text(&error) },
        };
        // Damaged records before it are lost before it is sent.
        self.report_losses();
        self.events.push(event);
    }

    fn close(&mut self) {
        self.read = None;
        self.spool.rewind();
        self.spool.checkpoint();
        self.report_losses();
        // The count that the next start finds: the exporter may not have booked the last events yet.
        // The next start finds these spans: the exporter may not have booked the last events yet.
        let spooled = self.spool.stats().spans;
        if let Some(boot_ledger) = self.boot_ledger.take()
            && let Some(counts) = self.counts().map(|counts| SpanCounts { spooled, ..counts })
            && let Err(error) = boot_ledger.close(SystemTime::now(), &counts)
        {
            let error = format!("the boot ledger cannot be written: {error}").into();
            self.events.push(SpoolEvent::Failed { error });
        }
        self.events.push(SpoolEvent::Closed);
    }

    fn report_losses(&mut self) {
        let losses = self.spool.take_losses();
        if losses.total() > 0 {
            let losses = SpoolLosses::new(losses.evicted, losses.expired, losses.io);
            self.events.push(SpoolEvent::Lost(losses));
        }
    }

    /// The numbers of the exporter's ledger.
    fn counts(&self) -> Option<SpanCounts> {
        let account = self.ledger.as_ref()?.snapshot();
        let mut counts = SpanCounts {
            created: account.created,
            recovered: account.recovered,
            sampled_out: account.sampled_out + account.tail_not_sampled + account.tail_dropped,
            exported: account.exported,
            dropped: account.dropped_total(),
            spooled: account.spooled,
        };
        if account.recovered == 0 {
            // The exporter has not got the event yet.
            let (recovered, on_disk) = self.recovered;
            counts.recovered = recovered;
            counts.spooled += on_disk;
            counts.dropped += recovered - on_disk;
        }
        Some(counts)
    }

    fn write_boot_ledger(&mut self) {
        let Some(counts) = self.counts() else { return };
        if self.written == Some(counts) {
            return;
        }
        if let Some(boot_ledger) = &mut self.boot_ledger {
            match boot_ledger.write(SystemTime::now(), &counts) {
                Ok(()) => self.written = Some(counts),
                Err(error) => {
                    let error = format!("the boot ledger cannot be written: {error}").into();
                    self.events.push(SpoolEvent::Failed { error });
                    self.boot_ledger = None;
                }
            }
        }
    }
}

fn text(error: &SpoolError) -> Arc<str> {
    error.to_string().into()
}

/// Requests that share a sync, in bytes.
const SYNC_BYTES: usize = 1 << 20;
/// The boot ledger is written in this interval.
const WRITE_EACH: Duration = Duration::from_secs(1);
/// Expired records are removed in this interval.
const EXPIRE_EACH: Duration = Duration::from_secs(30);
/// A directory that another process has is tried again in this interval.
const RETRY_OPEN: Duration = Duration::from_secs(1);
