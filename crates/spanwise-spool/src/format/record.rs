//! The header of a record, which its trailer repeats.

use super::{FORMAT_VERSION, crc32c, get_u16, get_u32, get_u64, put};

/// The length of a record's header, and of its trailer.
pub const RECORD_HEADER_BYTES: usize = 80;

/// The most bytes of a record before its compression.
pub const MAX_RAW_BYTES: usize = 64 << 20;

/// The most bytes of a payload: libzstd's bound for [`MAX_RAW_BYTES`] that do not compress is below it.
pub(crate) const MAX_PAYLOAD_BYTES: u32 = (MAX_RAW_BYTES + MAX_RAW_BYTES / 128) as u32;

/// The header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    /// The type of the payload.
    pub kind: RecordKind,
    /// The number of the segment.
    pub segment: u64,
    /// The number of the record in the segment, from 0.
    pub record: u32,
    /// The offset of the header in the segment.
    pub offset: u32,
    /// The length of the payload on disk.
    pub payload_bytes: u32,
    /// The length of the payload before compression.
    pub raw_bytes: u32,
    /// The count of spans in the payload.
    pub spans: u32,
    /// The CRC32C of the payload.
    pub payload_crc32c: u32,
    /// The dictionary that the payload needs, 0 for none.
    pub dictionary: u32,
    /// The count of spans in all records before this one in the segment.
    pub spans_before: u64,
    /// The earliest start time of a span, in nanoseconds since 1970, 0 for none.
    pub earliest_unix_nanos: u64,
    /// The latest end time of a span, in nanoseconds since 1970, 0 for none.
    pub latest_unix_nanos: u64,
    /// The time of the append, in seconds since 1970.
    pub appended_unix_seconds: u32,
}

/// The type of a record's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// A Zstandard frame of an `ExportTraceServiceRequest`.
    Spans,
    /// A dictionary of Zstandard.
    Dictionary,
    /// No payload: the segment is complete.
    End,
}

/// The two copies of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordPart {
    /// Before the payload.
    Header,
    /// After the payload.
    Trailer,
}

/// The reason why bytes are no header of a record of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownRecord {
    /// Too short, another magic, or a wrong checksum.
    Damaged,
    /// A valid header whose version or kind this crate does not read.
    Unsupported,
}

impl RecordHeader {
    /// A header without a place, payload, spans and times.
    pub(crate) fn empty(kind: RecordKind, appended_unix_seconds: u32) -> Self {
        Self {
            kind,
            segment: 0,
            record: 0,
            offset: 0,
            payload_bytes: 0,
            raw_bytes: 0,
            spans: 0,
            payload_crc32c: 0,
            dictionary: 0,
            spans_before: 0,
            earliest_unix_nanos: 0,
            latest_unix_nanos: 0,
            appended_unix_seconds,
        }
    }

    /// Encodes the header or the trailer.
    pub fn encode(&self, part: RecordPart) -> [u8; RECORD_HEADER_BYTES] {
        let mut bytes = [0; RECORD_HEADER_BYTES];
        put(&mut bytes, 0, part.magic());
        put(&mut bytes, 4, &[FORMAT_VERSION as u8, self.kind.encode()]);
        put(&mut bytes, 8, &self.segment.to_le_bytes());
        put(&mut bytes, 16, &self.record.to_le_bytes());
        put(&mut bytes, 20, &self.offset.to_le_bytes());
        put(&mut bytes, 24, &self.payload_bytes.to_le_bytes());
        put(&mut bytes, 28, &self.raw_bytes.to_le_bytes());
        put(&mut bytes, 32, &self.spans.to_le_bytes());
        put(&mut bytes, 36, &self.payload_crc32c.to_le_bytes());
        put(&mut bytes, 40, &self.dictionary.to_le_bytes());
        put(&mut bytes, 48, &self.spans_before.to_le_bytes());
        put(&mut bytes, 56, &self.earliest_unix_nanos.to_le_bytes());
        put(&mut bytes, 64, &self.latest_unix_nanos.to_le_bytes());
        put(&mut bytes, 72, &self.appended_unix_seconds.to_le_bytes());
        let checksum = crc32c(&bytes[..CHECKSUM]);
        put(&mut bytes, CHECKSUM, &checksum.to_le_bytes());
        bytes
    }

    /// Decodes the header or the trailer at the start of `bytes`.
    ///
    /// # Errors
    /// [`UnknownRecord`].
    pub fn decode(bytes: &[u8], part: RecordPart) -> Result<Self, UnknownRecord> {
        let bytes = bytes.get(..RECORD_HEADER_BYTES).ok_or(UnknownRecord::Damaged)?;
        if !bytes.starts_with(part.magic())
            || get_u32(bytes, CHECKSUM) != crc32c(&bytes[..CHECKSUM])
        {
            return Err(UnknownRecord::Damaged);
        }
        let kind = RecordKind::decode(bytes[5]).ok_or(UnknownRecord::Unsupported)?;
        let raw_bytes = get_u32(bytes, 28);
        if u16::from(bytes[4]) != FORMAT_VERSION
            || get_u16(bytes, 6) != 0
            || raw_bytes as usize > MAX_RAW_BYTES
            || get_u32(bytes, 24) > MAX_PAYLOAD_BYTES
        {
            return Err(UnknownRecord::Unsupported);
        }
        Ok(Self {
            kind,
            segment: get_u64(bytes, 8),
            record: get_u32(bytes, 16),
            offset: get_u32(bytes, 20),
            payload_bytes: get_u32(bytes, 24),
            raw_bytes,
            spans: get_u32(bytes, 32),
            payload_crc32c: get_u32(bytes, 36),
            dictionary: get_u32(bytes, 40),
            spans_before: get_u64(bytes, 48),
            earliest_unix_nanos: get_u64(bytes, 56),
            latest_unix_nanos: get_u64(bytes, 64),
            appended_unix_seconds: get_u32(bytes, 72),
        })
    }

    /// The offset of the payload in the segment.
    pub fn payload_offset(&self) -> u64 {
        u64::from(self.offset) + RECORD_HEADER_BYTES as u64
    }

    /// The offset of the trailer in the segment.
    pub fn trailer_offset(&self) -> u64 {
        self.payload_offset() + u64::from(self.payload_bytes)
    }

    /// The offset behind the record, where the next one begins.
    pub fn end(&self) -> u64 {
        self.trailer_offset() + RECORD_HEADER_BYTES as u64
    }

    /// Whether the bytes before the record have space for the headers of all records before it, and these for their spans.
    /// Otherwise its numbers are not true, although its checksum is right.
    pub(crate) fn fits_its_offset(&self) -> bool {
        let records = u64::from(self.record);
        records * 2 * RECORD_HEADER_BYTES as u64 <= u64::from(self.offset)
            && self.spans_before <= records * u64::from(u32::MAX)
    }

    /// The count of spans up to the end of this record in the segment.
    pub fn spans_through(&self) -> u64 {
        self.spans_before.saturating_add(u64::from(self.spans))
    }
}

impl RecordKind {
    fn encode(self) -> u8 {
        match self {
            Self::Spans => 1,
            Self::Dictionary => 2,
            Self::End => 3,
        }
    }

    fn decode(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Spans),
            2 => Some(Self::Dictionary),
            3 => Some(Self::End),
            _ => None,
        }
    }
}

impl RecordPart {
    /// The first four bytes.
    pub fn magic(self) -> &'static [u8; 4] {
        match self {
            Self::Header => b"SWRH",
            Self::Trailer => b"SWRT",
        }
    }
}

const CHECKSUM: usize = 76;

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: RecordHeader = RecordHeader {
        kind: RecordKind::Spans,
        segment: 1,
        record: 2,
        offset: 3,
        payload_bytes: 4,
        raw_bytes: 5,
        spans: 6,
        payload_crc32c: 7,
        dictionary: 8,
        spans_before: 9,
        earliest_unix_nanos: 10,
        latest_unix_nanos: 11,
        appended_unix_seconds: 12,
    };

    #[test]
    fn both_copies_have_their_bytes_and_are_read_back() {
        for part in [RecordPart::Header, RecordPart::Trailer] {
            let bytes = HEADER.encode(part);
            assert_eq!(bytes[..9], [part.magic().as_slice(), &[1, 1, 0, 0, 1]].concat());
            let offsets = [8, 16, 20, 24, 28, 32, 36, 40, 48, 56, 64, 72];
            for (value, offset) in (1..).zip(offsets) {
                assert_eq!(bytes[offset], value, "offset {offset}");
            }
            assert_eq!(RecordHeader::decode(&bytes, part), Ok(HEADER));
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes;
                damaged[bit / 8] ^= 1 << (bit % 8);
                let decoded = RecordHeader::decode(&damaged, part);
                assert_eq!(decoded, Err(UnknownRecord::Damaged), "bit {bit}");
            }
        }
        let header = HEADER.encode(RecordPart::Header);
        let decoded = RecordHeader::decode(&header, RecordPart::Trailer);
        assert_eq!(decoded, Err(UnknownRecord::Damaged));
    }

    #[test]
    fn a_record_of_another_version_or_kind_is_not_damaged() {
        for (offset, value) in [(4, 2), (5, 0), (5, 4), (6, 1), (27, 0xff), (31, 0xff)] {
            let mut bytes = HEADER.encode(RecordPart::Header);
            bytes[offset] = value;
            let checksum = crc32c(&bytes[..CHECKSUM]);
            put(&mut bytes, CHECKSUM, &checksum.to_le_bytes());
            let decoded = RecordHeader::decode(&bytes, RecordPart::Header);
            assert_eq!(decoded, Err(UnknownRecord::Unsupported), "offset {offset}");
        }
    }
}
