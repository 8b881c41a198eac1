//! The exporter's side of a spool's thread, on that thread: it opens the directory, passes events on and writes the boot ledger.

use super::boot::{Boot, WRITE_INTERVAL};
use super::events::Events;
use crate::spool::{CrashLoss, SpoolEvent, SpoolLosses, SpoolRecovery};
use spanwise_ledger::Ledger;
use spanwise_spool::boot_ledger::PreviousRun;
use spanwise_spool::storage::{DirectoryFile, DirectoryStorage};
use spanwise_spool::{
    ReadOutcome, Spool, SpoolClient, SpoolEnd, SpoolError, SpoolEvent as Answer, SpoolSettings,
};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub(super) struct Client {
    directory: PathBuf,
    /// The directory, if it was opened before.
    opened: Option<DirectoryStorage>,
    settings: SpoolSettings,
    ledger: Option<Ledger>,
    events: Arc<Events>,
    boot: Option<Boot<DirectoryFile>>,
    /// A report states that another process has the directory.
    is_reported: bool,
}

impl Client {
    pub(super) fn new(
        (directory, opened): (PathBuf, Option<DirectoryStorage>),
        settings: SpoolSettings,
        ledger: Option<Ledger>,
        events: Arc<Events>,
    ) -> Self {
        Self { directory, opened, settings, ledger, events, boot: None, is_reported: false }
    }

    fn try_open(&mut self) -> Result<(Spool<DirectoryStorage>, SpoolRecovery), SpoolError> {
        let mut storage = match self.opened.take() {
            Some(storage) => storage,
            None => DirectoryStorage::open(&self.directory)?,
        };
        let opened = self.ledger.clone().map(|ledger| Boot::open(&mut storage, ledger));
        let (boot, previous) = match opened {
            Some(Ok((boot, previous))) => (Some(boot), previous),
            Some(Err(error)) => {
                self.failed(&format!("the boot ledger cannot be used: {error}"));
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
        self.boot = boot;
        let recovery = SpoolRecovery::new(found.spans).with_damaged(damaged).with_crash(crash);
        Ok((spool, recovery))
    }

    fn failed(&self, error: &str) {
        self.events.push(SpoolEvent::Failed { error: error.into() });
    }

    fn write_boot_ledger(&mut self) {
        if let Some(Err(error)) = self.boot.as_mut().map(Boot::write) {
            self.boot_ledger_failed(&error);
        }
    }

    fn boot_ledger_failed(&self, error: &io::Error) {
        self.failed(&format!("the boot ledger cannot be written: {error}"));
    }
}

impl SpoolClient for Client {
    type Storage = DirectoryStorage;

    const TICK_INTERVAL: Duration = WRITE_INTERVAL;

    fn open(&mut self) -> Result<Spool<DirectoryStorage>, SpoolError> {
        match self.try_open() {
            Ok((spool, recovery)) => {
                if let Some(boot) = &mut self.boot {
                    let recovered = recovery.spans + recovery.damaged + recovery.crash.spans;
                    boot.recovered(recovered, recovery.spans);
                }
                self.write_boot_ledger();
                self.events.push(SpoolEvent::Opened(recovery));
                Ok(spool)
            }
            Err(error) => {
                if !matches!(error, SpoolError::Locked { .. }) {
                    self.events.unavailable(text(&error));
                } else if !std::mem::replace(&mut self.is_reported, true) {
                    self.failed(&error.to_string());
                }
                Err(error)
            }
        }
    }

    fn event(&mut self, event: Answer) {
        match event {
            Answer::Stored { token, result, .. } => {
                let result = result.map_err(|error| text(&error));
                self.events.push(SpoolEvent::Stored { id: token, result });
            }
            Answer::ReadInto { buffer, result } => match result {
                Ok(ReadOutcome::Record { id, spans }) => {
                    self.events.push_read(id, SpoolEvent::Record { buffer, spans });
                }
                Ok(ReadOutcome::TooLarge { id, bytes, spans }) => {
                    let event = SpoolEvent::RecordTooLarge { buffer, bytes, spans };
                    self.events.push_read(id, event);
                }
                Ok(_none) => self.events.push(SpoolEvent::Empty { buffer }),
                Err(error) => {
                    self.events.push(SpoolEvent::ReadFailed { buffer, error: text(&error) });
                }
            },
            Answer::Lost(losses) => {
                let losses = SpoolLosses::new(losses.evicted, losses.expired, losses.io);
                self.events.push(SpoolEvent::Lost(losses));
            }
            _ => {}
        }
    }

    fn tick(&mut self, storage: &mut DirectoryStorage) {
        if let Some(Err(error)) = self.boot.as_mut().map(|boot| boot.reopen_if_removed(storage)) {
            self.failed(&format!("the boot ledger was removed, and cannot be made again: {error}"));
        }
        self.write_boot_ledger();
    }

    fn ended(&mut self, end: SpoolEnd) {
        match end {
            SpoolEnd::Closed(stats) if self.events.is_closing() => {
                if let Some(Err(error)) = self.boot.take().map(|boot| boot.close(stats.spans)) {
                    self.boot_ledger_failed(&error);
                }
                self.events.push(SpoolEvent::Closed);
            }
            // Not a shutdown, but the exporter has booked what it had.
            SpoolEnd::Closed(_) => self.write_boot_ledger(),
            SpoolEnd::NotOpened => {
                if self.events.is_closing() {
                    self.events.push(SpoolEvent::Closed);
                }
            }
            _ => self.events.unavailable("the thread of the spool panicked".into()),
        }
    }
}

fn text(error: &SpoolError) -> Arc<str> {
    error.to_string().into()
}
