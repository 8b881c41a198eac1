//! The header of a segment, and the names of segment files.

use super::{FORMAT_VERSION, crc32c, get_u16, get_u32, get_u64, put};

/// The length of a segment's header.
pub const SEGMENT_HEADER_BYTES: usize = 64;

/// The first number that no segment has: a planted file cannot exhaust the numbers.
pub(crate) const MAX_SEGMENT_NUMBER: u64 = 1 << 63;

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The number of the segment, which its records repeat.
    pub segment: u64,
    /// The time of its creation, in nanoseconds since 1970.
    pub created_unix_nanos: u64,
}

/// The reason why bytes are no header of a segment of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownSegment {
    /// Too short, another magic, or a wrong checksum.
    Damaged,
    /// A valid header of a version that this crate does not read.
    Version(u16),
}

impl SegmentHeader {
    /// Encodes the header.
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        put(&mut bytes, 0, MAGIC);
        put(&mut bytes, 8, &FORMAT_VERSION.to_le_bytes());
        put(&mut bytes, 12, &(SEGMENT_HEADER_BYTES as u32).to_le_bytes());
        put(&mut bytes, 16, &self.segment.to_le_bytes());
        put(&mut bytes, 24, &self.created_unix_nanos.to_le_bytes());
        let checksum = crc32c(&bytes[..CHECKSUM]);
        put(&mut bytes, CHECKSUM, &checksum.to_le_bytes());
        bytes
    }

    /// Decodes the header at the start of `bytes`.
    ///
    /// # Errors
    /// [`UnknownSegment`]. The magic, the version and the checksum have these places in all versions.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnknownSegment> {
        let bytes = bytes.get(..SEGMENT_HEADER_BYTES).ok_or(UnknownSegment::Damaged)?;
        if !bytes.starts_with(MAGIC) || get_u32(bytes, CHECKSUM) != crc32c(&bytes[..CHECKSUM]) {
            return Err(UnknownSegment::Damaged);
        }
        match get_u16(bytes, 8) {
            FORMAT_VERSION if get_u32(bytes, 12) as usize == SEGMENT_HEADER_BYTES => {
                Ok(Self { segment: get_u64(bytes, 16), created_unix_nanos: get_u64(bytes, 24) })
            }
            FORMAT_VERSION => Err(UnknownSegment::Damaged),
            version => Err(UnknownSegment::Version(version)),
        }
    }
}

/// The name of the file of a segment.
pub fn segment_file_name(segment: u64) -> String {
    format!("{segment:016x}.segment")
}

/// The number of the segment that a file name has; `None` if it is no name of a segment.
pub fn segment_of_file_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".segment")?;
    let is_number = digits.len() == 16
        && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let number = if is_number { u64::from_str_radix(digits, 16).ok() } else { None };
    number.filter(|&number| number < MAX_SEGMENT_NUMBER)
}

const MAGIC: &[u8] = b"SPWSPOOL";
const CHECKSUM: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_its_bytes_and_is_read_back() {
        let header = SegmentHeader { segment: 0x0102, created_unix_nanos: 0x0304 };
        let bytes = header.encode();
        assert_eq!(bytes[..18], *b"SPWSPOOL\x01\0\0\0\x40\0\0\0\x02\x01");
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        assert_eq!(SegmentHeader::decode(&bytes[..63]), Err(UnknownSegment::Damaged));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&damaged), Err(UnknownSegment::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn a_header_of_another_version_is_not_damaged() {
        let mut bytes = SegmentHeader { segment: 1, created_unix_nanos: 2 }.encode();
        bytes[8] = 2;
        let checksum = crc32c(&bytes[..CHECKSUM]);
        put(&mut bytes, CHECKSUM, &checksum.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(UnknownSegment::Version(2)));
    }

    #[test]
    fn only_names_of_segments_have_a_number() {
        assert_eq!(segment_of_file_name(&segment_file_name(0xabc)), Some(0xabc));
        for name in [
            "abc.segment",
            "8000000000000000.segment",
            "0000000000000ABC.segment",
            "0000000000000abc.index",
            ".segment",
        ] {
            assert_eq!(segment_of_file_name(name), None, "{name}");
        }
    }
}
