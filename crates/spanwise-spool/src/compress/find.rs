//! Finds a dictionary in a segment.

use super::dictionary::Dictionary;
use crate::format::{RecordHeader, RecordKind};
use crate::segment::{Scan, Step, read_payload};
use crate::storage::StorageFile;

/// Searches the first `most_records` records of a segment, up to an offset, for an intact dictionary.
pub(crate) fn find_dictionary<F: StorageFile>(
    file: &F,
    mut scan: Scan,
    (limit, most_records): (u64, u32),
    is_wanted: impl Fn(u32) -> bool,
) -> Option<Dictionary> {
    while scan.record() < most_records
        && let Step::Record { header, .. } = scan.next(file, limit).ok()?
    {
        if header.kind == RecordKind::Dictionary
            && is_wanted(header.dictionary)
            && let Some(found) = read_dictionary(file, &header)
        {
            return Some(found);
        }
    }
    None
}

/// Reads a dictionary record; `None` if it is damaged.
pub(crate) fn read_dictionary<F: StorageFile>(
    file: &F,
    header: &RecordHeader,
) -> Option<Dictionary> {
    let mut payload = Vec::new();
    let found = Dictionary::new(read_payload(file, header, &mut payload).ok()?)?;
    (found.id() == header.dictionary).then_some(found)
}
