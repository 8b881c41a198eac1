//! Appends records and makes them durable.

use std::io;
use std::time::SystemTime;

use super::{Active, Spool};
use crate::compress::{CompressedRequest, Dictionary};
use crate::format::{RecordHeader, RecordKind};
use crate::index::RecordFacts;
use crate::lookup::{place_of, write_index};
#[cfg(feature = "planted-bugs")]
use crate::planted::{SpoolBug, planted};
use crate::segment::{Pending, Totals};
use crate::storage::{Storage, StorageFile};
use crate::time::unix_seconds;
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
    /// Compresses an `ExportTraceServiceRequest` of `spans` spans and writes it as one record; as several
    /// above 64 MiB, which then are stored all or none. They count as stored after the next
    /// [`sync`](Self::sync) that returns `Ok`. Evicts the oldest segments if the record needs their bytes.
    ///
    /// A failed sync gives its records new places: the returned id, of the last record, is valid until then.
    ///
    /// # Errors
    /// [`SpoolError::RequestTooLarge`], [`SpoolError::DiskFull`], [`SpoolError::Io`] and
    /// [`SpoolError::Compression`] concern this request only, which is not stored; the spool goes on.
    /// [`SpoolError::NotStored`] counts this request and all that were not synced.
    ///
    /// # Cost
    /// Compression and a write. A sync, once 16 MiB of requests are not synced.
    pub fn append(
        &mut self,
        now: SystemTime,
        request: &[u8],
        spans: u64,
    ) -> Result<RecordId, SpoolError> {
        let compressed = self.compressor.compress(now, request, spans)?;
        self.append_compressed(now, compressed)
    }

    /// As [`append`](Self::append), for a request that a [compressor](Self::compressor) of this spool
    /// compressed.
    ///
    /// # Errors
    /// As [`append`](Self::append). [`SpoolError::Compression`] if it is of another spool.
    pub fn append_compressed(
        &mut self,
        now: SystemTime,
        request: CompressedRequest,
    ) -> Result<RecordId, SpoolError> {
        self.append_all(now, request.records)
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
        let is_full = active.writer.written().end >= self.settings.effective_segment_bytes()
            || active.index.is_full();
        let stored = self.segments.get(&active.number);
        let appended = stored.map_or(0, |segment| segment.appended_unix_seconds);
        let end = Pending::end(appended.max(unix_seconds(now)));
        let is_complete = is_full && active.writer.append(&end).is_ok();
        self.stats.syncs += 1;
        if let Err(error) = active.sync(&mut self.storage) {
            #[cfg(feature = "planted-bugs")]
            if planted(SpoolBug::SyncRetried)
                && let Some(active) = &mut self.active
                && active.sync(&mut self.storage).is_ok()
            {
                return Ok(self.commit(now));
            }
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

    /// Writes all records or none.
    fn append_all(
        &mut self,
        now: SystemTime,
        records: Vec<Pending>,
    ) -> Result<RecordId, SpoolError> {
        let bytes = records.iter().map(Pending::disk_bytes).sum();
        if bytes > self.settings.max_bytes / 2 {
            let limit = self.settings.max_bytes / 2;
            return Err(SpoolError::RequestTooLarge { bytes, limit });
        }
        let is_due = |active: &Active<_>| active.unsynced_raw_bytes >= MAX_UNSYNCED_RAW_BYTES;
        if self.active.as_ref().is_some_and(is_due) {
            self.sync(now).map_err(|error| with_records(error, &records))?;
        }
        self.retain(now, bytes);
        if self.disk_bytes().saturating_add(bytes) > self.settings.max_bytes {
            // The unsynced records alone leave no space: once they are stored, their segment can be evicted.
            self.sync(now).map_err(|error| with_records(error, &records))?;
            self.retain(now, bytes);
        }
        let dictionary = self.dictionary.get().cloned();
        let active = self.open_active(now).map_err(create_error)?;
        let before = active.place();
        let mut headers = Vec::with_capacity(records.len());
        for pending in &records {
            match active.write(pending, dictionary.as_ref()) {
                Ok(header) => headers.push(header),
                Err(error) if is_own(&error) => {
                    active.go_back(before);
                    return Err(append_error(error));
                }
                Err(error) => {
                    active.unsynced.extend(records);
                    self.rewrite(now, error)?;
                    return Ok(self.last_record());
                }
            }
        }
        active.unsynced_raw_bytes +=
            records.iter().map(|record| u64::from(record.header.raw_bytes)).sum::<u64>();
        let mut id = RecordId { segment: active.number, record: 0 };
        for (header, record) in headers.iter().zip(&records) {
            active.index.add(place_of(header), &record.facts);
            id.record = header.record;
        }
        active.unsynced.extend(records);
        Ok(id)
    }

    /// The last record after a rewrite.
    fn last_record(&self) -> RecordId {
        let last = self.segments.last_key_value();
        last.map_or(RecordId { segment: 0, record: 0 }, |(&segment, state)| RecordId {
            segment,
            record: state.totals.records.saturating_sub(1),
        })
    }

    /// Moves the unsynced records of the active segment to the stored ones.
    fn commit(&mut self, now: SystemTime) -> Synced {
        let Some(active) = &mut self.active else { return Synced::default() };
        let spans = active.unsynced_spans();
        let records = active.unsynced.len() as u64;
        self.stats.stored_records += records;
        self.stats.stored_spans += spans;
        self.stats.stored_raw_bytes += active.unsynced_raw_bytes;
        active.unsynced.clear();
        active.unsynced_raw_bytes = 0;
        let written = active.writer.written();
        if let Some(segment) = self.segments.get_mut(&active.number) {
            self.stats.stored_bytes += written.end.saturating_sub(segment.totals.end);
            segment.totals = written;
            // After a step of the clock, its youngest record decides when it expires as a whole.
            segment.appended_unix_seconds = segment.appended_unix_seconds.max(unix_seconds(now));
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
        // If it has no stored record.
        self.remove_if_delivered(poisoned.number);
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
        let dictionary = self.dictionary.get().cloned();
        match active.store_all(&mut self.storage, records, dictionary.as_ref()) {
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
    /// Writes a record, and before it the dictionary that it is the first to need.
    fn write(
        &mut self,
        record: &Pending,
        dictionary: Option<&Dictionary>,
    ) -> io::Result<RecordHeader> {
        let id = record.header.dictionary;
        if id != 0 && !self.dictionaries.contains(&id) {
            let known = dictionary.filter(|dictionary| dictionary.id() == id);
            let known = known.ok_or_else(|| io::Error::other(OtherDictionary))?;
            let header = RecordHeader {
                dictionary: id,
                raw_bytes: u32::try_from(known.bytes().len()).unwrap_or(u32::MAX),
                ..RecordHeader::empty(RecordKind::Dictionary, record.header.appended_unix_seconds)
            };
            let copy = Pending::new(header, known.bytes().to_vec(), RecordFacts::default());
            for _ in 0..DICTIONARY_COPIES {
                self.writer.append(&copy)?;
            }
            self.dictionaries.push(id);
        }
        self.writer.append(record)
    }

    fn place(&self) -> (Totals, usize) {
        (self.writer.written(), self.dictionaries.len())
    }

    /// Takes back all writes since a place.
    fn go_back(&mut self, (totals, dictionaries): (Totals, usize)) {
        self.dictionaries.truncate(dictionaries);
        // Bytes that stay are overwritten by the next record, and cut at the next start.
        let _best_effort = self.writer.truncate(totals);
    }

    fn sync<S: Storage>(&mut self, storage: &mut S) -> io::Result<()> {
        #[cfg(feature = "planted-bugs")]
        if planted(SpoolBug::SegmentNotSynced) {
            return Ok(());
        }
        self.writer.sync()?;
        #[cfg(feature = "planted-bugs")]
        if planted(SpoolBug::DirectoryNotSynced) {
            return Ok(());
        }
        if !self.has_entry {
            storage.sync_directory()?;
            self.has_entry = true;
        }
        Ok(())
    }

    fn store_all<S: Storage>(
        &mut self,
        storage: &mut S,
        records: &[Pending],
        dictionary: Option<&Dictionary>,
    ) -> io::Result<()> {
        for pending in records {
            let header = self.write(pending, dictionary)?;
            self.index.add(place_of(&header), &pending.facts);
            self.unsynced_raw_bytes += u64::from(pending.header.raw_bytes);
        }
        self.unsynced = records.to_vec();
        self.sync(storage)
    }
}

/// A request was compressed with a dictionary that the spool does not have.
#[derive(Debug, thiserror::Error)]
#[error("compressed for another spool")]
struct OtherDictionary;

/// Whether an error of a write concerns the request alone, and not the file.
fn is_own(error: &io::Error) -> bool {
    is_full(error) || is_other_dictionary(error)
}

fn is_other_dictionary(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<OtherDictionary>())
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn append_error(source: io::Error) -> SpoolError {
    if is_other_dictionary(&source) {
        SpoolError::Compression { reason: "the request was compressed for another spool" }
    } else {
        SpoolError::DiskFull { source }
    }
}

fn create_error(source: io::Error) -> SpoolError {
    if is_full(&source) {
        SpoolError::DiskFull { source }
    } else {
        SpoolError::Io { operation: "create a segment", source }
    }
}

/// Adds records that were not appended to those that a failed sync counted.
fn with_records(error: SpoolError, added: &[Pending]) -> SpoolError {
    match error {
        SpoolError::NotStored { records, spans, source } => SpoolError::NotStored {
            records: records + added.len() as u64,
            spans: spans + added.iter().map(|record| u64::from(record.header.spans)).sum::<u64>(),
            source,
        },
        error => error,
    }
}

/// Requests in bytes after which an append syncs: their records stay in memory until then.
const MAX_UNSYNCED_RAW_BYTES: u64 = 16 << 20;
/// New segments that are tried after an error of the disk.
const REWRITES: u32 = 2;
/// One damaged copy of a dictionary must not make a segment unreadable.
const DICTIONARY_COPIES: u32 = 2;
