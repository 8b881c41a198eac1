//! Finds the dictionaries that payloads need, and decompresses them.

use std::collections::BTreeMap;

use super::Spool;
use crate::compress::{Dictionary, find_dictionary, read_dictionary};
use crate::format::{RecordHeader, RecordKind};
use crate::segment::{Scan, Segment, read_payload};
use crate::storage::Storage;

impl<S: Storage> Spool<S> {
    /// Reads and decompresses a record of the cursor's segment; `None` if it is damaged.
    pub(super) fn read_request(&mut self, number: u64, header: &RecordHeader) -> Option<Vec<u8>> {
        if !self.decompressor.has(header.dictionary) {
            self.find_dictionary(number, header.dictionary);
        }
        let file = self.cursor.file.as_ref()?;
        let frame = read_payload(file, header, &mut self.cursor.payload).ok()?;
        self.decompressor.decompress(header.dictionary, frame, header.raw_bytes as usize).ok()
    }

    /// The cursor passes a record that may be a dictionary.
    pub(super) fn note_dictionary(&mut self, header: &RecordHeader) {
        if header.kind == RecordKind::Dictionary
            && !self.decompressor.has(header.dictionary)
            && let Some(file) = &self.cursor.file
            && let Some(found) = read_dictionary(file, header)
        {
            self.decompressor.add(found);
        }
    }

    /// Searches a dictionary in a segment, and then in all others: both copies may be damaged.
    fn find_dictionary(&mut self, number: u64, id: u32) {
        if self.missing_dictionary == Some(id) {
            return;
        }
        let first = self.segments.get(&number).into_iter();
        let found = first.chain(self.segments.values()).find_map(|segment| {
            let file = self.storage.open(&segment.file_name).ok()?;
            let scan = Scan::new(Some(segment.stored_number));
            find_dictionary(&file, scan, (segment.totals.end, u32::MAX), |found| found == id)
        });
        match found {
            Some(dictionary) => self.decompressor.add(dictionary),
            None => self.missing_dictionary = Some(id),
        }
    }
}

/// A dictionary of the newest segments.
pub(super) fn newest_dictionary<S: Storage>(
    storage: &S,
    segments: &BTreeMap<u64, Segment>,
) -> Option<Dictionary> {
    segments.values().rev().take(NEWEST_SEGMENTS).find_map(|segment| {
        let file = storage.open(&segment.file_name).ok()?;
        let scan = Scan::new(Some(segment.stored_number));
        find_dictionary(&file, scan, (segment.totals.end, NEWEST_RECORDS), |_| true)
    })
}

/// Segments that are searched at the start.
const NEWEST_SEGMENTS: usize = 4;
/// Records of each that are searched.
const NEWEST_RECORDS: u32 = 1024;
