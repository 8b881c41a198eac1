//! The boot ledger of a spool's directory, with the numbers of the exporter's ledger.

use spanwise_ledger::Ledger;
use spanwise_spool::boot_ledger::{BootIdentity, BootLedger, Precision, PreviousRun, SpanCounts};
use spanwise_spool::storage::Storage;
use std::io;
use std::time::{Duration, SystemTime};

/// The boot ledger in an open directory.
pub(super) struct Boot<F> {
    /// `None` once it cannot be written.
    file: Option<BootLedger<F>>,
    /// It was removed, and could not be made again yet.
    is_missing: bool,
    ledger: Ledger,
    /// The numbers that it has.
    written: Option<SpanCounts>,
    /// Spans that were recovered, and those of them on disk: the exporter counts them once it has the event.
    recovered: (u64, u64),
}

impl<F: spanwise_spool::storage::StorageFile> Boot<F> {
    /// Opens the file, and reads how the run before ended.
    pub(super) fn open<S: Storage<File = F>>(
        storage: &mut S,
        ledger: Ledger,
    ) -> io::Result<(Self, PreviousRun)> {
        let (file, previous) = BootLedger::open(storage, BootIdentity::current(), PRECISION)?;
        let file = Some(file);
        let boot = Self { file, is_missing: false, ledger, written: None, recovered: (0, 0) };
        Ok((boot, previous))
    }

    /// Makes the file again, in the directory as it is now, if it was removed. An error is returned once, and the next call tries again.
    pub(super) fn reopen_if_removed<S: Storage<File = F>>(
        &mut self,
        storage: &mut S,
    ) -> io::Result<()> {
        // An unknown state is that of the next write, which has an error then, too.
        let is_removed = self.file.as_ref().is_some_and(|file| file.is_removed().unwrap_or(false));
        if !is_removed && !self.is_missing {
            return Ok(());
        }
        let was_missing = std::mem::replace(&mut self.is_missing, true);
        self.file = None;
        match BootLedger::open(storage, BootIdentity::current(), PRECISION) {
            Ok((file, _of_this_process)) => {
                (self.file, self.written, self.is_missing) = (Some(file), None, false);
                Ok(())
            }
            Err(_reported) if was_missing => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Adds spans that were recovered, `on_disk` of them on disk.
    pub(super) fn recovered(&mut self, spans: u64, on_disk: u64) {
        self.recovered = (spans, on_disk);
    }

    /// Writes the numbers, unless it has them. After an error it is not written any more.
    pub(super) fn write(&mut self) -> io::Result<()> {
        let counts = self.counts();
        if self.written != Some(counts)
            && let Some(file) = &mut self.file
        {
            match file.write(SystemTime::now(), &counts) {
                Ok(()) => self.written = Some(counts),
                Err(error) => {
                    self.file = None;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Writes the numbers of a shutdown, with the spans that the next start finds on disk: the exporter may not have booked the last events
    /// yet.
    pub(super) fn close(mut self, spooled: u64) -> io::Result<()> {
        let counts = SpanCounts { spooled, ..self.counts() };
        self.file.take().map_or(Ok(()), |file| file.close(SystemTime::now(), &counts))
    }

    /// The numbers of the exporter's ledger.
    fn counts(&self) -> SpanCounts {
        let account = self.ledger.snapshot();
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
        counts
    }
}

/// The boot ledger is written in this interval.
pub(super) const WRITE_INTERVAL: Duration = Duration::from_secs(1);
const PRECISION: Precision = Precision::Interval(WRITE_INTERVAL);
