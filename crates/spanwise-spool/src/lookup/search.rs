//! Searches for a trace, and for records by time and service.

use std::collections::BTreeMap;
use std::io;

use super::found::{Found, FoundRecord, FoundRecords};
use super::index_file::{IndexFile, IndexFileError, rebuild, write_index};
use super::record::{RecordError, read_at_place};
use crate::RecordId;
use crate::compress::Decompressor;
use crate::format::RecordHeader;
use crate::index::{
    IndexBuilder, IndexedRecord, RecordPlace, RecordQuery, SegmentIdentity, extract_trace,
};
use crate::storage::{Storage, StorageFile};

/// A segment that a search reads.
#[derive(Debug, Clone)]
pub(crate) struct SegmentPlace {
    /// The number in the name of its file.
    pub(crate) number: u64,
    pub(crate) file_name: String,
    pub(crate) identity: SegmentIdentity,
}

/// Records of one segment that may have spans of a trace.
pub(crate) struct Candidates<'a, F> {
    pub(crate) file: &'a F,
    /// The number in the headers of the records.
    pub(crate) segment: u64,
    pub(crate) places: &'a [RecordPlace],
}

/// The indexes that searches have read.
///
/// An open file and the tables for each segment, 256 at most.
pub(crate) struct Lookup<F> {
    indexes: BTreeMap<u64, IndexFile<F>>,
    decompressor: Decompressor,
    block: Vec<u8>,
    seed: u64,
    is_writing: bool,
    /// Segments whose index was built again, with its length on disk.
    rebuilt: Vec<(u64, u64)>,
}

impl<F: StorageFile> Lookup<F> {
    /// `is_writing`: indexes that are built again are written to the storage.
    pub(crate) fn new(seed: u64, is_writing: bool) -> Self {
        Self {
            indexes: BTreeMap::new(),
            decompressor: Decompressor::new(),
            block: Vec::new(),
            seed,
            is_writing,
            rebuilt: Vec::new(),
        }
    }

    /// The seed of the fingerprints of new indexes.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// The segment was removed, or its index was written.
    pub(crate) fn forget(&mut self, segment: u64) {
        self.indexes.remove(&segment);
    }

    /// Segments whose index was built again since the last call, with its length on disk.
    pub(crate) fn take_rebuilt(&mut self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.rebuilt)
    }

    /// The index of a segment; built again, if it is missing or damaged.
    pub(crate) fn index<S: Storage<File = F>>(
        &mut self,
        storage: &mut S,
        segment: &SegmentPlace,
    ) -> io::Result<&IndexFile<F>> {
        let number = segment.number;
        let is_known = self
            .indexes
            .get(&number)
            .is_some_and(|known| known.index.head().segment_len == segment.identity.len);
        if !is_known {
            if self.indexes.len() >= MAX_INDEXES {
                self.indexes.clear();
            }
            match IndexFile::open(storage, number, segment.identity) {
                Ok(index) => _ = self.indexes.insert(number, index),
                Err(_) => self.rebuild(storage, segment)?,
            }
        }
        self.indexes.get(&number).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rebuild<S: Storage<File = F>>(
        &mut self,
        storage: &mut S,
        segment: &SegmentPlace,
    ) -> io::Result<()> {
        self.forget(segment.number);
        let file = storage.open(&segment.file_name)?;
        let builder = rebuild(&file, segment.identity, self.seed, &mut self.decompressor)?;
        let sealed = builder.seal(segment.identity);
        let written = match self.is_writing {
            true => write_index(storage, segment.number, &sealed).ok(),
            false => None,
        };
        self.rebuilt.push((segment.number, written.unwrap_or_default()));
        let index = match IndexFile::open(storage, segment.number, segment.identity) {
            Ok(index) if written.is_some() => index,
            _ => IndexFile::in_memory(sealed, segment.identity).map_err(io::Error::other)?,
        };
        self.indexes.insert(segment.number, index);
        Ok(())
    }

    /// The places of the records of a segment that may have spans of the trace.
    fn candidates<S: Storage<File = F>>(
        &mut self,
        storage: &mut S,
        segment: &SegmentPlace,
        trace_id: [u8; 16],
        found: &mut Found,
    ) -> io::Result<Vec<RecordPlace>> {
        let mut numbers = Vec::new();
        let index = self.index(storage, segment)?;
        let pages = match index.find(trace_id, &mut numbers) {
            Err(IndexFileError::Index(_)) => {
                numbers.clear();
                self.rebuild(storage, segment)?;
                self.index(storage, segment)?.find(trace_id, &mut numbers)
            }
            pages => pages,
        };
        found.blocks += pages.map_err(IndexFileError::into_io)?;
        numbers.sort_unstable();
        numbers.dedup();
        let index = &self.index(storage, segment)?.index;
        Ok(numbers.iter().filter_map(|number| Some(index.record(*number)?.place)).collect())
    }

    /// Adds the spans of the trace in complete segments, the oldest first.
    pub(crate) fn find<S: Storage<File = F>>(
        &mut self,
        storage: &mut S,
        segments: &[SegmentPlace],
        trace_id: [u8; 16],
        found: &mut Found,
    ) {
        // The disk reads the pages of all segments at the same time.
        for segment in segments {
            if let Ok(index) = self.index(storage, segment) {
                index.will_need(trace_id);
            }
        }
        let mut candidates = Vec::new();
        for segment in segments {
            match self.candidates(storage, segment, trace_id, found) {
                Ok(places) if places.is_empty() => {}
                Ok(places) => match storage.open(&segment.file_name) {
                    Ok(file) => candidates.push((segment, file, places)),
                    Err(error) => found.unreadable_segments += unreadable(&error),
                },
                Err(error) => found.unreadable_segments += unreadable(&error),
            }
        }
        for (_, file, places) in &candidates {
            places.iter().for_each(|place| file.will_need(place.offset, place.len.into()));
        }
        for (segment, file, places) in candidates {
            let segment = segment.identity.id;
            let candidates = Candidates { file: &file, segment, places: &places };
            self.extract(candidates, trace_id, found);
        }
    }

    /// Adds the spans of the trace in these records of a segment.
    pub(crate) fn extract(
        &mut self,
        candidates: Candidates<'_, F>,
        trace_id: [u8; 16],
        found: &mut Found,
    ) {
        let Candidates { file, segment, places } = candidates;
        for place in places {
            if found.request.len() >= MAX_FOUND_BYTES {
                found.is_cut = true;
                return;
            }
            found.blocks += 1;
            let Ok(request) = self.read(file, segment, *place) else {
                found.damaged_records += 1;
                continue;
            };
            // The spans in front of a malformed group are found.
            let before = found.request.len();
            let spans = extract_trace(&request.1, trace_id, &mut found.request);
            found.spans += spans.unwrap_or_default();
            let has_spans = found.request.len() > before;
            found.records += u64::from(has_spans);
            found.false_records += u64::from(!has_spans);
        }
    }

    /// Reads a record.
    pub(crate) fn read(
        &mut self,
        file: &F,
        segment: u64,
        place: RecordPlace,
    ) -> Result<(RecordHeader, Vec<u8>), RecordError> {
        let read = read_at_place(file, place, &mut self.block, &mut self.decompressor)?;
        if self.block.capacity() > RETAINED_BYTES {
            self.block = Vec::new();
        }
        if read.0.segment == segment { Ok(read) } else { Err(RecordError::Header) }
    }

    /// Reads one record of a complete segment.
    pub(crate) fn read_by_id<S: Storage<File = F>>(
        &mut self,
        storage: &mut S,
        segment: &SegmentPlace,
        record: u32,
    ) -> io::Result<(RecordHeader, Vec<u8>)> {
        let index = &self.index(storage, segment)?.index;
        let place = index.records().map(|it| it.place).find(|place| place.record == record);
        let place = place.ok_or(io::ErrorKind::NotFound)?;
        let file = storage.open(&segment.file_name)?;
        self.read(&file, segment.identity.id, place).map_err(RecordError::into_io)
    }

    /// Adds the records of complete segments that may have a span for `query`.
    pub(crate) fn find_records<S: Storage<File = F>>(
        &mut self,
        storage: &mut S,
        segments: &[SegmentPlace],
        query: &RecordQuery,
        found: &mut FoundRecords,
    ) {
        for segment in segments {
            let index = match self.index(storage, segment) {
                Ok(index) => &index.index,
                Err(error) => {
                    found.unreadable_segments += unreadable(&error);
                    continue;
                }
            };
            let record = |number| {
                let services = index.services_of(number).map(str::to_owned).collect();
                Some(found_record(segment.number, index.record(number)?, services))
            };
            found.records.extend(index.find_records(query).into_iter().filter_map(record));
        }
    }
}

/// Adds the records of a segment that is being written.
pub(crate) fn find_records_in(
    segment: u64,
    builder: &IndexBuilder,
    query: &RecordQuery,
    found: &mut FoundRecords,
) {
    let record = |number| {
        let services = builder.services_of(number).map(str::to_owned).collect();
        Some(found_record(segment, builder.record(number)?, services))
    };
    found.records.extend(builder.find_records(query).into_iter().filter_map(record));
}

fn found_record(segment: u64, record: &IndexedRecord, services: Vec<String>) -> FoundRecord {
    FoundRecord {
        id: RecordId { segment, record: record.place.record },
        spans: record.spans,
        earliest_unix_nanos: record.earliest_unix_nanos,
        latest_unix_nanos: record.latest_unix_nanos,
        services,
    }
}

/// 1 for an error, and 0 for a segment that another process removed since: it has no spans any more.
fn unreadable(error: &io::Error) -> u64 {
    u64::from(error.kind() != io::ErrorKind::NotFound)
}

/// Indexes in memory at most.
const MAX_INDEXES: usize = 256;
/// A search ends behind the record that reaches it.
const MAX_FOUND_BYTES: usize = 64 << 20;
/// Larger buffers are freed after their record.
const RETAINED_BYTES: usize = 4 << 20;
