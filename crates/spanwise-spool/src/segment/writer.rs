//! Appends records to a segment.

use std::io;

use crate::format::{
    RECORD_HEADER_BYTES, RecordHeader, RecordKind, RecordPart, SEGMENT_HEADER_BYTES, SegmentHeader,
    crc32c,
};
use crate::index::RecordFacts;
use crate::storage::StorageFile;

use super::Totals;

/// A segment that records are appended to.
pub(crate) struct SegmentWriter<F> {
    file: F,
    segment: u64,
    /// All written records.
    written: Totals,
    /// The record as one buffer, for one write.
    buffer: Vec<u8>,
}

/// A record before it has a place.
#[derive(Clone)]
pub(crate) struct Pending {
    /// For the index of the segment that the record is written to.
    pub(crate) facts: RecordFacts,
    /// `segment`, `record`, `offset` and `spans_before` are set by the writer.
    pub(crate) header: RecordHeader,
    pub(crate) payload: Vec<u8>,
}

impl<F: StorageFile> SegmentWriter<F> {
    /// Writes the header of a segment to a new file.
    pub(crate) fn create(mut file: F, header: SegmentHeader) -> io::Result<Self> {
        file.write_at(&header.encode(), 0)?;
        let written = Totals { records: 0, spans: 0, end: SEGMENT_HEADER_BYTES as u64 };
        Ok(Self { file, segment: header.segment, written, buffer: Vec::new() })
    }

    /// Goes on behind the records of an existing segment.
    pub(crate) fn resume(file: F, segment: u64, written: Totals) -> Self {
        Self { file, segment, written, buffer: Vec::new() }
    }

    /// Writes a record behind the last one. After an error the segment is as before.
    pub(crate) fn append(&mut self, record: &Pending) -> io::Result<RecordHeader> {
        let Ok(offset) = u32::try_from(self.written.end) else {
            return Err(io::Error::other("the segment is too long"));
        };
        let header = RecordHeader {
            segment: self.segment,
            record: self.written.records,
            offset,
            spans_before: self.written.spans,
            ..record.header
        };
        self.buffer.clear();
        self.buffer.reserve(record.payload.len() + 2 * RECORD_HEADER_BYTES);
        self.buffer.extend_from_slice(&header.encode(RecordPart::Header));
        self.buffer.extend_from_slice(&record.payload);
        self.buffer.extend_from_slice(&header.encode(RecordPart::Trailer));
        let written = self.file.write_at(&self.buffer, self.written.end);
        if self.buffer.capacity() > RETAINED_BYTES {
            self.buffer = Vec::new();
        }
        if let Err(error) = written {
            // A record that stays half written is overwritten by the next one, and cut at the next start.
            let _best_effort = self.file.set_len(self.written.end);
            return Err(error);
        }
        self.written = Totals {
            records: self.written.records.saturating_add(1),
            spans: header.spans_through(),
            end: header.end(),
        };
        Ok(header)
    }

    /// Cuts the segment behind its first records.
    pub(crate) fn truncate(&mut self, totals: Totals) -> io::Result<()> {
        self.written = totals;
        self.file.set_len(totals.end)
    }

    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }

    pub(crate) fn file(&self) -> &F {
        &self.file
    }

    pub(crate) fn written(&self) -> Totals {
        self.written
    }
}

impl Pending {
    /// A record of spans, whose times and count are in `header`.
    pub(crate) fn new(header: RecordHeader, payload: Vec<u8>, facts: RecordFacts) -> Self {
        let header = RecordHeader {
            payload_bytes: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            payload_crc32c: crc32c(&payload),
            ..header
        };
        Self { facts, header, payload }
    }

    /// The record that completes a segment.
    pub(crate) fn end(appended_unix_seconds: u32) -> Self {
        let header = RecordHeader::empty(RecordKind::End, appended_unix_seconds);
        Self::new(header, Vec::new(), RecordFacts::default())
    }

    /// Bytes on disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        (self.payload.len() + 2 * RECORD_HEADER_BYTES) as u64
    }
}

/// Larger buffers are freed after their record.
const RETAINED_BYTES: usize = 4 << 20;
