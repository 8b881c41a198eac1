//! The public type.

use std::io;
use std::path::{Path, PathBuf};

use spanwise_wire::TraceId;

use super::damage::{Problem, Verified};
use super::inspect::{Inspected, inspect};
use super::summary::{IndexState, SegmentSummary};
use super::verify::Verifier;
use crate::checkpoint::Checkpoints;
use crate::format::{segment_file_name, segment_of_file_name};
use crate::index::{RecordQuery, SegmentIdentity};
use crate::lookup::{Found, FoundRecords, IndexFile, IndexFileError, Lookup, SegmentPlace};
use crate::storage::{ReadOnlyDirectory, Storage};
use crate::{RecordId, SpoolError, StoredRequest};

/// A spool, for reading alone: without its lock, while another process may write to it.
///
/// It has the segments as they were when it was opened. A segment that the other process removes since is left
/// out. Nothing is written; an index that is missing is built in memory.
///
/// ```
/// # let directory = std::env::temp_dir().join(format!("spanwise-reader-{}", std::process::id()));
/// use spanwise_spool::{Spool, SpoolReader};
/// use spanwise_wire::TraceId;
/// use std::time::SystemTime;
///
/// let (mut spool, _) = Spool::builder().open(&directory)?;
/// let trace_id = TraceId(7);
/// // resource_spans { scope_spans { spans { trace_id } } }
/// let request = [&[0x0a, 22, 0x12, 20, 0x12, 18, 0x0a, 16][..], &trace_id.to_bytes()].concat();
/// spool.append(SystemTime::now(), &request, 1)?;
/// spool.sync(SystemTime::now())?;
///
/// let mut reader = SpoolReader::open(&directory)?;
/// assert_eq!(reader.find(trace_id).request, request);
/// assert_eq!(reader.segments()[0].spans, 1);
/// # drop(spool);
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SpoolReader<S: Storage> {
    storage: S,
    segments: Vec<SegmentSummary>,
    /// Those that have a record.
    places: Vec<SegmentPlace>,
    lookup: Lookup<S::File>,
}

impl SpoolReader<ReadOnlyDirectory> {
    /// Opens the spool in a directory.
    ///
    /// # Errors
    /// [`SpoolError::Directory`] if it cannot be listed. A directory without segments is an empty spool.
    ///
    /// # Cost
    /// Reads the headers of all records.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SpoolError> {
        let path = path.as_ref();
        let failed = |source| SpoolError::Directory { path: path.to_owned(), source };
        Self::read_all(ReadOnlyDirectory::open(path)?).map_err(failed)
    }
}

impl<S: Storage> SpoolReader<S> {
    /// Opens the spool in any storage.
    ///
    /// # Errors
    /// As [`open`](SpoolReader::open).
    pub fn open_in(storage: S) -> Result<Self, SpoolError> {
        let failed = |source| SpoolError::Directory { path: PathBuf::new(), source };
        Self::read_all(storage).map_err(failed)
    }

    fn read_all(storage: S) -> io::Result<Self> {
        let entries = storage.list()?;
        let numbers = entries.iter().filter_map(|entry| segment_of_file_name(&entry.name));
        let mut numbers: Vec<u64> = numbers.collect();
        numbers.sort_unstable();
        let acknowledged = Checkpoints::open(&storage).1.unwrap_or_default();
        let (mut segments, mut places) = (Vec::new(), Vec::new());
        for number in numbers {
            let file_name = segment_file_name(number);
            let inspected = storage
                .open(&file_name)
                .and_then(|file| inspect(&file, number, &file_name))
                .unwrap_or_else(|error| Inspected::unreadable(number, &file_name, &error));
            let Inspected { mut summary, identity } = inspected;
            if let Some(identity) = identity {
                let entry = acknowledged.iter().find(|entry| {
                    (entry.segment, entry.created_unix_nanos)
                        == (identity.id, identity.created_unix_nanos)
                });
                let spans = entry.map_or(0, |entry| entry.spans);
                summary.acknowledged_spans = spans.min(summary.stored_spans);
                summarize_index(&storage, number, identity, &mut summary);
                places.push(SegmentPlace { number, file_name, identity });
            }
            segments.push(summary);
        }
        Ok(Self { storage, segments, places, lookup: Lookup::new(0, false) })
    }

    /// The segments, the oldest first.
    pub fn segments(&self) -> &[SegmentSummary] {
        &self.segments
    }

    /// Finds the spans of a trace, as [`Spool::find`](crate::Spool::find).
    pub fn find(&mut self, trace_id: TraceId) -> Found {
        let mut found = Found::default();
        self.lookup.find(&mut self.storage, &self.places, trace_id.to_bytes(), &mut found);
        found.rebuilt_indexes = self.lookup.take_rebuilt().len() as u64;
        found
    }

    /// Finds the records that may have a span for `query`, as
    /// [`Spool::find_records`](crate::Spool::find_records).
    pub fn find_records(&mut self, query: &RecordQuery) -> FoundRecords {
        let mut found = FoundRecords::default();
        self.lookup.find_records(&mut self.storage, &self.places, query, &mut found);
        found
    }

    /// Reads one record, as [`Spool::read`](crate::Spool::read).
    ///
    /// # Errors
    /// [`SpoolError::Io`] if the segment was removed, or the record is damaged.
    pub fn read(&mut self, id: RecordId) -> Result<StoredRequest, SpoolError> {
        let segment = self.places.iter().find(|segment| segment.number == id.segment);
        let read = match segment {
            Some(segment) => self.lookup.read_by_id(&mut self.storage, segment, id.record),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        let (header, request) = read.map_err(SpoolError::io("read a record"))?;
        Ok(StoredRequest::new(id, &header, request))
    }

    /// Reads every record, and passes each damage to `report`.
    ///
    /// # Cost
    /// Reads and decompresses all segments, and reads all indexes.
    pub fn verify(&mut self, mut report: impl FnMut(&Problem)) -> Verified {
        let mut verified = Verified::default();
        for summary in &self.segments {
            let place = self.places.iter().find(|place| place.number == summary.number);
            let mut count = |problem: Problem| {
                verified.add_problem(&problem);
                report(&problem);
            };
            let mut verifier = Verifier::new(summary, &mut self.lookup, &mut count);
            verifier.verify(&self.storage, place);
            let (records, spans) = (verifier.records, verifier.spans);
            verified.segments += 1;
            verified.records += records;
            verified.spans += spans;
        }
        verified
    }
}

fn summarize_index<S: Storage>(
    storage: &S,
    number: u64,
    identity: SegmentIdentity,
    summary: &mut SegmentSummary,
) {
    summary.index = match IndexFile::open(storage, number, identity) {
        Ok(file) => {
            summary.services = file.index.services().map(str::to_owned).collect();
            let entries = file.index.head().entries;
            IndexState::Usable { bytes: file.file_len, entries }
        }
        Err(IndexFileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            IndexState::Missing
        }
        Err(error) => IndexState::Unusable { reason: error.to_string() },
    };
}
