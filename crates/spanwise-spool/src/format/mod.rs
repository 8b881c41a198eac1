//! The bytes of the files, without I/O; `docs/spool.md` has the tables.

mod bytes;
mod checksum;
mod record;
mod segment;

pub(crate) use bytes::{get_u16, get_u32, get_u64, put};
pub use checksum::crc32c;
pub(crate) use record::MAX_PAYLOAD_BYTES;
pub use record::{
    MAX_RAW_BYTES, RECORD_HEADER_BYTES, RecordHeader, RecordKind, RecordPart, UnknownRecord,
};
pub(crate) use segment::MAX_SEGMENT_NUMBER;
pub use segment::{
    SEGMENT_HEADER_BYTES, SegmentHeader, UnknownSegment, segment_file_name, segment_of_file_name,
};

/// The version of the format that this crate writes, and the highest that it reads.
pub const FORMAT_VERSION: u16 = 1;
