//! Zstandard by libzstd, with a window and tables of our own sizes.

use zstd_safe::{CCtx, CParameter, DCtx};

/// A compression context at a level.
pub(crate) struct ZstdEncoder(CCtx<'static>);

impl ZstdEncoder {
    /// `None` if there is no memory.
    pub(crate) fn new(level: i32) -> Option<Self> {
        let mut context = CCtx::try_create()?;
        let table = table_log(level);
        for parameter in [
            CParameter::CompressionLevel(level),
            CParameter::WindowLog(WINDOW_LOG),
            CParameter::HashLog(table),
            CParameter::ChainLog(table),
        ] {
            context.set_parameter(parameter).ok()?;
        }
        Some(Self(context))
    }

    /// Appends the compressed `body` to the empty `out`. `None` when it exceeds the capacity of `out`.
    pub(crate) fn pack(&mut self, body: &[u8], out: &mut Vec<u8>) -> Option<()> {
        self.0.compress2(out, body).ok().map(drop)
    }
}

/// Decompresses `packed` into the empty `out`. `None` when it exceeds the capacity of `out`.
pub(crate) fn unpack(packed: &[u8], out: &mut Vec<u8>) -> Option<()> {
    DCtx::try_create()?.decompress(out, packed).ok().map(drop)
}

/// Bytes of an encoder at most.
pub(crate) fn encoder_bytes(level: i32) -> usize {
    let table = 4 << table_log(level);
    BLOCK_BYTES
        + match level {
            ..=-1 | 1 => table,
            // Hashes of long and of short matches. 0 is libzstd's default, 3.
            0 | 2..=4 => 2 * table,
            // Hashes, and a tag of a byte for each.
            _ => table + table / 4,
        }
}

/// The logarithm of the entries of a table. libzstd's own tables at the levels above 1 are up to a
/// hundred times as large, for less than a hundredth of the bytes.
fn table_log(level: i32) -> u32 {
    match level {
        ..=-1 | 1 | 2 => 14,
        _ => 16,
    }
}

/// 256 KiB, some thousand spans: it stays in the processor's cache. A window of 1 MiB saves no byte in a
/// hundred and takes a fifth more time.
const WINDOW_LOG: u32 = 18;
/// Sequences and literals of a block of 128 KiB, and the context itself.
const BLOCK_BYTES: usize = 512 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// libzstd allocates by `malloc`, where an allocator of Rust does not count.
    #[test]
    fn an_encoder_has_the_bytes_that_it_is_charged_for() {
        let text: Vec<u8> = (0..4_000_000u32).map(|i| (i ^ (i >> 7) ^ (i >> 11)) as u8).collect();
        for level in -7..=9 {
            let mut encoder = ZstdEncoder::new(level).unwrap();
            let mut most = 0;
            for len in [1_000, 16_000, 100_000, 200_000, 300_000, 1_000_000, 4_000_000, 5_000] {
                let mut out = Vec::with_capacity(text.len());
                encoder.pack(&text[..len], &mut out).unwrap();
                most = most.max(encoder.0.sizeof());
            }
            let charged = encoder_bytes(level);
            assert!(most <= charged, "{level}: {most} of {charged}");
            assert!(charged - most < 64 << 10, "{level}: {most} of {charged}: too careful");
        }
    }
}
