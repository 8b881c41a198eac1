//! Reads all records of a segment, and names what is damaged.

use std::io;

use spanwise_wire::read::TraceRequest;

use super::damage::{Damage, Problem};
use super::inspect::has_both_copies;
use super::summary::{IndexState, SegmentState, SegmentSummary};
use crate::format::{RecordHeader, RecordKind, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::lookup::{IndexFile, Lookup, RecordError, SegmentPlace, place_of};
use crate::segment::{Scan, Step};
use crate::storage::{Storage, StorageFile};

/// Reads a segment.
pub(super) struct Verifier<'a, F> {
    summary: &'a SegmentSummary,
    lookup: &'a mut Lookup<F>,
    report: &'a mut dyn FnMut(Problem),
    /// Records whose spans can be read.
    pub(super) records: u64,
    pub(super) spans: u64,
}

impl<'a, F: StorageFile> Verifier<'a, F> {
    pub(super) fn new(
        summary: &'a SegmentSummary,
        lookup: &'a mut Lookup<F>,
        report: &'a mut dyn FnMut(Problem),
    ) -> Self {
        Self { summary, lookup, report, records: 0, spans: 0 }
    }

    /// Reads all records and the index; `place` is `None` for a segment without a record.
    pub(super) fn verify<S: Storage<File = F>>(
        &mut self,
        storage: &S,
        place: Option<&SegmentPlace>,
    ) {
        match &self.summary.state {
            SegmentState::Unreadable { reason } => {
                self.report_segment(Damage::Unreadable { reason: reason.clone() });
            }
            SegmentState::Unsupported { version } => {
                self.report_segment(Damage::Version { found: *version });
            }
            SegmentState::Damaged => self.report_segment(Damage::NoRecord),
            SegmentState::Complete | SegmentState::Open => {}
        }
        let Some(place) = place else { return };
        let read = storage.open(&self.summary.file_name).and_then(|file| self.read(&file));
        match read {
            // Another process has removed it since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => self.report_segment(Damage::Unreadable { reason: error.to_string() }),
            Ok(()) => {}
        }
        let index = match &self.summary.index {
            IndexState::Missing => Ok(()),
            IndexState::Unusable { reason } => Err(reason.clone()),
            IndexState::Usable { .. } => IndexFile::open(storage, place.number, place.identity)
                .and_then(|index| index.verify())
                .map_err(|error| error.to_string()),
        };
        if let Err(reason) = index {
            self.report_segment(Damage::Index { reason });
        }
    }

    fn report_segment(&mut self, damage: Damage) {
        self.report_records(damage, None, 0, 0);
    }

    fn report_records(&mut self, damage: Damage, record: Option<u32>, records: u32, spans: u64) {
        let (segment, file_name) = (self.summary.number, self.summary.file_name.clone());
        (self.report)(Problem { segment, file_name, record, records, spans, damage });
    }

    fn read(&mut self, file: &F) -> io::Result<()> {
        let mut block = [0; SEGMENT_HEADER_BYTES];
        let read = file.read_at(&mut block, 0)?;
        if SegmentHeader::decode(block.get(..read).unwrap_or_default()).is_err() {
            self.report_segment(Damage::SegmentHeader);
        }
        let mut scan = Scan::new(None);
        loop {
            match scan.next(file, self.summary.bytes)? {
                Step::Record { header, lost_records, lost_spans } => {
                    if lost_records > 0 || lost_spans > 0 {
                        let first = header.record.saturating_sub(lost_records);
                        self.report_records(Damage::Headers, Some(first), lost_records, lost_spans);
                    }
                    if !has_both_copies(file, &header)? {
                        self.report_records(Damage::OneHeader, Some(header.record), 1, 0);
                    }
                    if header.kind == RecordKind::Spans {
                        self.read_request(file, &header);
                    }
                }
                Step::Tail { cut_spans } => {
                    let bytes = self.summary.bytes.saturating_sub(scan.offset());
                    if bytes > 0 {
                        self.report_records(Damage::Tail { bytes }, None, 0, cut_spans);
                    }
                    return Ok(());
                }
            }
        }
    }

    fn read_request(&mut self, file: &F, header: &RecordHeader) {
        let spans = u64::from(header.spans);
        match self.damage_of(file, header) {
            Some(damage) => self.report_records(damage, Some(header.record), 1, spans),
            None => {
                self.records += 1;
                self.spans += spans;
            }
        }
    }

    fn damage_of(&mut self, file: &F, header: &RecordHeader) -> Option<Damage> {
        let request = match self.lookup.read(file, header.segment, place_of(header)) {
            Ok((_, request)) => request,
            Err(RecordError::Header) => return Some(Damage::Headers),
            Err(RecordError::Checksum) => return Some(Damage::Checksum),
            Err(RecordError::Compression(reason)) => {
                return Some(Damage::Compression { reason: reason.to_owned() });
            }
            Err(RecordError::Io(error)) => {
                return Some(Damage::Unreadable { reason: error.to_string() });
            }
        };
        let stated = u64::from(header.spans);
        match TraceRequest::new(&request).count_spans() {
            Err(reason) => Some(Damage::NotARequest { reason }),
            Ok(found) if found != stated => Some(Damage::SpanCount { found, stated }),
            Ok(_) => None,
        }
    }
}
