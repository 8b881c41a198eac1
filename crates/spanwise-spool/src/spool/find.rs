//! Searches for a trace, and for records by time and service.

use std::io;

use spanwise_wire::TraceId;

use super::{Spool, read::StoredRequest};
use crate::index::{RecordPlace, RecordQuery};
use crate::lookup::{Candidates, Found, FoundRecords, RecordError, SegmentPlace, find_records_in};
use crate::storage::Storage;
use crate::{RecordId, SpoolError};

impl<S: Storage> Spool<S> {
    /// Finds the spans of a trace in all segments, in records that are delivered or not; records that are not
    /// synced yet included.
    ///
    /// [`Found`] counts what cannot be read. A missing or damaged index is built again from its segment and
    /// stored.
    ///
    /// # Cost
    /// One page of 4 KiB for each segment, which the disk reads at the same time, and each record with spans of
    /// the trace. The first search also reads the tables of each index, which stay in memory: 8 bytes for each
    /// page and about 64 for each record. An index that is built again costs reading its segment.
    pub fn find(&mut self, trace_id: TraceId) -> Found {
        let (id, mut found) = (trace_id.to_bytes(), Found::default());
        let segments = self.complete_segments();
        self.lookup.find(&mut self.storage, &segments, id, &mut found);
        found.rebuilt_indexes = self.count_rebuilt();
        if let Some(active) = &self.active {
            let numbers = active.index.find(id);
            let place = |number: &u32| Some(active.index.record(*number)?.place);
            let places: Vec<RecordPlace> = numbers.iter().filter_map(place).collect();
            let (file, segment) = (active.writer.file(), active.number);
            let candidates = Candidates { file, segment, places: &places };
            self.lookup.extract(candidates, id, &mut found);
        }
        found
    }

    /// Finds the records that may have a span for `query`, delivered or not. No span is read: a record whose
    /// times and services match may have the service at another time.
    ///
    /// # Cost
    /// As [`find`](Self::find), without pages and records.
    pub fn find_records(&mut self, query: &RecordQuery) -> FoundRecords {
        let mut found = FoundRecords::default();
        let segments = self.complete_segments();
        self.lookup.find_records(&mut self.storage, &segments, query, &mut found);
        self.count_rebuilt();
        if let Some(active) = &self.active {
            find_records_in(active.number, &active.index, query, &mut found);
        }
        found
    }

    /// Reads one record, delivered or not, and leaves the place of [`read_next`](Self::read_next) as it is. An
    /// id of this method needs no acknowledgement.
    ///
    /// # Errors
    /// [`SpoolError::Io`] if the segment was removed, or the record is damaged.
    pub fn read(&mut self, id: RecordId) -> Result<StoredRequest, SpoolError> {
        let read = match &self.active {
            Some(active) if active.number == id.segment => {
                let places = active.index.iter().map(|record| record.place);
                match places.into_iter().find(|place| place.record == id.record) {
                    Some(place) => self
                        .lookup
                        .read(active.writer.file(), active.number, place)
                        .map_err(RecordError::into_io),
                    None => Err(io::ErrorKind::NotFound.into()),
                }
            }
            _ => match self.complete_segment(id.segment) {
                Some(segment) => self.lookup.read_by_id(&mut self.storage, &segment, id.record),
                None => Err(io::ErrorKind::NotFound.into()),
            },
        };
        let (header, request) = read.map_err(SpoolError::io("read a record"))?;
        Ok(StoredRequest::new(id, &header, request))
    }

    fn complete_segments(&self) -> Vec<SegmentPlace> {
        self.segments.keys().filter_map(|number| self.complete_segment(*number)).collect()
    }

    fn complete_segment(&self, number: u64) -> Option<SegmentPlace> {
        let segment = self.segments.get(&number).filter(|segment| segment.is_complete)?;
        let (file_name, identity) = (segment.file_name.clone(), segment.identity());
        Some(SegmentPlace { number, file_name, identity })
    }

    /// Accounts for the bytes of indexes that a search built again, and returns their count.
    fn count_rebuilt(&mut self) -> u64 {
        let rebuilt = self.lookup.take_rebuilt();
        for (number, bytes) in &rebuilt {
            if let Some(segment) = self.segments.get_mut(number) {
                segment.index_bytes = *bytes;
            }
        }
        rebuilt.len() as u64
    }
}
