//! Reads a record by the place that an index has.

use std::fmt;
use std::io;

use crate::compress::{Decompressor, find_dictionary};
use crate::format::{RECORD_HEADER_BYTES, RecordHeader, RecordKind, RecordPart, crc32c};
use crate::index::RecordPlace;
use crate::segment::Scan;
use crate::storage::StorageFile;

/// The reason why a record has no request.
#[derive(Debug)]
pub(crate) enum RecordError {
    /// Neither its header nor its trailer is valid there.
    Header,
    /// The payload has another checksum.
    Checksum,
    /// The payload is intact and libzstd does not accept it.
    Compression(&'static str),
    Io(io::Error),
}

impl RecordError {
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Io(error) => error,
            damaged => io::Error::new(io::ErrorKind::InvalidData, damaged.to_string()),
        }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => write!(f, "neither its header nor its trailer is valid"),
            Self::Checksum => write!(f, "the checksum of its payload does not match"),
            Self::Compression(reason) => write!(f, "its payload cannot be decompressed: {reason}"),
            Self::Io(error) => write!(f, "it cannot be read: {error}"),
        }
    }
}

/// Reads the record at `place` by one read, and decompresses it. `block` is reused.
pub(crate) fn read_at_place<F: StorageFile>(
    file: &F,
    place: RecordPlace,
    block: &mut Vec<u8>,
    decompressor: &mut Decompressor,
) -> Result<(RecordHeader, Vec<u8>), RecordError> {
    block.clear();
    block.resize(place.len as usize, 0);
    let read = file.read_at(block, place.offset).map_err(RecordError::Io)?;
    if read < block.len() {
        return Err(RecordError::Header);
    }
    let (header, payload) = parse(block, place.offset).ok_or(RecordError::Header)?;
    if crc32c(payload) != header.payload_crc32c {
        return Err(RecordError::Checksum);
    }
    if !decompressor.has(header.dictionary) {
        let (scan, limit) = (Scan::new(Some(header.segment)), u64::from(header.offset));
        let is_wanted = |found| found == header.dictionary;
        if let Some(found) = find_dictionary(file, scan, (limit, u32::MAX), is_wanted) {
            decompressor.add(found);
        }
    }
    let request = decompressor.decompress(header.dictionary, payload, header.raw_bytes as usize);
    Ok((header, request.map_err(RecordError::Compression)?))
}

/// The header and the payload of the record that `block` is, at `offset`.
fn parse(block: &[u8], offset: u64) -> Option<(RecordHeader, &[u8])> {
    let payload_end = block.len().checked_sub(RECORD_HEADER_BYTES)?;
    let payload = block.get(RECORD_HEADER_BYTES..payload_end)?;
    let trailer = block.get(payload_end..)?;
    let header = RecordHeader::decode(block, RecordPart::Header)
        .or_else(|_| RecordHeader::decode(trailer, RecordPart::Trailer))
        .ok()?;
    let belongs_here = u64::from(header.offset) == offset
        && header.payload_bytes as usize == payload.len()
        && header.kind == RecordKind::Spans;
    belongs_here.then_some((header, payload))
}
