//! The decompression of gzip bodies, with a limit on their size.

use std::io::{self, BufRead, ErrorKind, Read};

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use tokio::task::yield_now;

use crate::budget::Charge;
use crate::refusal::Refusal;

/// Decompresses the gzip members in `compressed` to at most `limit` bytes.
///
/// Memory is charged before it is allocated and grows with the bytes decompressed; the size that
/// the stream declares is a hint for small bodies only. Yields to other tasks after 256 KiB written or 32 KiB
/// read.
pub(crate) async fn gunzip(
    compressed: &[u8],
    limit: usize,
    charge: &Charge,
) -> Result<Bytes, Refusal> {
    let mut out = Inflated::new(first_step(compressed, limit));
    let mut members = compressed;
    let mut count = 0;
    while !members.is_empty() {
        count += 1;
        if count > MAX_MEMBERS {
            return Err(Refusal::Broken("too many gzip members"));
        }
        let mut decoder = GzDecoder::new(TurnReader { rest: members, left: INPUT_TURN });
        loop {
            out.grow(limit, charge).await?;
            let space = out.space(TURN);
            let len = space.len();
            let read = match decoder.read(space) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    decoder.get_mut().left = INPUT_TURN;
                    yield_now().await;
                    continue;
                }
                Err(_) => return Err(Refusal::Broken("not a whole gzip stream")),
            };
            out.advance(read);
            if read == len && out.len() >= TURN {
                yield_now().await;
            }
        }
        members = decoder.into_inner().rest;
    }
    out.finish(limit)
}

/// A reader that would block after the input of a turn: a decoder reads on until it has output, and a
/// stream may have none.
struct TurnReader<'a> {
    rest: &'a [u8],
    left: usize,
}

impl Read for TurnReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buf)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for TurnReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.rest.get(..self.left) {
            Some([]) if !self.rest.is_empty() => Err(ErrorKind::WouldBlock.into()),
            turn => Ok(turn.unwrap_or(self.rest)),
        }
    }

    fn consume(&mut self, read: usize) {
        self.rest = self.rest.get(read..).unwrap_or_default();
        self.left = self.left.saturating_sub(read);
    }
}

/// The decompressed bytes, followed by zeros to overwrite.
pub(crate) struct Inflated {
    bytes: Vec<u8>,
    len: usize,
    /// Bytes to grow by.
    next: usize,
}

impl Inflated {
    /// No bytes, and space for `first` bytes once it grows.
    pub(crate) fn new(first: usize) -> Self {
        Self { bytes: Vec::new(), len: 0, next: first.max(1) }
    }

    /// Bytes decompressed so far.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The space for the next bytes, at most `max`.
    pub(crate) fn space(&mut self, max: usize) -> &mut [u8] {
        let end = self.bytes.len().min(self.len.saturating_add(max));
        &mut self.bytes[self.len..end]
    }

    /// The first `more` bytes of the space are decompressed.
    pub(crate) fn advance(&mut self, more: usize) {
        self.len += more;
    }

    /// The bytes, if they are not more than the limit.
    pub(crate) fn finish(mut self, limit: usize) -> Result<Bytes, Refusal> {
        if self.len > limit {
            return Err(Refusal::TooLarge { limit, len: None });
        }
        self.bytes.truncate(self.len);
        Ok(Bytes::from(self.bytes))
    }

    /// Grows the buffer by at least one byte. One byte above the limit suffices to detect an excess.
    pub(crate) async fn grow(&mut self, limit: usize, charge: &Charge) -> Result<(), Refusal> {
        if self.len < self.bytes.len() {
            return Ok(());
        }
        if self.len > limit {
            return Err(Refusal::TooLarge { limit, len: None });
        }
        let grown = self.len.saturating_add(self.next).min(limit.saturating_add(1));
        charge.grow(grown - self.len).await?;
        self.bytes.try_reserve_exact(grown - self.len).map_err(|_| Refusal::Overloaded)?;
        self.bytes.resize(grown, 0);
        self.next = grown;
        Ok(())
    }
}

/// The size in the last four bytes of the stream, plus one to detect the end, if it is plausible:
/// traces rarely compress to less than a thirtieth.
fn first_step(compressed: &[u8], limit: usize) -> usize {
    let declared = compressed.last_chunk().map_or(0, |&size| u32::from_le_bytes(size) as usize);
    let max = compressed.len().saturating_mul(32).min(limit).saturating_add(1);
    declared.saturating_add(1).clamp(MIN_STEP.min(max), max)
}

const MIN_STEP: usize = 4 << 10;
/// Bytes decompressed between two yields.
pub(crate) const TURN: usize = 256 << 10;
/// Bytes of input between two yields. The least blocks take ten bits, and each of them some hundred
/// nanoseconds.
pub(crate) const INPUT_TURN: usize = 32 << 10;
/// Each member costs some microseconds even when it is empty; writers create one, or one per file.
pub(crate) const MAX_MEMBERS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use flate2::{Compression, write::GzEncoder};
    use std::future::Future as _;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    async fn inflate(compressed: &[u8], limit: usize) -> Result<Bytes, Refusal> {
        gunzip(compressed, limit, &Charge::request_of(&Budget::new(1 << 30))).await
    }

    #[tokio::test]
    async fn bodies_up_to_the_limit_are_decompressed() {
        for len in [0usize, 1, 4095, 4096, 4097, 100_000] {
            let plain: Vec<u8> = (0..len).map(|i| ((i * i) >> 5) as u8).collect();
            let compressed = gzip(&plain);
            assert_eq!(inflate(&compressed, len).await.as_deref(), Ok(&plain[..]));
            assert_eq!(inflate(&compressed, 1 << 20).await.as_deref(), Ok(&plain[..]));
            if let Some(limit) = len.checked_sub(1) {
                assert_eq!(
                    inflate(&compressed, limit).await,
                    Err(Refusal::TooLarge { limit, len: None })
                );
            }
        }
    }

    #[tokio::test]
    async fn all_members_are_decompressed_up_to_their_maximum() {
        let many = gzip(b"").repeat(MAX_MEMBERS + 1);
        assert!(matches!(inflate(&many, 100).await, Err(Refusal::Broken(_))));
        assert_eq!(inflate(&many[gzip(b"").len()..], 100).await.as_deref(), Ok(&b""[..]));
        let both = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(inflate(&both, 100).await.as_deref(), Ok(&b"one two"[..]));
    }

    #[tokio::test]
    async fn an_incomplete_stream_is_rejected() {
        let whole = gzip(&[7; 1000]);
        for cut in 0..whole.len() {
            let refused = inflate(&whole[..cut], 2000).await;
            // Zero bytes are zero members; the result is an empty message.
            assert!(matches!(refused, Err(Refusal::Broken(_))) || cut == 0, "cut at {cut}");
        }
        let junk = [whole, b"trailing junk".to_vec()].concat();
        assert!(matches!(inflate(&junk, 2000).await, Err(Refusal::Broken(_))));
        assert!(matches!(inflate(b"plain", 2000).await, Err(Refusal::Broken(_))));
    }

    #[tokio::test]
    async fn a_gzip_bomb_uses_no_more_than_the_limit() {
        let bomb = gzip(&vec![0; 4 << 20]);
        let budget = Budget::new(usize::MAX);
        let charge = Charge::request_of(&budget);
        let limit = 1 << 18;
        assert_eq!(
            gunzip(&bomb, limit, &charge).await,
            Err(Refusal::TooLarge { limit, len: None })
        );
        assert!(budget.used() <= limit + 1, "{}", budget.used());
    }

    /// A member of `blocks` empty blocks (RFC 1951, 3.2.6): ten bits of input each, and no output.
    fn empty_blocks(blocks: usize) -> Vec<u8> {
        let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
        let bits = (0..blocks).flat_map(|n| {
            let mut block = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
            block[0] = u8::from(n + 1 == blocks);
            block
        });
        let bits: Vec<u8> = bits.collect();
        bytes.extend(
            bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |byte, bit| byte << 1 | bit)),
        );
        bytes.extend_from_slice(&[0; 8]);
        bytes
    }

    #[tokio::test]
    async fn millions_of_empty_blocks_are_read_in_turns() {
        let body = empty_blocks(1_000_000);
        let mut polls = 0;
        let mut decoding = std::pin::pin!(inflate(&body, 100));
        let decoded = std::future::poll_fn(|cx| {
            polls += 1;
            decoding.as_mut().poll(cx)
        });
        assert_eq!(decoded.await.as_deref(), Ok(&b""[..]));
        assert!(polls >= body.len() / INPUT_TURN, "{polls}");
    }

    #[tokio::test]
    async fn turns_end_anywhere_in_a_member() {
        // Headers, blocks and trailers of members of every length up to the turn.
        let member = gzip(&[7; 300]);
        for junk in 0..40 {
            let stored: Vec<u8> = (0..INPUT_TURN - junk).map(|i| ((i * i) >> 3) as u8).collect();
            let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
            encoder.write_all(&stored).unwrap();
            let body = [encoder.finish().unwrap(), member.clone(), member.clone()].concat();
            let plain = [stored, vec![7; 600]].concat();
            assert_eq!(inflate(&body, 1 << 20).await.as_deref(), Ok(&plain[..]), "{junk}");
        }
    }

    #[tokio::test]
    async fn decompression_beyond_the_memory_is_rejected() {
        let compressed = gzip(&vec![0; 1 << 20]);
        let budget = Budget::new(100_000);
        let refused = gunzip(&compressed, 16 << 20, &Charge::request_of(&budget)).await;
        assert_eq!(refused, Err(Refusal::Overloaded));
        assert_eq!(budget.used(), 0);
    }
}
