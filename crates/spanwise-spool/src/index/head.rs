//! The header of an index: fixed bytes that state the length and the checksum of all that follows.

use super::error::IndexError;
use super::numbers::Numbers;
use super::page::PAGE_LEN;

/// Bytes of the header.
pub const HEAD_LEN: usize = 112;
const MAGIC: [u8; 8] = *b"SPWINDEX";
const VERSION: u16 = 1;
/// The tables of a segment with a million records and a thousand services are shorter.
const MAX_FRONT_BYTES: u32 = 64 << 20;

/// The header of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// Id of the segment.
    pub segment: u64,
    /// Time of the segment's creation, in nanoseconds since the Unix epoch.
    pub segment_created_unix_nanos: u64,
    /// Length of the segment when the index was made.
    pub segment_len: u64,
    /// Spans in the segment, with those that no id finds.
    pub spans: u64,
    /// Number of records.
    pub records: u32,
    /// Pairs of a trace and a record.
    pub entries: u64,
    /// Bytes of the header and of the tables behind it, which one read returns.
    pub front_len: u32,
    pub(super) seed: u64,
    pub(super) universe: u64,
    pub(super) pages: u32,
    pub(super) pages_offset: u64,
    pub(super) last_page_len: u32,
    pub(super) rice: u32,
    pub(super) services: u32,
    pub(super) tables_checksum: u32,
}

impl Head {
    /// Reads the first [`HEAD_LEN`] bytes of an index whose file has `file_len` bytes.
    ///
    /// # Errors
    /// [`IndexError`] for all that is not a header of version 1 with its checksum, and for lengths that the file
    /// does not have: memory for what follows is bounded by the file.
    pub fn parse(bytes: &[u8], file_len: u64) -> Result<Self, IndexError> {
        let mut numbers = Numbers(bytes);
        let magic = numbers.array::<8>().ok_or(IndexError::Truncated)?;
        if magic != MAGIC {
            return Err(IndexError::Magic);
        }
        let found = numbers.u16().ok_or(IndexError::Truncated)?;
        if found != VERSION {
            return Err(IndexError::Version { found });
        }
        let (covered, sum) = bytes
            .get(..HEAD_LEN)
            .and_then(|head| head.split_last_chunk::<4>())
            .ok_or(IndexError::Truncated)?;
        if crc32c::crc32c(covered) != u32::from_le_bytes(*sum) {
            return Err(IndexError::Checksum { part: "header" });
        }
        let head = Self::fields(&mut numbers).ok_or(IndexError::Truncated)?;
        head.check(file_len)
    }

    fn fields(numbers: &mut Numbers<'_>) -> Option<Self> {
        let _reserved = numbers.u16()?;
        Some(Self {
            front_len: numbers.u32()?,
            segment: numbers.u64()?,
            segment_created_unix_nanos: numbers.u64()?,
            segment_len: numbers.u64()?,
            seed: numbers.u64()?,
            spans: numbers.u64()?,
            entries: numbers.u64()?,
            universe: numbers.u64()?,
            pages_offset: numbers.u64()?,
            pages: numbers.u32()?,
            last_page_len: numbers.u32()?,
            records: numbers.u32()?,
            services: numbers.u32()?,
            rice: numbers.u32()?,
            tables_checksum: numbers.u32()?,
        })
    }

    fn check(self, file_len: u64) -> Result<Self, IndexError> {
        let directory = u64::from(self.pages) * 8;
        let fits = self.front_len <= MAX_FRONT_BYTES
            && u64::from(self.front_len) >= HEAD_LEN as u64 + directory
            && u64::from(self.front_len) <= self.pages_offset
            && self.last_page_len as usize <= PAGE_LEN
            && self.rice <= 44
            && self.universe <= 1 << 44
            && (self.pages == 0) == (self.last_page_len == 0);
        if !fits {
            return Err(IndexError::Malformed { part: "header" });
        }
        let end = match self.pages.checked_sub(1) {
            Some(last) => {
                self.page_offset(last).and_then(|at| at.checked_add(self.last_page_len.into()))
            }
            None => Some(self.front_len.into()),
        };
        match end {
            Some(end) if end <= file_len => Ok(self),
            _ => Err(IndexError::Truncated),
        }
    }

    /// Number of pages.
    pub fn pages(&self) -> u32 {
        self.pages
    }

    pub(super) fn page_offset(&self, number: u32) -> Option<u64> {
        self.pages_offset.checked_add(u64::from(number) * PAGE_LEN as u64)
    }

    /// The header in front of its tables; the checksums are computed here.
    pub(super) fn write(mut self, tables: &[u8]) -> Vec<u8> {
        self.front_len = (HEAD_LEN + tables.len()) as u32;
        self.tables_checksum = crc32c::crc32c(tables);
        let mut out = Vec::with_capacity(HEAD_LEN + tables.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.front_len.to_le_bytes());
        for number in [
            self.segment,
            self.segment_created_unix_nanos,
            self.segment_len,
            self.seed,
            self.spans,
            self.entries,
            self.universe,
            self.pages_offset,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [
            self.pages,
            self.last_page_len,
            self.records,
            self.services,
            self.rice,
            self.tables_checksum,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.resize(HEAD_LEN - 4, 0);
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out.extend_from_slice(tables);
        out
    }
}
