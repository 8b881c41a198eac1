//! Finds the records of a segment one after the other, also behind damaged bytes.

use std::io;

use crate::format::{
    MAX_PAYLOAD_BYTES, RECORD_HEADER_BYTES, RecordHeader, RecordKind, RecordPart,
    SEGMENT_HEADER_BYTES, UnknownRecord,
};
use crate::storage::StorageFile;

use super::Totals;

/// A position in a segment, which reads headers only.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    /// The number of the segment in its headers; of the first valid record if unknown.
    segment: Option<u64>,
    /// The offset where the next header is expected.
    offset: u64,
    /// The number of the next record.
    record: u32,
    /// Spans of the records before it, lost ones included.
    spans: u64,
    /// Where the search for it begins, if blocks before cannot be read.
    search_from: u64,
    /// Blocks that cannot be read.
    read_errors: u32,
    /// The sums of the segment, if they are known: no record is beyond them.
    max_records: u32,
    max_spans: u64,
}

/// A step of a [`Scan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A record whose header or trailer is valid. Its payload is not checked.
    Record {
        header: RecordHeader,
        /// Records before it that were not found, and their spans.
        lost_records: u32,
        lost_spans: u64,
    },
    /// No further record: the limit is reached, or only bytes that are no record are left.
    Tail {
        /// Spans of a record whose header is valid and which the end of the segment cuts.
        cut_spans: u64,
    },
}

impl Scan {
    pub(crate) fn new(segment: Option<u64>) -> Self {
        Self {
            segment,
            offset: SEGMENT_HEADER_BYTES as u64,
            record: 0,
            spans: 0,
            search_from: 0,
            read_errors: 0,
            max_records: u32::MAX,
            max_spans: u64::MAX,
        }
    }

    /// States the sums of the segment: a header that exceeds them is damaged, although its checksum is right.
    pub(crate) fn set_totals(&mut self, totals: Totals) {
        (self.max_records, self.max_spans) = (totals.records, totals.spans);
    }

    /// The offset behind the last record.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The number of the next record.
    pub(crate) fn record(&self) -> u32 {
        self.record
    }

    /// Spans of all records so far, lost ones included.
    pub(crate) fn spans(&self) -> u64 {
        self.spans
    }

    pub(crate) fn segment(&self) -> Option<u64> {
        self.segment
    }

    /// Whether the disk refused to read some blocks: records in them may be intact.
    pub(crate) fn has_read_errors(&self) -> bool {
        self.read_errors > 0
    }

    /// As [`next`](Self::next), and passes over blocks that the disk refuses to read.
    pub(crate) fn next_readable<F: StorageFile>(&mut self, file: &F, limit: u64) -> Step {
        while self.read_errors < MAX_READ_ERRORS && self.search_from < limit {
            if let Ok(step) = self.next(file, limit) {
                return step;
            }
            self.read_errors += 1;
            let refused = self.search_from.max(self.offset);
            self.search_from = (refused + 1).next_multiple_of(DISK_BLOCK_BYTES as u64);
        }
        Step::Tail { cut_spans: 0 }
    }

    /// Finds the next record that ends at `limit` or before.
    pub(crate) fn next<F: StorageFile>(&mut self, file: &F, limit: u64) -> io::Result<Step> {
        let limit = limit.min(MAX_SEARCHED_BYTES);
        let mut bytes = [0; RECORD_HEADER_BYTES];
        let mut cut_spans = 0;
        if self.search_from <= self.offset
            && self.offset + RECORD_HEADER_BYTES as u64 <= limit
            && file.read_at(&mut bytes, self.offset)? == bytes.len()
        {
            match self.decode(&bytes, RecordPart::Header, self.offset) {
                Some(header) if header.end() <= limit => return Ok(self.step(header)),
                Some(header) => cut_spans = u64::from(header.spans),
                None => {}
            }
        }
        match self.search(file, limit)? {
            Some(header) => Ok(self.step(header)),
            None => Ok(Step::Tail { cut_spans }),
        }
    }

    fn step(&mut self, header: RecordHeader) -> Step {
        let lost_records = header.record - self.record;
        let lost_spans = header.spans_before - self.spans;
        self.segment = Some(header.segment);
        self.offset = header.end();
        self.record = header.record.saturating_add(1);
        self.spans = header.spans_through();
        Step::Record { header, lost_records, lost_spans }
    }

    /// Decodes a header or trailer at an offset; `None` unless it belongs there.
    fn decode(&self, bytes: &[u8], part: RecordPart, offset: u64) -> Option<RecordHeader> {
        let header = match RecordHeader::decode(bytes, part) {
            Ok(header) => header,
            Err(UnknownRecord::Damaged | UnknownRecord::Unsupported) => return None,
        };
        let own = match part {
            RecordPart::Header => u64::from(header.offset),
            RecordPart::Trailer => header.trailer_offset(),
        };
        let belongs_here = own == offset
            && self.segment.is_none_or(|segment| segment == header.segment)
            && header.spans_before >= self.spans
            // Without a lost record, no span is lost.
            && (header.record > self.record || header.spans_before == self.spans)
            && (header.kind == RecordKind::Spans || header.spans == 0)
            && header.fits_its_offset()
            && header.record < self.max_records
            && header.spans_through() <= self.max_spans;
        let lost_records = header.record.checked_sub(self.record)?;
        let lost_bytes = u64::from(header.offset).checked_sub(self.offset)?;
        // A number that does not fit before the offset was not written by us.
        let is_possible = u64::from(lost_records) * MIN_RECORD_BYTES <= lost_bytes;
        (belongs_here && is_possible).then_some(header)
    }

    /// Searches the first header or trailer at the expected offset or behind it.
    fn search<F: StorageFile>(&mut self, file: &F, limit: u64) -> io::Result<Option<RecordHeader>> {
        // After an error in smaller blocks, of which only the one that has it is passed over.
        let step = if self.read_errors > 0 { DISK_BLOCK_BYTES } else { SEARCH_BYTES };
        let mut block = vec![0; step + RECORD_HEADER_BYTES];
        let mut start = self.offset.max(self.search_from);
        let mut end = (start + 1).next_multiple_of(step as u64);
        while start < limit {
            self.search_from = start;
            let wanted = usize::try_from(end.min(limit) - start).unwrap_or(step).min(block.len());
            let read = file.read_at(&mut block[..wanted], start)?;
            if let Some(header) = self.search_block(&block[..read], start, limit) {
                return Ok(Some(header));
            }
            if read < wanted {
                break;
            }
            // A header across two blocks is found with the second.
            start = start.max(end - (RECORD_HEADER_BYTES as u64 - 1));
            end += step as u64;
        }
        Ok(None)
    }

    fn search_block(&self, bytes: &[u8], start: u64, limit: u64) -> Option<RecordHeader> {
        let mut from = 0;
        loop {
            let found = bytes.get(from..)?.iter().position(|&byte| byte == MAGIC_START)?;
            let at = from + found;
            let candidate = &bytes[at..];
            let header = [RecordPart::Header, RecordPart::Trailer]
                .into_iter()
                .filter(|part| candidate.starts_with(part.magic()))
                .find_map(|part| self.decode(candidate, part, start + at as u64))
                .filter(|header| header.end() <= limit);
            if header.is_some() {
                return header;
            }
            from = at + 1;
        }
    }
}

const MIN_RECORD_BYTES: u64 = 2 * RECORD_HEADER_BYTES as u64;
/// No record ends behind these bytes, however long the file is: the offset of a header has 32 bits.
const MAX_SEARCHED_BYTES: u64 =
    u32::MAX as u64 + MAX_PAYLOAD_BYTES as u64 + 2 * RECORD_HEADER_BYTES as u64;
const SEARCH_BYTES: usize = 64 << 10;
/// The unit in which disks and page caches fail.
const DISK_BLOCK_BYTES: usize = 4 << 10;
/// A disk that refuses more is not asked on: each error can take seconds.
const MAX_READ_ERRORS: u32 = 64;
/// The first byte of both magics.
const MAGIC_START: u8 = b'S';
