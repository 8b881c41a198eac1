//! A page: some entries of a trace index, in one block of the disk.
//!
//! An entry is the place of a trace's fingerprint and the number of a record that has spans of the trace. Entries
//! ascend; each is the distance from the entry before it in Rice's code, and the number in truncated binary.

use super::bits::{BitReader, BitWriter};
use super::error::IndexError;
use super::numbers::Numbers;

/// Bytes of a page: one block of the usual file systems. The last page of an index is shorter.
pub(super) const PAGE_LEN: usize = 4096;
/// Checksum, number of the page, number of entries, place of the first entry.
const HEADER_LEN: usize = 20;
const ENTRY_BITS: usize = (PAGE_LEN - HEADER_LEN) * 8;

/// The widths of numbers in the pages of one index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Coding {
    /// Bits of a distance that follow its quotient.
    pub(super) rice: u32,
    /// Number of records: record numbers are below it.
    pub(super) records: u32,
    /// The seed of the index: part of each checksum, so that no page of another index fits.
    pub(super) seed: u64,
}

impl Coding {
    /// Bits of a record number, and the count of numbers that take one less.
    fn binary(self) -> (u32, u64) {
        let records = u64::from(self.records.max(1));
        let bits = u64::BITS - (records - 1).leading_zeros();
        (bits, (1 << bits) - records)
    }

    /// Upper bound of the bits of an entry.
    fn max_bits(self, distance: u64) -> usize {
        BitWriter::rice_len(distance, self.rice) as usize + self.binary().0 as usize
    }

    fn put_number(self, out: &mut BitWriter, record: u32) {
        let (bits, short) = self.binary();
        let record = u64::from(record);
        if bits == 0 {
            return;
        }
        // The high bits first: a reader needs them to see whether another bit follows.
        if record < short {
            put_reversed(out, record, bits - 1);
        } else {
            put_reversed(out, record + short, bits);
        }
    }

    fn get_number(self, bits_in: &mut BitReader<'_>) -> Option<u32> {
        let (bits, short) = self.binary();
        if bits == 0 {
            return Some(0);
        }
        let high = reversed(bits_in.get(bits - 1)?, bits - 1);
        let number = match high < short {
            true => high,
            false => (high << 1 | bits_in.get(1)?) - short,
        };
        u32::try_from(number).ok().filter(|number| *number < self.records)
    }

    /// The average length of an entry in bits, of entries whose distances are `distance` on average.
    pub(super) fn entry_bits(self, distance: f64) -> f64 {
        let (bits, short) = self.binary();
        let records = f64::from(self.records.max(1));
        let number = f64::from(bits) - if bits > 0 { short as f64 / records } else { 0.0 };
        // The quotient of a distance with a geometric distribution is 1 / (e^(2^k / m) - 1) on average.
        let quotient = 1.0 / ((f64::from(1u32 << self.rice.min(31)) / distance).exp() - 1.0);
        quotient + 1.0 + f64::from(self.rice) + number
    }
}

fn put_reversed(out: &mut BitWriter, value: u64, count: u32) {
    out.put(reversed(value, count), count);
}

fn reversed(value: u64, count: u32) -> u64 {
    match count {
        0 => 0,
        count => value.reverse_bits() >> (u64::BITS - count),
    }
}

/// Writes entries as pages.
pub(super) struct PageWriter {
    coding: Coding,
    /// Complete pages.
    pages: Vec<u8>,
    /// The place of the first entry of each page, and in the highest bit whether the page before it ends with
    /// the same place.
    directory: Vec<u64>,
    bits: BitWriter,
    entries: u32,
    first: u64,
    last: u64,
}

impl PageWriter {
    pub(super) fn new(coding: Coding) -> Self {
        let (pages, directory) = (Vec::new(), Vec::new());
        Self { coding, pages, directory, bits: BitWriter::default(), entries: 0, first: 0, last: 0 }
    }

    /// Appends the entries of one place, records ascending. They stay in one page if one page can hold them.
    pub(super) fn put(&mut self, place: u64, records: &[u32]) {
        let group = self.coding.max_bits(place.saturating_sub(self.last))
            + self.coding.max_bits(0) * records.len().saturating_sub(1);
        if self.bits.len() + group > ENTRY_BITS {
            self.end_page(PAGE_LEN);
        }
        for (at, record) in records.iter().enumerate() {
            let next = self.coding.max_bits(place.saturating_sub(self.last));
            if self.bits.len() + next > ENTRY_BITS {
                self.end_page(PAGE_LEN);
            }
            if self.entries == 0 {
                (self.first, self.last) = (place, place);
                self.directory.push(place | if at > 0 { CONTINUES } else { 0 });
            }
            self.bits.put_rice(place.saturating_sub(self.last), self.coding.rice);
            self.coding.put_number(&mut self.bits, *record);
            self.entries += 1;
            self.last = place;
        }
    }

    /// Ends the page, if it has an entry, and fills it to `len` bytes.
    fn end_page(&mut self, len: usize) {
        if self.entries == 0 {
            return;
        }
        let bits = self.bits.take();
        let at = self.pages.len();
        let number = (at / PAGE_LEN) as u32;
        self.pages.extend_from_slice(&[0; 4]);
        self.pages.extend_from_slice(&number.to_le_bytes());
        self.pages.extend_from_slice(&self.entries.to_le_bytes());
        self.pages.extend_from_slice(&self.first.to_le_bytes());
        self.pages.extend_from_slice(&bits);
        self.pages.resize(self.pages.len().max(at + len), 0);
        let page = self.pages.get_mut(at..).unwrap_or_default();
        if let Some((sum, rest)) = page.split_first_chunk_mut::<4>() {
            *sum = checksum(self.coding.seed, rest).to_le_bytes();
        }
        self.entries = 0;
    }

    /// The pages, all but the last one with their full length, and their directory.
    pub(super) fn finish(mut self) -> (Vec<u8>, Vec<u64>) {
        self.end_page(0);
        (self.pages, self.directory)
    }
}

/// Set in an entry of the directory whose page begins with the place that the page before it ends with.
pub(super) const CONTINUES: u64 = 1 << 63;

/// Appends to `records` the records of `page` whose entry has `place`.
///
/// # Errors
/// [`IndexError::Checksum`] if the page has changed, [`IndexError::Malformed`] if its entries have no end.
pub(super) fn find_in_page(
    page: &[u8],
    number: u32,
    coding: Coding,
    place: u64,
    records: &mut Vec<u32>,
) -> Result<(), IndexError> {
    let malformed = IndexError::Malformed { part: "page" };
    let mut numbers = Numbers(page);
    let sum = numbers.u32().ok_or(IndexError::Truncated)?;
    if sum != checksum(coding.seed, numbers.0) {
        return Err(IndexError::Checksum { part: "page" });
    }
    if numbers.u32() != Some(number) {
        return Err(malformed);
    }
    let entries = numbers.u32().ok_or(malformed)?;
    let mut at = numbers.u64().ok_or(malformed)?;
    let mut bits = BitReader::new(numbers.0);
    for _ in 0..entries {
        let distance = bits.get_rice(coding.rice).ok_or(malformed)?;
        let record = coding.get_number(&mut bits).ok_or(malformed)?;
        at = at.checked_add(distance).ok_or(malformed)?;
        if at > place {
            break;
        }
        if at == place {
            records.push(record);
        }
    }
    Ok(())
}

fn checksum(seed: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&seed.to_le_bytes()), bytes)
}
