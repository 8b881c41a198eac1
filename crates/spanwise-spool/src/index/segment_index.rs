//! A sealed index: its tables in memory, its pages on disk.

use super::builder::SegmentIdentity;
use super::contents::Contents;
use super::error::IndexError;
use super::fingerprint::{fingerprint, place};
use super::head::{HEAD_LEN, Head};
use super::numbers::Numbers;
use super::page::{CONTINUES, Coding, PAGE_LEN, find_in_page};
use super::query::RecordQuery;
use super::services::Services;
use super::table::{IndexedRecord, Table};
use std::ops::Range;

/// The index of a segment, without its pages: a search for a trace reads one of them.
///
/// # Memory
/// 8 bytes for each page of 4 KiB, and about 64 bytes for each record.
#[derive(Debug)]
pub struct SegmentIndex {
    head: Head,
    /// The place of the first entry of each page, ascending.
    directory: Vec<u64>,
    contents: Contents,
}

impl SegmentIndex {
    /// Reads the first [`Head::front_len`] bytes of an index.
    ///
    /// # Errors
    /// [`IndexError`] for all that the builder does not write, and [`IndexError::OtherSegment`] if it is not about
    /// `segment`.
    pub fn parse(front: &[u8], head: Head, segment: SegmentIdentity) -> Result<Self, IndexError> {
        let SegmentIdentity { id, created_unix_nanos, len } = segment;
        let stated = (head.segment, head.segment_created_unix_nanos, head.segment_len);
        if stated != (id, created_unix_nanos, len) {
            return Err(IndexError::OtherSegment);
        }
        let tables = front.get(HEAD_LEN..head.front_len as usize).ok_or(IndexError::Truncated)?;
        if crc32c::crc32c(tables) != head.tables_checksum {
            return Err(IndexError::Checksum { part: "tables" });
        }
        let malformed = |part| IndexError::Malformed { part };
        let mut numbers = Numbers(tables);
        let directory = (0..head.pages).map(|_| numbers.u64()).collect::<Option<Vec<_>>>();
        let directory = directory.ok_or(malformed("directory"))?;
        let ascends = |pair: &[u64]| matches!(pair, [a, b] if a & !CONTINUES <= b & !CONTINUES);
        if !directory.windows(2).all(ascends) {
            return Err(malformed("directory"));
        }
        let services = Services::read(&mut numbers, head.services).ok_or(malformed("services"))?;
        let table =
            Table::read(&mut numbers, head.records, &services).ok_or(malformed("records"))?;
        let spans = table.iter().fold(0u64, |sum, record| sum.saturating_add(record.spans));
        if !numbers.0.is_empty() || spans != head.spans {
            return Err(malformed("records"));
        }
        Ok(Self { head, directory, contents: Contents { services, table } })
    }

    /// Reads an index that is in memory as a whole.
    ///
    /// # Errors
    /// As [`Head::parse`] and [`parse`](Self::parse).
    pub fn parse_file(file: &[u8], segment: SegmentIdentity) -> Result<Self, IndexError> {
        Self::parse(file, Head::parse(file, file.len() as u64)?, segment)
    }

    /// The header.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The numbers of the pages that may have an entry of the trace: none or one, two or more only for a trace with
    /// spans in thousands of records.
    pub fn pages_of(&self, trace_id: [u8; 16]) -> Range<u32> {
        let place = self.place(trace_id);
        let end = self.directory.partition_point(|first| first & !CONTINUES <= place);
        let mut start = self.directory.partition_point(|first| first & !CONTINUES < place);
        // The page before holds the place if it ends with it, or if no page begins with it.
        let begins_before =
            start == end || self.directory.get(start).is_some_and(|first| first & CONTINUES != 0);
        if begins_before {
            start = start.saturating_sub(1);
        }
        start as u32..end as u32
    }

    /// The bytes of a page in the file.
    pub fn page_bytes(&self, number: u32) -> Range<u64> {
        let start = self.head.page_offset(number).unwrap_or(u64::MAX);
        let len = match number.checked_add(1) == Some(self.head.pages) {
            true => u64::from(self.head.last_page_len),
            false => PAGE_LEN as u64,
        };
        start..start.saturating_add(len)
    }

    /// Appends to `records` the numbers of the records that may have spans of the trace, as far as the page of
    /// this number has them.
    ///
    /// A record without spans of the trace is possible: the caller compares the ids. A record with spans of it
    /// is never missing.
    ///
    /// # Errors
    /// [`IndexError`] if the page changed after it was written.
    pub fn find_in_page(
        &self,
        number: u32,
        page: &[u8],
        trace_id: [u8; 16],
        records: &mut Vec<u32>,
    ) -> Result<(), IndexError> {
        let Head { rice, seed, .. } = self.head;
        let coding = Coding { rice, records: self.head.records, seed };
        find_in_page(page, number, coding, self.place(trace_id), records)
    }

    fn place(&self, trace_id: [u8; 16]) -> u64 {
        place(fingerprint(&trace_id, self.head.seed), self.head.universe)
    }

    /// The numbers of the records that may have a span for `query`, ascending. No page is read.
    pub fn find_records(&self, query: &RecordQuery) -> Vec<u32> {
        self.contents.matching(query)
    }

    /// The facts about a record.
    pub fn record(&self, number: u32) -> Option<&IndexedRecord> {
        self.contents.table.get(number)
    }

    /// All records, in the order of their numbers.
    pub fn records(&self) -> impl Iterator<Item = &IndexedRecord> {
        self.contents.table.iter()
    }

    /// The names of the services; `""` is a resource without `service.name`.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.contents.services.names()
    }

    /// The names of the services of a record.
    pub fn services_of(&self, record: u32) -> impl Iterator<Item = &str> {
        self.contents.services_of(record)
    }
}
