//! Opens a segment of an earlier process.

use std::io;

use crate::format::{
    MAX_SEGMENT_NUMBER, RECORD_HEADER_BYTES, RecordHeader, RecordKind, RecordPart,
    SEGMENT_HEADER_BYTES, SegmentHeader, UnknownSegment,
};
#[cfg(feature = "planted-bugs")]
use crate::planted::{SpoolBug, planted};
use crate::storage::StorageFile;

use super::reader::{UnreadPayload, read_payload};
use super::{Acknowledged, Pending, Scan, Segment, SegmentWriter, Step, Totals};

/// The state of a segment's file.
#[derive(Debug)]
pub(crate) enum Opened {
    Segment {
        segment: Segment,
        /// Bytes at its end that are no complete record, and were cut.
        torn_bytes: u64,
        /// Spans of records there, as far as their headers are readable.
        torn_spans: u64,
    },
    /// A version that this crate does not read.
    Unsupported,
    /// No byte was written.
    Empty,
    /// No valid record.
    Damaged,
}

/// Reads the sums of a segment: from its last record if it is complete, otherwise from all of its records,
/// whose payload is checked then.
pub(crate) fn open_segment<F: StorageFile>(file: F, file_name: &str) -> io::Result<Opened> {
    let len = file.len()?;
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    let read = file.read_at(&mut bytes, 0)?;
    let header = match SegmentHeader::decode(&bytes[..read]) {
        Ok(header) => Some(header),
        Err(UnknownSegment::Version(_)) => return Ok(Opened::Unsupported),
        Err(UnknownSegment::Damaged) if len == 0 => return Ok(Opened::Empty),
        Err(UnknownSegment::Damaged) => None,
    };
    let number = header.map(|header| header.segment);
    let found = match complete(&file, len, number)? {
        Some(found) => found,
        None => scan_all(&file, len, number),
    };
    let Some(stored_number) = found.segment.filter(|&number| number < MAX_SEGMENT_NUMBER) else {
        return Ok(Opened::Damaged);
    };
    let mut segment = Segment {
        file_name: file_name.to_owned(),
        stored_number,
        created_unix_nanos: header.map_or(0, |header| header.created_unix_nanos),
        totals: found.totals,
        acknowledged: Acknowledged::default(),
        appended_unix_seconds: found.appended_unix_seconds,
        is_complete: true,
        has_end: found.is_complete,
        index_bytes: 0,
    };
    if !found.is_complete && !found.has_read_errors {
        // Otherwise the next start reads all of its records again. It works without, too.
        if let Ok(totals) = seal(file, stored_number, &found) {
            (segment.totals, segment.has_end) = (totals, true);
        }
    }
    let is_cut = !found.is_complete && !found.has_read_errors;
    let torn_bytes = if !is_cut { 0 } else { len - found.totals.end.min(len) };
    Ok(Opened::Segment { segment, torn_bytes, torn_spans: found.torn_spans })
}

/// The sums of a segment.
struct FoundRecords {
    segment: Option<u64>,
    totals: Totals,
    torn_spans: u64,
    appended_unix_seconds: u32,
    is_complete: bool,
    /// Some blocks could not be read: nothing is cut.
    has_read_errors: bool,
}

/// The sums in the last record, if that completes the segment.
fn complete<F: StorageFile>(
    file: &F,
    len: u64,
    segment: Option<u64>,
) -> io::Result<Option<FoundRecords>> {
    let Some(at) = len.checked_sub(RECORD_HEADER_BYTES as u64) else { return Ok(None) };
    let mut bytes = [0; RECORD_HEADER_BYTES];
    let read = file.read_at(&mut bytes, at)?;
    let Ok(end) = RecordHeader::decode(&bytes[..read], RecordPart::Trailer) else {
        return Ok(None);
    };
    let is_end = end.kind == RecordKind::End
        && end.end() == len
        && end.fits_its_offset()
        && segment.is_none_or(|segment| segment == end.segment);
    Ok(is_end.then(|| FoundRecords {
        segment: Some(end.segment),
        totals: Totals {
            records: end.record.saturating_add(1),
            spans: end.spans_before,
            end: end.end(),
        },
        torn_spans: 0,
        appended_unix_seconds: end.appended_unix_seconds,
        is_complete: true,
        has_read_errors: false,
    }))
}

fn scan_all<F: StorageFile>(file: &F, len: u64, segment: Option<u64>) -> FoundRecords {
    let mut scan = Scan::new(segment);
    // Up to the last record that is intact: a crash leaves holes only behind the last sync.
    let mut totals = Totals { records: 0, spans: 0, end: scan.offset() };
    let mut appended_unix_seconds = 0;
    let (mut payload, mut has_read_errors) = (Vec::new(), false);
    let cut_spans = loop {
        match scan.next_readable(file, len) {
            Step::Record { header, .. } => {
                #[cfg(feature = "planted-bugs")]
                if planted(SpoolBug::TailCutEarly) && header.end() == len {
                    continue;
                }
                let unread = read_payload(file, &header, &mut payload).err();
                has_read_errors |= unread == Some(UnreadPayload::Io) || scan.has_read_errors();
                // A record that the disk refuses to read may be intact.
                if unread.is_none() || has_read_errors {
                    totals =
                        Totals { records: scan.record(), spans: scan.spans(), end: scan.offset() };
                    appended_unix_seconds = header.appended_unix_seconds.max(appended_unix_seconds);
                }
            }
            Step::Tail { cut_spans } => break cut_spans,
        }
    };
    // Without a header, the first valid record has the number.
    let segment = if totals.records == 0 { segment } else { scan.segment() };
    FoundRecords {
        segment,
        totals,
        torn_spans: scan.spans() - totals.spans + cut_spans,
        appended_unix_seconds,
        is_complete: false,
        has_read_errors: has_read_errors || scan.has_read_errors(),
    }
}

/// Cuts a segment behind its last intact record and completes it.
fn seal<F: StorageFile>(file: F, segment: u64, found: &FoundRecords) -> io::Result<Totals> {
    let mut writer = SegmentWriter::resume(file, segment, found.totals);
    writer.truncate(found.totals)?;
    writer.append(&Pending::end(found.appended_unix_seconds))?;
    writer.sync()?;
    Ok(writer.written())
}
