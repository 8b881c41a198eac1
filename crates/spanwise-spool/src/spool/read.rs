//! Reads the stored records in order.

use std::fmt;
use std::io;
use std::ops::Range;
use std::time::SystemTime;

use super::Spool;
use crate::format::{RecordHeader, RecordKind};
use crate::segment::{Scan, Step};
use crate::stats::Loss;
use crate::storage::Storage;
use crate::time::unix_seconds;
use crate::{RecordId, SpoolError};

/// A record that was read.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredRequest {
    /// The place of the record, for [`Spool::acknowledge`].
    pub id: RecordId,
    /// The encoded `ExportTraceServiceRequest`.
    pub request: Vec<u8>,
    /// The count of its spans.
    pub spans: u64,
    /// The time of the append, in seconds since 1970.
    pub appended_unix_seconds: u32,
}

impl StoredRequest {
    pub(crate) fn new(id: RecordId, header: &RecordHeader, request: Vec<u8>) -> Self {
        let spans = u64::from(header.spans);
        Self { id, request, spans, appended_unix_seconds: header.appended_unix_seconds }
    }
}

/// Without the payload, which may have personal data.
impl fmt::Debug for StoredRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredRequest")
            .field("id", &self.id)
            .field("bytes", &self.request.len())
            .field("spans", &self.spans)
            .finish_non_exhaustive()
    }
}

impl<S: Storage> Spool<S> {
    /// Reads the next record, in the order of the appends; `None` if there is none now. Records that are
    /// acknowledged are skipped, and so are damaged and expired ones, whose spans become
    /// [losses](Self::take_losses).
    ///
    /// Only stored records are read: those of a [`sync`](Self::sync) that returned.
    ///
    /// # Errors
    /// [`SpoolError::Io`] if a segment cannot be opened for a reason that may pass, such as the process's
    /// limit of open files. The next call tries again.
    pub fn read_next(&mut self, now: SystemTime) -> Result<Option<StoredRequest>, SpoolError> {
        loop {
            let Some((&number, segment)) = self.segments.range(self.cursor.segment..).next() else {
                return Ok(None);
            };
            if number != self.cursor.segment {
                self.cursor.move_to(number);
            }
            let (limit, stored_number) = (segment.totals.end, segment.stored_number);
            let mut scan =
                self.cursor.scan.take().unwrap_or_else(|| Scan::new(Some(stored_number)));
            scan.set_totals(segment.totals);
            if scan.offset() >= limit {
                if !segment.is_complete {
                    self.cursor.scan = Some(scan);
                    return Ok(None);
                }
                if scan.spans() < segment.totals.spans {
                    // The copies of its end record differ, and the sums are those of the other one.
                    self.lose_rest(number, &scan);
                    continue;
                }
                // Its last records may have been lost, and all others acknowledged.
                self.cursor.move_to(number + 1);
                self.remove_if_delivered(number);
                continue;
            }
            if self.cursor.file.is_none() {
                match self.storage.open(&segment.file_name) {
                    Ok(file) => self.cursor.file = Some(file),
                    Err(error) if is_permanent(&error) => {
                        self.lose_rest(number, &scan);
                        continue;
                    }
                    Err(error) => return Err(SpoolError::io("open a segment")(error)),
                }
            }
            let Some(file) = &self.cursor.file else { return Ok(None) };
            match scan.next_readable(file, limit) {
                Step::Record { header, lost_records, lost_spans } => {
                    self.cursor.scan = Some(scan);
                    let first_lost = header.record - lost_records;
                    let before = header.spans_before - lost_spans;
                    self.lose_records(number, first_lost..header.record, before, lost_spans);
                    if let Some(stored) = self.read_record(now, number, &header) {
                        return Ok(Some(stored));
                    }
                }
                Step::Tail { .. } => self.lose_rest(number, &scan),
            }
        }
    }

    /// The record was delivered: its spans are not read again. A segment is removed once all of its records
    /// are acknowledged. An unknown id has no effect, e.g. of a segment that was evicted.
    ///
    /// # Cost
    /// A write and an `fsync` of a checkpoint of some 100 bytes, every 16 records.
    pub fn acknowledge(&mut self, id: RecordId) {
        let Some(spans) = self.outstanding.remove(&id) else { return };
        self.stats.acknowledged_spans += spans;
        if let Some(segment) = self.segments.get_mut(&id.segment) {
            segment.acknowledged.add(id.record, spans);
        }
        let is_removed = self.remove_if_delivered(id.segment);
        self.acknowledged_since += 1;
        if is_removed || self.acknowledged_since >= CHECKPOINT_RECORDS {
            self.checkpoint();
        }
    }

    /// Writes the acknowledged records to disk now: before the end of the process. Without it, a few records
    /// are delivered again.
    pub fn checkpoint(&mut self) {
        self.acknowledged_since = 0;
        // An error costs duplicates after a crash, and no span.
        let _best_effort = self.checkpoints.write(&mut self.storage, self.segments.values());
    }

    /// Notes in the boot ledger that records were delivered by a program other than the process that stored them, after its end:
    /// otherwise the next start counts their spans as lost. `spans` are those that were acknowledged or became losses.
    ///
    /// # Errors
    /// [`SpoolError::Io`] if the boot ledger cannot be read or written.
    pub fn note_delivered(&mut self, spans: u64) -> Result<(), SpoolError> {
        let noted = crate::boot_ledger::delivered(&mut self.storage, spans);
        noted.map_err(SpoolError::io("write the boot ledger"))
    }

    /// Goes back to the first record that is not acknowledged: a delivery failed. Spans of records that
    /// were read and whose segment was evicted since become losses.
    pub fn rewind(&mut self) {
        for (id, spans) in std::mem::take(&mut self.outstanding) {
            if !self.segments.contains_key(&id.segment) {
                self.count_loss(Loss::Evicted, spans);
            }
        }
        self.cursor.move_to(0);
        self.remove_delivered();
    }

    /// Reads one record of spans; `None` if it is none, is acknowledged, damaged or expired.
    fn read_record(
        &mut self,
        now: SystemTime,
        number: u64,
        header: &RecordHeader,
    ) -> Option<StoredRequest> {
        let segment = self.segments.get_mut(&number)?;
        let spans = u64::from(header.spans);
        if header.kind != RecordKind::Spans {
            segment.acknowledged.add(header.record, 0);
            self.note_dictionary(header);
            return None;
        }
        if segment.acknowledged.contains(header.record) {
            return None;
        }
        let age = unix_seconds(now).saturating_sub(header.appended_unix_seconds);
        if u64::from(age) > self.settings.max_age.as_secs() {
            if segment.acknowledged.add(header.record, spans) {
                self.count_loss(Loss::Expired, spans);
            }
            return None;
        }
        let request = self.read_request(number, header);
        let Some(request) = request else {
            let record = header.record..header.record + 1;
            self.lose_records(number, record, header.spans_before, spans);
            return None;
        };
        let id = RecordId { segment: number, record: header.record };
        self.outstanding.insert(id, spans);
        let appended_unix_seconds = header.appended_unix_seconds;
        Some(StoredRequest { id, request, spans, appended_unix_seconds })
    }

    /// Counts records of a segment as lost, `spans` in all behind the first `spans_before` of the segment, without those of them that
    /// are acknowledged or were counted before.
    fn lose_records(&mut self, number: u64, records: Range<u32>, spans_before: u64, spans: u64) {
        let Some(segment) = self.segments.get_mut(&number) else { return };
        let behind = spans_before.saturating_add(spans);
        let settled = segment.acknowledged.spans_within(&records, spans_before..behind);
        // The spans of a gap are known in sum only.
        let mut lost = spans.saturating_sub(settled);
        for record in records {
            if segment.acknowledged.add(record, lost) {
                self.losses.add(Loss::Io, lost);
                self.stats.losses.add(Loss::Io, lost);
                lost = 0;
            }
        }
    }

    /// Counts all records behind the position as lost, and goes on with the next segment.
    fn lose_rest(&mut self, number: u64, scan: &Scan) {
        let Some(segment) = self.segments.get_mut(&number) else { return };
        let totals = segment.totals;
        let spans = totals.spans.saturating_sub(scan.spans());
        let records = scan.record()..totals.records.max(scan.record() + 1);
        self.lose_records(number, records, scan.spans(), spans);
        self.cursor.move_to(number + 1);
        self.remove_if_delivered(number);
    }
}

/// Whether a file cannot be opened, now or later.
fn is_permanent(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, NotFound, PermissionDenied};
    matches!(error.kind(), InvalidInput | NotFound | PermissionDenied)
}

/// Acknowledged records between two checkpoints.
const CHECKPOINT_RECORDS: u32 = 16;
