//! Decompression of response bodies, with a limit on their size.

use std::io::Read;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

/// Inflates a gzip `body` to at most `limit` bytes.
pub(crate) fn inflate(body: &[u8], limit: usize) -> Result<Bytes, InflateError> {
    let mut out = Vec::new();
    // One byte more than the limit distinguishes a full response from a too large one.
    let take = limit as u64 + 1;
    MultiGzDecoder::new(body).take(take).read_to_end(&mut out).map_err(|_| InflateError::Broken)?;
    if out.len() > limit { Err(InflateError::TooLarge) } else { Ok(out.into()) }
}

/// Decompresses a zstd `body` to at most `limit` bytes, without a window beside them. A larger one counts as
/// [`Broken`](InflateError::Broken): libzstd reports both as the lack of capacity.
#[cfg(feature = "zstd")]
pub(crate) fn inflate_zstd(body: &[u8], limit: usize) -> Result<Bytes, InflateError> {
    // Most responses have a few bytes, which need no buffer of the limit.
    let mut capacity = limit.min(4 << 10);
    loop {
        let mut out = Vec::with_capacity(capacity);
        if crate::zstd::unpack(body, &mut out).is_some() {
            return Ok(out.into());
        }
        if capacity == limit {
            return Err(InflateError::Broken);
        }
        capacity = capacity.saturating_mul(4).min(limit);
    }
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn inflating_a_gzip_bomb_stops_at_the_limit() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&vec![0; 10_000_000]).unwrap();
        let bomb = encoder.finish().unwrap();
        assert_eq!(inflate(&bomb, 65_536), Err(InflateError::TooLarge));
        assert_eq!(inflate_some(&bomb, 100), [0; 100]);
        assert_eq!(inflate(&bomb, 10_000_000).unwrap().len(), 10_000_000);
        assert_eq!(inflate(b"not gzip at all", 65_536), Err(InflateError::Broken));
    }
}
