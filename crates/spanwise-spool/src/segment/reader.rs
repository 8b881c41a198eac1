//! Reads the payload of one record.

use crate::format::{RecordHeader, crc32c};
#[cfg(feature = "planted-bugs")]
use crate::planted::{SpoolBug, planted};
use crate::storage::StorageFile;

/// Reads the payload of a record; `None` if it cannot be read or its checksum is wrong.
pub(crate) fn read_payload<'a, F: StorageFile>(
    file: &F,
    header: &RecordHeader,
    payload: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    payload.clear();
    payload.resize(header.payload_bytes as usize, 0);
    let read = file.read_at(payload, header.payload_offset()).ok()?;
    let is_valid = read == payload.len() && crc32c(payload) == header.payload_crc32c;
    #[cfg(feature = "planted-bugs")]
    let is_valid = is_valid || planted(SpoolBug::PayloadUnchecked);
    is_valid.then_some(payload)
}
