//! gzip: a request's bytes once on the way out, a response's with a bound on the way in.

use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::framing::PREFIX;
use crate::text;

/// Whether request bodies are compressed. Named as in `OTEL_EXPORTER_OTLP_COMPRESSION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Bytes travel as they were encoded.
    #[default]
    None,
    /// gzip at its fastest level (1), once per request and not once per attempt.
    ///
    /// Bodies below 1 KiB, and those that gzip does not make smaller, travel as they are.
    Gzip,
}

impl Compression {
    /// The name the specification gives it.
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
        match name.trim() {
            "none" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            other => Err(UnknownCompression { name: text::tidy(other) }),
        }
    }
}

/// A compression that is neither `none` nor `gzip`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown compression `{name}`; accepted are `none` and `gzip`")]
pub struct UnknownCompression {
    name: String,
}

/// gzips what follows the first [`PREFIX`] bytes of `framed`, leaving as many free in the result.
///
/// `None` when that would not make the body smaller.
pub(crate) fn deflate(framed: &Bytes) -> Option<Vec<u8>> {
    let body = framed.get(PREFIX..)?;
    if body.len() < WORTHWHILE {
        return None;
    }
    let mut out = Vec::with_capacity(PREFIX + body.len() / 4);
    out.extend_from_slice(&[0; PREFIX]);
    let mut encoder = GzEncoder::new(out, flate2::Compression::fast());
    encoder.write_all(body).ok()?;
    let out = encoder.finish().ok()?;
    (out.len() < framed.len()).then_some(out)
}

/// Inflates a gzip `body` to at most `limit` bytes.
pub(crate) fn inflate(body: &[u8], limit: usize) -> Result<Bytes, InflateError> {
    let mut out = Vec::new();
    // One byte more than allowed tells a full answer from a too large one.
    let take = limit as u64 + 1;
    MultiGzDecoder::new(body).take(take).read_to_end(&mut out).map_err(|_| InflateError::Broken)?;
    if out.len() > limit { Err(InflateError::TooLarge) } else { Ok(out.into()) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InflateError {
    Broken,
    TooLarge,
}

/// Below this a gzip header and a cold dictionary eat the gain.
const WORTHWHILE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(body: &[u8]) -> Bytes {
        [&[0; PREFIX], body].concat().into()
    }

    #[test]
    fn names_come_back() {
        for compression in [Compression::None, Compression::Gzip] {
            assert_eq!(compression.name().parse(), Ok(compression));
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
    fn small_and_stubborn_bodies_are_left_alone() {
        assert_eq!(deflate(&framed(&[7; WORTHWHILE - 1])), None);
        assert!(deflate(&framed(&[7; WORTHWHILE])).is_some());
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
        assert_eq!(deflate(&Bytes::from_static(b"abc")), None);
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = deflate(&framed(&vec![0; 10_000_000])).unwrap();
        assert_eq!(inflate(&bomb[PREFIX..], 65_536), Err(InflateError::TooLarge));
        assert_eq!(inflate(b"not gzip at all", 65_536), Err(InflateError::Broken));
    }
}
