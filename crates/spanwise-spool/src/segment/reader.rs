//! Reads the payload of one record.

use crate::format::{RecordHeader, crc32c};
#[cfg(feature = "planted-bugs")]
use crate::planted::{SpoolBug, planted};
use crate::storage::StorageFile;

/// The reason why there is no payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnreadPayload {
    /// The bytes are not those that were written.
    Damaged,
    /// The disk refused to read them.
    Io,
}

/// Reads the payload of a record and compares its checksum.
pub(crate) fn read_payload<'a, F: StorageFile>(
    file: &F,
    header: &RecordHeader,
    payload: &'a mut Vec<u8>,
) -> Result<&'a [u8], UnreadPayload> {
    payload.clear();
    payload.resize(header.payload_bytes as usize, 0);
    let read = file.read_at(payload, header.payload_offset()).map_err(|_| UnreadPayload::Io)?;
    let is_valid = read == payload.len() && crc32c(payload) == header.payload_crc32c;
    #[cfg(feature = "planted-bugs")]
    let is_valid = is_valid || planted(SpoolBug::PayloadUnchecked);
    if is_valid { Ok(payload) } else { Err(UnreadPayload::Damaged) }
}
