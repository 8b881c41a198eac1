//! One segment: a file of records.

mod acknowledged;
mod open;
mod reader;
mod scan;
mod state;
mod writer;

pub(crate) use acknowledged::Acknowledged;
pub(crate) use open::{Opened, open_segment};
pub(crate) use reader::read_payload;
pub(crate) use scan::{Scan, Step};
pub(crate) use state::{Segment, Totals};
pub(crate) use writer::{Pending, SegmentWriter};

/// The place of a record: its segment's number and its own number in the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    pub(crate) segment: u64,
    pub(crate) record: u32,
}

impl RecordId {
    /// The number of the segment in the name of its file.
    pub fn segment(self) -> u64 {
        self.segment
    }

    /// The number of the record in the segment, from 0.
    pub fn record(self) -> u32 {
        self.record
    }
}
