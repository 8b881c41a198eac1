//! Builds the index of a segment while the segment is written.

use super::contents::Contents;
use super::facts::RecordFacts;
use super::fingerprint::{FINGERPRINT_BITS, fingerprint, place};
use super::head::{HEAD_LEN, Head};
use super::page::{Coding, PAGE_LEN, PageWriter};
use super::query::RecordQuery;
use super::table::{IndexedRecord, RecordPlace};

/// Entries of one index at most, a pair of a trace and a record each: 8 MiB of memory.
const MAX_ENTRIES: usize = 1 << 20;
/// Records of one index at most: their numbers have the bits that a fingerprint leaves of 64.
const MAX_RECORDS: usize = 1 << (u64::BITS - FINGERPRINT_BITS);
/// The share of a segment's bytes that its index may take, in thousandths.
const SHARE: u64 = 29;
/// Places for each entry at most, as a power of two: one search of 16,384 for a trace that the segment does not
/// have reads a record in vain. More bits would find nothing faster.
const MAX_SPREAD_BITS: f64 = 14.0;

/// The segment that an index is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentIdentity {
    /// Number of the segment.
    pub id: u64,
    /// Time of its creation, in nanoseconds since the Unix epoch.
    pub created_unix_nanos: u64,
    /// Length of its file in bytes, complete.
    pub len: u64,
}

/// Builds the index of one segment from the requests of its records.
///
/// # Memory
/// 8 bytes for each pair of a trace and a record, 8 MiB at most, and about 64 bytes for each record. A segment
/// must end when [`is_full`](Self::is_full) returns true.
///
/// # Cost
/// [`add`](Self::add) copies the traces of a record; [`seal`](Self::seal) sorts all entries.
#[derive(Debug)]
pub struct IndexBuilder {
    seed: u64,
    entries: Vec<u64>,
    contents: Contents,
    spans: u64,
}

/// The bytes of an index file.
#[derive(Debug)]
pub struct SealedIndex {
    /// The header and the tables, from offset 0.
    pub front: Vec<u8>,
    /// Offset of `pages`.
    pub pages_offset: u64,
    /// The pages of the trace index.
    pub pages: Vec<u8>,
}

impl SealedIndex {
    /// Length of the file in bytes.
    pub fn file_len(&self) -> u64 {
        match self.pages.len() {
            0 => self.front.len() as u64,
            len => self.pages_offset + len as u64,
        }
    }

    /// The whole file.
    pub fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.front;
        if !self.pages.is_empty() {
            bytes.resize(self.pages_offset as usize, 0);
        }
        bytes.extend_from_slice(&self.pages);
        bytes
    }
}

impl IndexBuilder {
    /// An empty index. `seed` should be random: it is stored in the index and makes collisions of trace ids hard
    /// to choose.
    pub fn new(seed: u64) -> Self {
        Self { seed, entries: Vec::new(), contents: Contents::default(), spans: 0 }
    }

    /// Adds the next record: where it is, and the facts about it, read with the seed of this index. Returns the
    /// number of the record.
    ///
    /// # Panics
    /// Never. Records beyond the capacity are found by time and service alone; [`is_full`](Self::is_full) states
    /// it before.
    pub fn add(&mut self, place: RecordPlace, facts: &RecordFacts) -> u32 {
        let number = self.contents.table.len();
        let (mut services, mut has_further) = (Vec::new(), facts.has_further_services);
        for name in facts.services.names() {
            match self.contents.services.number_or_add(name) {
                Some(service) => services.push(service),
                None => has_further = true,
            }
        }
        if number < MAX_RECORDS {
            let entry = |trace: &u64| trace << (u64::BITS - FINGERPRINT_BITS) | number as u64;
            self.entries.extend(facts.traces.iter().map(entry));
        }
        self.contents.table.push(place, facts.times, &services, has_further);
        self.spans = self.spans.saturating_add(facts.times.spans);
        number as u32
    }

    /// Whether the segment must end before the next record: the memory or the record numbers are used up.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= MAX_ENTRIES || self.contents.table.len() >= MAX_RECORDS
    }

    /// The seed of its fingerprints.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Bytes of memory that it takes.
    pub fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<u64>() + self.contents.table.len() * 64
    }

    /// Number of records.
    pub fn records(&self) -> u32 {
        self.contents.table.len() as u32
    }

    /// Number of spans.
    pub fn spans(&self) -> u64 {
        self.spans
    }

    /// All records, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &IndexedRecord> {
        self.contents.table.iter()
    }

    /// The facts about a record.
    pub fn record(&self, number: u32) -> Option<&IndexedRecord> {
        self.contents.table.get(number)
    }

    /// The numbers of the records that may have spans of the trace, ascending.
    ///
    /// # Cost
    /// One pass over the entries.
    pub fn find(&self, trace_id: [u8; 16]) -> Vec<u32> {
        let wanted = fingerprint(&trace_id, self.seed);
        let of = |entry: &&u64| *entry >> (u64::BITS - FINGERPRINT_BITS) == wanted;
        let number = |entry: &u64| (entry & (MAX_RECORDS as u64 - 1)) as u32;
        self.entries.iter().filter(of).map(number).collect()
    }

    /// The numbers of the records that may have a span for `query`, ascending.
    pub fn find_records(&self, query: &RecordQuery) -> Vec<u32> {
        self.contents.matching(query)
    }

    /// The names of the services.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.contents.services.names()
    }

    /// The names of the services of a record.
    pub fn services_of(&self, record: u32) -> impl Iterator<Item = &str> {
        self.contents.services_of(record)
    }

    /// Ends the index of a segment that is complete.
    ///
    /// The fingerprints get as many bits as 3 % of the segment's bytes allow, at most 14 beyond those that separate
    /// the entries; at least 1, whatever that takes.
    pub fn seal(mut self, segment: SegmentIdentity) -> SealedIndex {
        self.entries.sort_unstable();
        let mut tables = Vec::new();
        self.contents.services.write(&mut tables);
        self.contents.table.write(&mut tables);
        let entries = self.entries.len() as u64;
        let budget = (segment.len * SHARE / 1000).saturating_sub((HEAD_LEN + tables.len()) as u64);
        let records = self.contents.table.len().min(MAX_RECORDS) as u32;
        let (coding, universe) = self.coding(budget, records);
        let (pages, directory) = self.pages(coding, universe);
        let mut all: Vec<u8> = directory.iter().flat_map(|first| first.to_le_bytes()).collect();
        all.extend_from_slice(&tables);
        let front_len = (HEAD_LEN + all.len()) as u64;
        // A page is one block of the disk; a single page stands at once behind the tables.
        let is_single = pages.len() <= PAGE_LEN;
        let aligned = front_len.next_multiple_of(PAGE_LEN as u64);
        let pages_offset = if is_single { front_len } else { aligned };
        let head = Head {
            segment: segment.id,
            segment_created_unix_nanos: segment.created_unix_nanos,
            segment_len: segment.len,
            spans: self.spans,
            records: self.contents.table.len() as u32,
            entries,
            front_len: 0,
            seed: self.seed,
            universe,
            pages: directory.len() as u32,
            pages_offset,
            last_page_len: pages.len().checked_sub(1).map_or(0, |last| last % PAGE_LEN + 1) as u32,
            rice: coding.rice,
            services: self.contents.services.len() as u32,
            tables_checksum: 0,
        };
        SealedIndex { front: head.write(&all), pages_offset, pages }
    }

    /// The widths that make the pages about `budget` bytes long, and the number of places for fingerprints.
    fn coding(&self, budget: u64, records: u32) -> (Coding, u64) {
        let entries = self.entries.len().max(1) as f64;
        // A page has a header, an entry in the directory and unused bits at its end.
        let bits = budget as f64 * 8.0 * 0.99 / entries;
        let at = |spread: f64| {
            let distance = spread.exp2();
            // The best parameter for a geometric distribution is the logarithm of its median.
            let rice = (distance * std::f64::consts::LN_2).log2().round().max(0.0) as u32;
            (Coding { rice, records, seed: self.seed }, distance)
        };
        let mut spread = MAX_SPREAD_BITS;
        while spread > 1.0 {
            let (coding, distance) = at(spread);
            if coding.entry_bits(distance) <= bits {
                break;
            }
            spread -= 0.125;
        }
        let (coding, distance) = at(spread);
        (coding, (entries * distance).ceil() as u64)
    }

    fn pages(&self, coding: Coding, universe: u64) -> (Vec<u8>, Vec<u64>) {
        let mut writer = PageWriter::new(coding);
        let place_of = |entry: &u64| place(entry >> (u64::BITS - FINGERPRINT_BITS), universe);
        let mut records = Vec::new();
        for group in self.entries.chunk_by(|a, b| place_of(a) == place_of(b)) {
            records.clear();
            records.extend(group.iter().map(|entry| (entry & (MAX_RECORDS as u64 - 1)) as u32));
            // Two traces with one place may be in the same record.
            records.sort_unstable();
            records.dedup();
            writer.put(group.first().map_or(0, place_of), &records);
        }
        writer.finish()
    }
}
