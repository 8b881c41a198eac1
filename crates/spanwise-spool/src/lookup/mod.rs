//! Searches in the segments of a spool, by their indexes.

mod found;
mod index_file;
mod record;
mod search;

pub use found::{Found, FoundRecord, FoundRecords};
pub(crate) use index_file::{
    IndexFile, IndexFileError, index_file_name, place_of, segment_of_index_name, write_index,
};
pub(crate) use record::RecordError;
pub(crate) use search::{Candidates, Lookup, SegmentPlace, find_records_in};
