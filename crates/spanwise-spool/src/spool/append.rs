//! Appends records and makes them durable.

use std::io;
use std::time::SystemTime;

use super::{Active, Spool, unix_seconds};
use crate::format::{MAX_RAW_BYTES, RecordHeader, RecordKind};
use crate::index::RecordFacts;
use crate::lookup::{place_of, write_index};
use crate::segment::{Pending, Totals};
use crate::storage::{Storage, StorageFile};
use crate::{RecordId, SpoolError};

/// The records that a [`Spool::sync`] stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Synced {
    /// The count of records.
    pub records: u64,
    /// The count of their spans.
    pub spans: u64,
    /// Whether a sync failed and the records were written again to a new segment.
    pub is_rewritten: bool,
}

impl<S: Storage> Spool<S> {
    /// Compresses an `ExportTraceServiceRequest` of `spans` spans and writes it as one record. The record
    /// counts as stored after the next [`sync`](Self::sync) that returns `Ok`. Evicts the oldest segments
    /// if the record needs their bytes.
    ///
    /// A failed sync gives its records new places: the returned id is valid until then.
    ///
    /// # Errors
    /// [`SpoolError::RequestTooLarge`], [`SpoolError::DiskFull`] and [`SpoolError::Compression`] concern
    /// this request only, which is not stored; the spool goes on. [`SpoolError::NotStored`] counts this
    /// request and all that were not synced.
    ///
    /// # Cost
    /// Compression and a write. A sync, once 16 MiB of requests are not synced.
    pub fn append(
        &mut self,
        now: SystemTime,
        request: &[u8],
        spans: u64,
    ) -> Result<RecordId, SpoolError> {
        let pending = self.compress(now, request, spans)?;
        let is_due = |active: &Active<_>| active.unsynced_raw_bytes >= MAX_UNSYNCED_RAW_BYTES;
        if self.active.as_ref().is_some_and(is_due) {
            self.sync(now)?;
        }
        self.retain(now, pending.disk_bytes());
        let active = self.open_active(now).map_err(write_error)?;
        match active.writer.append(&pending) {
            Ok(header) => {
                let id = RecordId { segment: active.number, record: header.record };
                active.unsynced_bytes += pending.disk_bytes();
                active.unsynced_raw_bytes += u64::from(header.raw_bytes);
                active.index.add(place_of(&header), &pending.facts);
                active.unsynced.push(pending);
                Ok(id)
            }
            Err(error) if is_full(&error) => Err(SpoolError::DiskFull { source: error }),
            Err(error) => {
                active.unsynced.push(pending);
                self.rewrite(now, error)?;
                let last = self.segments.last_key_value();
                last.map(|(&segment, state)| RecordId {
                    segment,
                    record: state.totals.records.saturating_sub(1),
                })
                .ok_or(SpoolError::Io {
                    operation: "append a record",
                    source: io::ErrorKind::Other.into(),
                })
            }
        }
    }

    /// Makes the appended records survive a crash of the process and of the system. If the disk refuses
    /// it, the records are written again to a new segment and synced there, and the old one is never synced
    /// again.
    ///
    /// # Errors
    /// [`SpoolError::NotStored`] if that fails, too. The spool forgets the records then; earlier ones stay.
    ///
    /// # Cost
    /// An `fsync` of the file; of the directory, too, after a segment was created.
    pub fn sync(&mut self, now: SystemTime) -> Result<Synced, SpoolError> {
        let Some(active) = &mut self.active else { return Ok(Synced::default()) };
        if active.unsynced.is_empty() {
            return Ok(Synced::default());
        }
        let is_full =
            active.writer.written().end >= self.settings.segment_bytes || active.index.is_full();
        let is_complete = is_full && active.writer.append(&Pending::end(unix_seconds(now))).is_ok();
        self.stats.syncs += 1;
        if let Err(error) = active.sync(&mut self.storage) {
            return self.rewrite(now, error);
        }
        let synced = self.commit(now);
        if is_complete {
            if let Some(active) = &self.active
                && let Some(segment) = self.segments.get_mut(&active.number)
            {
                segment.has_end = true;
            }
            self.close_active();
        }
        self.retain(now, 0);
        Ok(synced)
    }

    fn compress(
        &mut self,
        now: SystemTime,
        request: &[u8],
        spans: u64,
    ) -> Result<Pending, SpoolError> {
        let too_large = SpoolError::RequestTooLarge { bytes: request.len(), limit: MAX_RAW_BYTES };
        if request.len() > MAX_RAW_BYTES {
            return Err(too_large);
        }
        let (Ok(raw_bytes), Ok(spans)) = (u32::try_from(request.len()), u32::try_from(spans))
        else {
            return Err(too_large);
        };
        let payload = self
            .compressor
            .compress(request)
            .map_err(|reason| SpoolError::Compression { reason })?;
        let facts = RecordFacts::read(request, self.lookup.seed());
        let header = RecordHeader {
            raw_bytes,
            spans,
            earliest_unix_nanos: facts.earliest_unix_nanos(),
            latest_unix_nanos: facts.latest_unix_nanos(),
            ..RecordHeader::empty(RecordKind::Spans, unix_seconds(now))
        };
        Ok(Pending::new(header, payload, facts))
    }

    /// Moves the unsynced records of the active segment to the stored ones.
    fn commit(&mut self, now: SystemTime) -> Synced {
        let Some(active) = &mut self.active else { return Synced::default() };
        let spans = active.unsynced_spans();
        let records = active.unsynced.len() as u64;
        self.stats.stored_records += records;
        self.stats.stored_spans += spans;
        self.stats.stored_raw_bytes += active.unsynced_raw_bytes;
        self.stats.stored_bytes += active.unsynced_bytes;
        active.unsynced.clear();
        active.unsynced_bytes = 0;
        active.unsynced_raw_bytes = 0;
        if let Some(segment) = self.segments.get_mut(&active.number) {
            segment.totals = active.writer.written();
            segment.appended_unix_seconds = unix_seconds(now);
        }
        Synced { records, spans, is_rewritten: false }
    }

    /// Nothing is appended to the active segment any more: its index is written.
    pub(super) fn close_active(&mut self) {
        if let Some(active) = self.active.take()
            && let Some(segment) = self.segments.get_mut(&active.number)
        {
            segment.is_complete = true;
            let sealed = active.index.seal(segment.identity());
            // Without it, the first search builds it again.
            let written = write_index(&mut self.storage, active.number, &sealed);
            segment.index_bytes = written.unwrap_or_default();
        }
    }

    /// Writes the unsynced records of the active segment to a new one, after an error of the disk.
    fn rewrite(&mut self, now: SystemTime, error: io::Error) -> Result<Synced, SpoolError> {
        let Some(mut poisoned) = self.active.take() else { return Ok(Synced::default()) };
        self.stats.poisoned_segments += 1;
        let synced = match self.segments.get_mut(&poisoned.number) {
            Some(segment) => {
                segment.is_complete = true;
                segment.totals
            }
            None => Totals::default(),
        };
        // Otherwise the next start may find these records twice.
        let _best_effort = poisoned.writer.truncate(synced);
        let mut source = error;
        for _ in 0..REWRITES {
            match self.store_again(now, &poisoned.unsynced) {
                Ok(()) => return Ok(Synced { is_rewritten: true, ..self.commit(now) }),
                Err(error) => source = error,
            }
        }
        let (records, spans) = (poisoned.unsynced.len() as u64, poisoned.unsynced_spans());
        Err(SpoolError::NotStored { records, spans, source })
    }

    fn store_again(&mut self, now: SystemTime, records: &[Pending]) -> io::Result<()> {
        self.stats.syncs += 1;
        self.open_active(now)?;
        let Some(mut active) = self.active.take() else { return Ok(()) };
        match active.store_all(&mut self.storage, records) {
            Ok(()) => {
                self.active = Some(active);
                Ok(())
            }
            Err(error) => {
                // Nothing of it was stored.
                if let Some(segment) = self.segments.remove(&active.number) {
                    let _best_effort = self.storage.remove(&segment.file_name);
                }
                Err(error)
            }
        }
    }
}

impl<F: StorageFile> Active<F> {
    fn store_all<S: Storage>(&mut self, storage: &mut S, records: &[Pending]) -> io::Result<()> {
        for pending in records {
            let header = self.writer.append(pending)?;
            self.index.add(place_of(&header), &pending.facts);
            self.unsynced_bytes += pending.disk_bytes();
            self.unsynced_raw_bytes += u64::from(pending.header.raw_bytes);
        }
        self.unsynced = records.to_vec();
        self.sync(storage)
    }

    fn sync<S: Storage>(&mut self, storage: &mut S) -> io::Result<()> {
        self.writer.sync()?;
        if !self.has_entry {
            storage.sync_directory()?;
            self.has_entry = true;
        }
        Ok(())
    }
}

fn write_error(source: io::Error) -> SpoolError {
    if is_full(&source) {
        SpoolError::DiskFull { source }
    } else {
        SpoolError::Io { operation: "create a segment", source }
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Requests in bytes after which an append syncs: their records stay in memory until then.
const MAX_UNSYNCED_RAW_BYTES: u64 = 16 << 20;
/// New segments that are tried after an error of the disk.
const REWRITES: u32 = 2;
