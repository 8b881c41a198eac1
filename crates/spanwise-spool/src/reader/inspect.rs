//! The state of a segment's file, which stays as it is.

use std::io;

use super::summary::{IndexState, SegmentState, SegmentSummary};
use crate::format::{
    RECORD_HEADER_BYTES, RecordHeader, RecordKind, RecordPart, SEGMENT_HEADER_BYTES, SegmentHeader,
    UnknownSegment,
};
use crate::index::SegmentIdentity;
use crate::segment::{Scan, Step};
use crate::storage::StorageFile;

/// A segment, and where its records of spans end.
pub(super) struct Inspected {
    pub(super) summary: SegmentSummary,
    /// `None` if no record can be read.
    pub(super) identity: Option<SegmentIdentity>,
}

impl Inspected {
    pub(super) fn unreadable(number: u64, file_name: &str, error: &io::Error) -> Self {
        let state = SegmentState::Unreadable { reason: error.to_string() };
        Self { summary: empty(number, file_name, state), identity: None }
    }
}

fn empty(number: u64, file_name: &str, state: SegmentState) -> SegmentSummary {
    SegmentSummary {
        number,
        file_name: file_name.to_owned(),
        state,
        created_unix_nanos: 0,
        bytes: 0,
        records: 0,
        spans: 0,
        stored_spans: 0,
        acknowledged_spans: 0,
        raw_bytes: 0,
        earliest_unix_nanos: 0,
        latest_unix_nanos: 0,
        services: Vec::new(),
        index: IndexState::Missing,
    }
}

/// Reads the headers of all records of a segment.
pub(super) fn inspect<F: StorageFile>(
    file: &F,
    number: u64,
    file_name: &str,
) -> io::Result<Inspected> {
    let bytes = file.len()?;
    let mut summary = SegmentSummary { bytes, ..empty(number, file_name, SegmentState::Open) };
    let mut block = [0; SEGMENT_HEADER_BYTES];
    let read = file.read_at(&mut block, 0)?;
    let header = match SegmentHeader::decode(block.get(..read).unwrap_or_default()) {
        Ok(header) => Some(header),
        Err(UnknownSegment::Version(version)) => {
            summary.state = SegmentState::Unsupported { version };
            return Ok(Inspected { summary, identity: None });
        }
        Err(UnknownSegment::Damaged) => None,
    };
    summary.created_unix_nanos = header.map_or(0, |header| header.created_unix_nanos);
    let mut scan = Scan::new(header.map(|header| header.segment));
    let mut len = SEGMENT_HEADER_BYTES as u64;
    while let Step::Record { header, .. } = scan.next(file, bytes)? {
        if header.kind == RecordKind::End {
            summary.state = SegmentState::Complete;
            summary.stored_spans = header.spans_before;
            break;
        }
        len = header.end();
        summary.stored_spans = header.spans_through();
        if header.kind == RecordKind::Spans {
            add(&mut summary, &header);
        }
    }
    let Some(id) = scan.segment().filter(|_| scan.record() > 0) else {
        // A new segment has no record yet.
        if header.is_none() {
            summary.state = SegmentState::Damaged;
        }
        return Ok(Inspected { summary, identity: None });
    };
    let created_unix_nanos = summary.created_unix_nanos;
    let identity = SegmentIdentity { id, created_unix_nanos, len };
    Ok(Inspected { summary, identity: Some(identity) })
}

fn add(summary: &mut SegmentSummary, header: &RecordHeader) {
    summary.records += 1;
    summary.spans += u64::from(header.spans);
    summary.raw_bytes += u64::from(header.raw_bytes);
    let earliest = header.earliest_unix_nanos;
    if earliest > 0 && (summary.earliest_unix_nanos == 0 || earliest < summary.earliest_unix_nanos)
    {
        summary.earliest_unix_nanos = earliest;
    }
    summary.latest_unix_nanos = summary.latest_unix_nanos.max(header.latest_unix_nanos);
}

/// Whether both copies of a record's header are valid and equal.
pub(super) fn has_both_copies<F: StorageFile>(file: &F, header: &RecordHeader) -> io::Result<bool> {
    let copies = [
        (RecordPart::Header, u64::from(header.offset)),
        (RecordPart::Trailer, header.trailer_offset()),
    ];
    for (part, offset) in copies {
        let mut block = [0; RECORD_HEADER_BYTES];
        let read = file.read_at(&mut block, offset)?;
        let copy = RecordHeader::decode(block.get(..read).unwrap_or_default(), part);
        if copy.ok().as_ref() != Some(header) {
            return Ok(false);
        }
    }
    Ok(true)
}
