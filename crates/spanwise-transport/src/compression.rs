//! gzip compression of request bodies, and bounded decompression of response bodies.

use std::fmt;
use std::io::Read;
use std::str::FromStr;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use flate2::{Compress, FlushCompress, Status};

use crate::framing::PREFIX;
use crate::text;

/// Whether request bodies are compressed. Named as in `OTEL_EXPORTER_OTLP_COMPRESSION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Bodies are sent uncompressed.
    #[default]
    None,
    /// gzip at its fastest level (1), once per request and not once per attempt.
    ///
    /// Bodies below 1 KiB, and those that gzip does not make smaller, are sent uncompressed.
    Gzip,
}

impl Compression {
    /// The value of `OTEL_EXPORTER_OTLP_COMPRESSION` for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(name: &str) -> Result<Self, UnknownCompression> {
        // "Environment Variable Specification", Enum: in any case.
        match &*name.trim().to_ascii_lowercase() {
            "none" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            _ => Err(UnknownCompression { name: text::unknown_name(name.trim()) }),
        }
    }
}

/// A compression that is neither `none` nor `gzip`.
#[derive(Clone, PartialEq, Eq)]
pub struct UnknownCompression {
    name: String,
}

impl fmt::Display for UnknownCompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown compression `{}`; accepted are `none` and `gzip`", self.name)
    }
}

impl std::error::Error for UnknownCompression {}

debug_as_display!(UnknownCompression);

/// Compresses the bytes after the first [`PREFIX`] of `framed` as gzip, behind [`PREFIX`] zeros.
///
/// `None` when the result would not be smaller, or the allocation fails. Allocates at most
/// [`bound`] bytes at any time.
pub(crate) fn deflate(framed: &[u8]) -> Option<Vec<u8>> {
    let body = framed.get(PREFIX..)?;
    if body.len() < MIN_DEFLATE_BYTES {
        return None;
    }
    // A result that does not fit is not smaller.
    let mut out = Vec::new();
    out.try_reserve_exact(framed.len() - 1).ok()?;
    out.extend_from_slice(&[0; PREFIX]);
    let mut encoder = Compress::new_gzip(flate2::Compression::fast(), WINDOW_BITS);
    loop {
        let (read, written) = (encoder.total_in(), out.len());
        let rest = body.get(read as usize..)?;
        match encoder.compress_vec(rest, &mut out, FlushCompress::Finish).ok()? {
            Status::StreamEnd => break,
            // More than the encoder counts in one call (4 GiB).
            _ if encoder.total_in() > read || out.len() > written => {}
            _ => return None,
        }
    }
    drop(encoder);
    // An allocator may shrink by copying: only what fits where the encoder was.
    if out.len() <= ENCODER_BYTES {
        out.shrink_to_fit();
    }
    Some(out)
}

/// Maximum memory that [`deflate`] allocates for a message of `len` bytes, in bytes.
pub(crate) fn bound(len: usize) -> usize {
    if len < MIN_DEFLATE_BYTES { 0 } else { len.saturating_add(PREFIX + ENCODER_BYTES) }
}

/// Inflates a gzip `body` to at most `limit` bytes.
pub(crate) fn inflate(body: &[u8], limit: usize) -> Result<Bytes, InflateError> {
    let mut out = Vec::new();
    // One byte more than the limit distinguishes a full response from a too large one.
    let take = limit as u64 + 1;
    MultiGzDecoder::new(body).take(take).read_to_end(&mut out).map_err(|_| InflateError::Broken)?;
    if out.len() > limit { Err(InflateError::TooLarge) } else { Ok(out.into()) }
}

/// Inflates at most the first `max` bytes of a gzip `body`; fewer if it is truncated or invalid.
pub(crate) fn inflate_some(body: &[u8], max: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let _cut_short = MultiGzDecoder::new(body).take(max as u64).read_to_end(&mut out);
    out
}

/// The reason why a body was not inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InflateError {
    Broken,
    TooLarge,
}

/// The window of 32 KiB, which every gzip decoder supports.
const WINDOW_BITS: u8 = 15;
/// Memory of the encoder itself: its window, hash chains and pending output, with their headers.
const ENCODER_BYTES: usize = 384 * 1024;
/// Smaller bodies gain nothing: the gzip header and an empty dictionary cost more.
const MIN_DEFLATE_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(body: &[u8]) -> Bytes {
        [&[0; PREFIX], body].concat().into()
    }

    #[test]
    fn a_name_parses_to_its_compression() {
        for compression in [Compression::None, Compression::Gzip] {
            assert_eq!(compression.name().parse(), Ok(compression));
            assert_eq!(compression.name().to_ascii_uppercase().parse(), Ok(compression));
        }
        assert!("zstd".parse::<Compression>().is_err());
    }

    #[test]
    fn a_body_survives_the_round_trip() {
        let body: Vec<u8> = (0..100_000u32).flat_map(|i| (i / 100).to_le_bytes()).collect();
        let packed = deflate(&framed(&body)).unwrap();
        assert!(packed.len() < body.len() / 2);
        assert_eq!(inflate(&packed[PREFIX..], body.len()).unwrap(), body);
    }

    #[test]
    fn small_and_incompressible_bodies_are_not_compressed() {
        assert_eq!(deflate(&framed(&[7; MIN_DEFLATE_BYTES - 1])), None);
        assert!(deflate(&framed(&[7; MIN_DEFLATE_BYTES])).is_some());
        // xorshift: no pattern gzip could find.
        let mut x = 0x9e37_79b9_7f4a_7c15u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x as u8
        })
        .take(4096)
        .collect();
        assert_eq!(deflate(&framed(&noise)), None);
        assert_eq!(deflate(b"abc"), None);
    }

    #[test]
    fn inflating_a_gzip_bomb_stops_at_the_limit() {
        let bomb = deflate(&framed(&vec![0; 10_000_000])).unwrap();
        assert_eq!(inflate(&bomb[PREFIX..], 65_536), Err(InflateError::TooLarge));
        assert_eq!(inflate(b"not gzip at all", 65_536), Err(InflateError::Broken));
    }
}
