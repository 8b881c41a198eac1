//! The checksum of headers and payloads.

/// CRC32C (Castagnoli) of the bytes, by the instructions of the processor if it has them.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}
