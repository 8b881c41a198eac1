//! gzip bodies, held to a size while they inflate.

use std::io::Read;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use crate::budget::Charge;
use crate::refusal::Refusal;

/// Inflates the gzip members in `compressed` to at most `limit` bytes.
///
/// Memory is charged before it is allocated and grows with what really comes out; the size that
/// the stream claims for itself is a hint for small bodies only.
pub(crate) fn gunzip(
    compressed: &[u8],
    limit: usize,
    charge: &mut Charge,
) -> Result<Bytes, Refusal> {
    let mut decoder = MultiGzDecoder::new(compressed);
    let mut out: Vec<u8> = Vec::new();
    let mut len = 0;
    let mut next = first_step(compressed, limit);
    loop {
        if len == out.len() {
            if len > limit {
                return Err(Refusal::TooLarge { limit });
            }
            // One byte above the limit is room enough to see that it is exceeded.
            let grown = (len + next).min(limit.saturating_add(1));
            charge.grow(grown - len)?;
            out.try_reserve_exact(grown - len).map_err(|_| Refusal::Overloaded)?;
            out.resize(grown, 0);
            next = grown;
        }
        match decoder.read(&mut out[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(_) => return Err(Refusal::Broken("not a whole gzip stream")),
        }
    }
    if len > limit {
        return Err(Refusal::TooLarge { limit });
    }
    out.truncate(len);
    Ok(Bytes::from(out))
}

/// The size in the stream's last four bytes plus one to see the end, if it is plausible: traces
/// rarely shrink to less than a thirtieth.
fn first_step(compressed: &[u8], limit: usize) -> usize {
    let claimed = compressed.last_chunk().map_or(0, |&size| u32::from_le_bytes(size) as usize);
    let most = compressed.len().saturating_mul(32).min(limit).saturating_add(1);
    claimed.saturating_add(1).clamp(LEAST_STEP.min(most), most)
}

const LEAST_STEP: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(compressed: &[u8], limit: usize) -> Result<Bytes, Refusal> {
        gunzip(compressed, limit, &mut Budget::new(1 << 30).charge())
    }

    #[test]
    fn sizes_around_the_limit() {
        for len in [0usize, 1, 4095, 4096, 4097, 100_000] {
            let plain: Vec<u8> = (0..len).map(|i| ((i * i) >> 5) as u8).collect();
            let compressed = gzip(&plain);
            assert_eq!(inflate(&compressed, len).as_deref(), Ok(&plain[..]));
            assert_eq!(inflate(&compressed, 1 << 20).as_deref(), Ok(&plain[..]));
            if let Some(limit) = len.checked_sub(1) {
                assert_eq!(inflate(&compressed, limit), Err(Refusal::TooLarge { limit }));
            }
        }
    }

    #[test]
    fn members_follow_one_another() {
        let both = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(inflate(&both, 100).as_deref(), Ok(&b"one two"[..]));
    }

    #[test]
    fn what_is_not_a_whole_stream_is_refused() {
        let whole = gzip(&[7; 1000]);
        for cut in 0..whole.len() {
            let refused = inflate(&whole[..cut], 2000);
            // No bytes at all are no members; the caller sees an empty message.
            assert!(matches!(refused, Err(Refusal::Broken(_))) || cut == 0, "cut at {cut}");
        }
        let junk = [whole, b"trailing junk".to_vec()].concat();
        assert!(matches!(inflate(&junk, 2000), Err(Refusal::Broken(_))));
        assert!(matches!(inflate(b"plain", 2000), Err(Refusal::Broken(_))));
    }

    #[test]
    fn a_bomb_takes_no_more_than_the_limit() {
        let bomb = gzip(&vec![0; 4 << 20]);
        let budget = Budget::new(usize::MAX);
        let mut charge = budget.charge();
        let limit = 1 << 18;
        assert_eq!(gunzip(&bomb, limit, &mut charge), Err(Refusal::TooLarge { limit }));
        assert!(budget.used() <= limit + 1, "{}", budget.used());
    }

    #[test]
    fn memory_that_is_not_there_is_not_used() {
        let compressed = gzip(&vec![0; 1 << 20]);
        let budget = Budget::new(100_000);
        let refused = gunzip(&compressed, 16 << 20, &mut budget.charge());
        assert_eq!(refused, Err(Refusal::Overloaded));
        assert_eq!(budget.used(), 0);
    }
}
