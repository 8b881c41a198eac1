//! Compresses and decompresses payloads, in contexts that are reused.

use zstd_safe::{CCtx, CParameter, DCtx, get_error_name};

/// A context for each direction.
pub(crate) struct Compressor {
    level: i32,
    compression: CCtx<'static>,
    decompression: DCtx<'static>,
}

impl Compressor {
    pub(crate) fn new(level: i32) -> Self {
        Self { level, compression: CCtx::create(), decompression: DCtx::create() }
    }

    /// Compresses one payload into one frame; the name of libzstd's error otherwise.
    pub(crate) fn compress(&mut self, raw: &[u8]) -> Result<Vec<u8>, &'static str> {
        self.compression
            .set_parameter(CParameter::CompressionLevel(self.level))
            .map_err(get_error_name)?;
        let mut frame = Vec::with_capacity(zstd_safe::compress_bound(raw.len()));
        self.compression.compress2(&mut frame, raw).map_err(get_error_name)?;
        frame.shrink_to_fit();
        Ok(frame)
    }

    /// Decompresses a frame of exactly `raw_bytes`.
    pub(crate) fn decompress(
        &mut self,
        frame: &[u8],
        raw_bytes: usize,
    ) -> Result<Vec<u8>, &'static str> {
        let mut raw = Vec::with_capacity(raw_bytes);
        let written = self.decompression.decompress(&mut raw, frame).map_err(get_error_name)?;
        if written == raw_bytes { Ok(raw) } else { Err("another length") }
    }
}
