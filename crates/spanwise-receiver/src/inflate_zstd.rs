//! The decompression of Zstandard bodies, with limits on their size, window and ratio.

use bytes::Bytes;
use tokio::task::yield_now;
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use crate::budget::Charge;
use crate::inflate::{INPUT_TURN, Inflated, MAX_MEMBERS, TURN};
use crate::refusal::Refusal;

/// Decompresses the frames in `compressed` to at most `limit` bytes; skippable frames are skipped.
///
/// Memory is charged before it is allocated and grows with the bytes decompressed, whatever size a frame
/// declares. The memory of the decoder, which a frame's window determines, is charged meanwhile. Yields to
/// other tasks after 32 KiB read or 256 KiB written.
pub(crate) async fn unzstd(
    compressed: &[u8],
    limit: usize,
    charge: &Charge,
) -> Result<Bytes, Refusal> {
    let mut out = Inflated::new(compressed.len().saturating_mul(4).min(MAX_FIRST_STEP));
    let mut decoder = None;
    let (mut rest, mut count) = (compressed, 0);
    while !rest.is_empty() {
        count += 1;
        if count > MAX_MEMBERS {
            return Err(Refusal::Broken("too many zstd frames"));
        }
        let window = match FrameHead::parse(rest).ok_or(BROKEN)? {
            FrameHead::Skippable { len } => {
                rest = rest.get(len..).ok_or(BROKEN)?;
                continue;
            }
            FrameHead::Data { window } => window,
        };
        if window > MAX_WINDOW {
            return Err(Refusal::Broken("a zstd window above 8 MiB"));
        }
        let decoder = match &mut decoder {
            None => decoder.insert(Decoder::new(window as usize, charge).await?),
            Some(known) => {
                known.charge_window(window as usize).await?;
                known
            }
        };
        loop {
            out.grow(limit, charge).await?;
            let step = rest.get(..INPUT_TURN).unwrap_or(rest);
            let space = out.space(TURN);
            let (len, mut input) = (space.len(), InBuffer::around(step));
            let mut output = OutBuffer::around(space);
            let left = decoder.context.decompress_stream(&mut output, &mut input);
            let (read, written) = (input.pos(), output.pos());
            let left = left.map_err(|_| BROKEN)?;
            rest = rest.get(read..).unwrap_or_default();
            out.advance(written);
            if out.len() > MIN_RATIO_BYTES && out.len() / MAX_RATIO > compressed.len() {
                return Err(Refusal::Broken("compressed to less than a thousandth"));
            }
            if left == 0 {
                break;
            }
            if rest.is_empty() && written < len {
                return Err(BROKEN);
            }
            if read == INPUT_TURN || written == TURN {
                yield_now().await;
            }
        }
    }
    out.finish(limit)
}

/// A decoder, whose memory is charged until it is dropped.
struct Decoder<'a> {
    context: DCtx<'static>,
    charge: &'a Charge,
    charged: usize,
}

impl<'a> Decoder<'a> {
    async fn new(window: usize, charge: &'a Charge) -> Result<Self, Refusal> {
        charge.grow(CONTEXT_BYTES).await?;
        let context = DCtx::try_create();
        let Some(context) = context else {
            charge.shrink_by(CONTEXT_BYTES);
            return Err(Refusal::Overloaded);
        };
        let mut decoder = Self { context, charge, charged: CONTEXT_BYTES };
        let max = DParameter::WindowLogMax(MAX_WINDOW.ilog2());
        decoder.context.set_parameter(max).map_err(|_| Refusal::Overloaded)?;
        decoder.charge_window(window).await?;
        Ok(decoder)
    }

    /// Charges the buffers for frames with this window: the decoder reuses the largest ones.
    async fn charge_window(&mut self, window: usize) -> Result<(), Refusal> {
        let more = (CONTEXT_BYTES + window + BLOCK_BUFFERS).saturating_sub(self.charged);
        if more > 0 {
            self.charge.grow(more).await?;
            self.charged += more;
        }
        Ok(())
    }
}

impl Drop for Decoder<'_> {
    fn drop(&mut self) {
        // The context is freed right after; no other task runs in between.
        self.charge.shrink_by(self.charged);
    }
}

/// The facts of a frame's head that the limits need (RFC 8878, 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FrameHead {
    /// A skippable frame, its head included.
    Skippable { len: usize },
    /// A frame with data.
    Data { window: u64 },
}

impl FrameHead {
    /// `None` if `bytes` begin with no frame, or with a part of its head.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (&magic, rest) = bytes.split_first_chunk()?;
        let magic = u32::from_le_bytes(magic);
        if magic & !0xf == SKIPPABLE {
            let len = u32::from_le_bytes(*rest.first_chunk()?) as usize;
            return Some(Self::Skippable { len: len.checked_add(8)? });
        }
        let (&descriptor, rest) = rest.split_first().filter(|_| magic == MAGIC)?;
        if descriptor & SINGLE_SEGMENT == 0 {
            let &window = rest.first()?;
            let base = 1u64 << (10 + (window >> 3));
            return Some(Self::Data { window: base + base / 8 * u64::from(window & 7) });
        }
        let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let size = rest.get(dictionary..)?;
        let window = match descriptor >> 6 {
            0 => u64::from(*size.first()?),
            1 => u64::from(u16::from_le_bytes(*size.first_chunk()?)) + 256,
            2 => u64::from(u32::from_le_bytes(*size.first_chunk()?)),
            _ => u64::from_le_bytes(*size.first_chunk()?),
        };
        Some(Self::Data { window })
    }
}

const BROKEN: Refusal = Refusal::Broken("not a whole zstd stream");
const MAGIC: u32 = 0xfd2f_b528;
const SKIPPABLE: u32 = 0x184d_2a50;
const SINGLE_SEGMENT: u8 = 1 << 5;
/// RFC 9659: what every sender of `zstd` has to stay within.
const MAX_WINDOW: u64 = 8 << 20;
/// The context, and the input of a block.
const CONTEXT_BYTES: usize = 320 << 10;
/// Two blocks beside the window.
const BLOCK_BUFFERS: usize = 257 << 10;
/// The ratio that gzip cannot exceed by its format.
const MAX_RATIO: usize = 1032;
/// The bytes that receivers accept by default, whatever their ratio: one span with a long value of equal
/// characters is no bomb.
const MIN_RATIO_BYTES: usize = 4 << 20;
const MAX_FIRST_STEP: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    fn zstd(bytes: &[u8], level: i32) -> Vec<u8> {
        let mut out = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
        zstd_safe::compress(&mut out, bytes, level).unwrap();
        out
    }

    async fn decode(compressed: &[u8], limit: usize) -> Result<Bytes, Refusal> {
        let budget = Budget::new(1 << 30);
        let charge = Charge::request_of(&budget);
        let decoded = unzstd(compressed, limit, &charge).await;
        // The decoder's memory is returned.
        assert!(budget.used() <= limit + 1, "{}", budget.used());
        decoded
    }

    fn plain(len: usize) -> Vec<u8> {
        (0..len).map(|i| ((i * i) >> 5) as u8).collect()
    }

    /// A frame head with this window descriptor, and blocks.
    fn frame(window: u8, blocks: &[u8]) -> Vec<u8> {
        [&MAGIC.to_le_bytes()[..], &[0, window], blocks].concat()
    }

    /// A block of `len` equal bytes.
    fn rle(len: u32, is_last: bool) -> [u8; 4] {
        let [a, b, c, _] = (len << 3 | 1 << 1 | u32::from(is_last)).to_le_bytes();
        [a, b, c, 7]
    }

    #[tokio::test]
    async fn bodies_up_to_the_limit_are_decompressed() {
        for len in [0usize, 1, 4095, 4096, 4097, 100_000, 3_000_000] {
            for level in [-5, 1, 9] {
                let plain = plain(len);
                let compressed = zstd(&plain, level);
                assert_eq!(decode(&compressed, len).await.as_deref(), Ok(&plain[..]));
                assert_eq!(decode(&compressed, 8 << 20).await.as_deref(), Ok(&plain[..]));
                if let Some(limit) = len.checked_sub(1) {
                    assert_eq!(
                        decode(&compressed, limit).await,
                        Err(Refusal::TooLarge { limit, len: None })
                    );
                }
            }
        }
    }

    #[tokio::test]
    async fn frames_are_concatenated_and_skippable_ones_skipped() {
        let skippable = |len: u32| {
            [&(SKIPPABLE + 5).to_le_bytes()[..], &len.to_le_bytes(), &vec![9; len as usize]]
                .concat()
        };
        let frames =
            [skippable(0), zstd(b"one ", 1), skippable(1000), zstd(b"two", 3), skippable(7)];
        assert_eq!(decode(&frames.concat(), 100).await.as_deref(), Ok(&b"one two"[..]));
        assert_eq!(decode(&skippable(5), 100).await.as_deref(), Ok(&b""[..]));
        assert_eq!(decode(&skippable(50)[..40], 100).await, Err(BROKEN));
        let many = skippable(0).repeat(MAX_MEMBERS + 1);
        assert!(matches!(decode(&many, 100).await, Err(Refusal::Broken(_))));
        assert_eq!(decode(&many[8..], 100).await.as_deref(), Ok(&b""[..]));
    }

    #[tokio::test]
    async fn an_incomplete_or_foreign_stream_is_rejected() {
        let whole = zstd(&plain(3000), 1);
        for cut in 1..whole.len() {
            assert_eq!(decode(&whole[..cut], 4000).await, Err(BROKEN), "cut at {cut}");
        }
        for junk in [b"trailing junk".to_vec(), whole[..9].to_vec(), vec![0]] {
            assert_eq!(decode(&[whole.clone(), junk].concat(), 4000).await, Err(BROKEN));
        }
        assert_eq!(decode(b"plain", 100).await, Err(BROKEN));
        // A dictionary that the receiver does not have.
        let mut named = whole.clone();
        named[4] |= 1;
        named.insert(if named[4] & SINGLE_SEGMENT > 0 { 5 } else { 6 }, 42);
        assert_eq!(decode(&named, 4000).await, Err(BROKEN));
    }

    #[tokio::test]
    async fn a_window_above_eight_mebibytes_is_rejected_before_memory_is_charged() {
        let refused = Err(Refusal::Broken("a zstd window above 8 MiB"));
        // 2 GiB, 3.75 TiB, and the least above 8 MiB.
        for window in [(31 - 10) << 3, 0xff, ((23 - 10) << 3) + 1] {
            assert_eq!(decode(&frame(window, &rle(1000, true)), 4000).await, refused, "{window}");
        }
        // A single segment declares its size as the window.
        let huge = [&MAGIC.to_le_bytes()[..], &[3 << 6 | SINGLE_SEGMENT], &[0xff; 8]].concat();
        assert_eq!(decode(&huge, 4000).await, refused);
        let largest = frame((23 - 10) << 3, &rle(1000, true));
        assert_eq!(decode(&largest, 4000).await.as_deref(), Ok(&[7; 1000][..]));
        let budget = Budget::new(8 << 20);
        let charge = Charge::request_of(&budget);
        assert_eq!(unzstd(&largest, 4000, &charge).await, Err(Refusal::Overloaded));
        drop(charge);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn a_bomb_stops_at_its_ratio_or_at_the_limit() {
        let blocks = [rle(128 << 10, false).repeat(4_000), rle(1, true).to_vec()].concat();
        let bomb = frame((17 - 10) << 3, &blocks);
        let limit = 8 << 20;
        assert_eq!(decode(&bomb, limit).await, Err(Refusal::TooLarge { limit, len: None }));
        let small = frame((17 - 10) << 3, &blocks[..400]);
        let refused = decode(&small, limit).await;
        assert_eq!(refused, Err(Refusal::Broken("compressed to less than a thousandth")));
    }

    #[tokio::test]
    async fn millions_of_empty_blocks_are_read_in_turns() {
        let empty = [0, 0, 0];
        let blocks = [empty.repeat(1_000_000), vec![1, 0, 0]].concat();
        let polled = std::cell::Cell::new(0);
        let body = frame(0, &blocks);
        let decoding = async {
            let decoded = decode(&body, 100).await;
            assert_eq!(decoded.as_deref(), Ok(&b""[..]));
        };
        let mut decoding = std::pin::pin!(decoding);
        std::future::poll_fn(|cx| {
            polled.set(polled.get() + 1);
            decoding.as_mut().poll(cx)
        })
        .await;
        assert!(polled.get() > 10, "{}", polled.get());
    }

    #[tokio::test]
    async fn decompression_beyond_the_memory_is_rejected() {
        let compressed = zstd(&vec![0; 1 << 20], 1);
        let budget = Budget::new(900_000);
        let refused = unzstd(&compressed, 16 << 20, &Charge::request_of(&budget)).await;
        assert_eq!(refused, Err(Refusal::Overloaded));
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn the_charge_covers_the_memory_of_the_decoder() {
        for (len, level) in [(100, 1), (3_000_000, 3), (8 << 20, 9)] {
            let mut compressed = zstd(&plain(len), level);
            let FrameHead::Data { window } = FrameHead::parse(&compressed).unwrap() else {
                panic!("no data")
            };
            let budget = Budget::new(1 << 30);
            let charge = Charge::request_of(&budget);
            let mut decoder = Decoder::new(window as usize, &charge).await.unwrap();
            // In small pieces, so that the decoder needs its window.
            compressed.truncate(compressed.len() - 1);
            let (mut input, mut out) = (InBuffer::around(&compressed), vec![0; 1000]);
            while input.pos() < compressed.len() {
                let mut output = OutBuffer::around(&mut out[..]);
                decoder.context.decompress_stream(&mut output, &mut input).unwrap();
            }
            let (used, charged) = (decoder.context.sizeof(), decoder.charged);
            assert!(used <= charged, "{len}: {used} of {charged}");
            assert!(charged - used < 512 << 10, "{len}: {used} of {charged}: too careful");
        }
    }
}
