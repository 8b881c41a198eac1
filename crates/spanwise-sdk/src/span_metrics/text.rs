//! The texts of a key: cut to a bounded length, and hashed.

/// The longest part of `text` with at most `bytes` bytes.
#[inline]
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text.get(..end).unwrap_or_default()
}

/// The longest part of a name, which is UTF-8, with at most [`MAX_NAME_BYTES`] bytes.
#[inline]
pub(super) fn cut_name(name: &[u8]) -> &[u8] {
    if name.len() <= MAX_NAME_BYTES {
        return name;
    }
    let is_boundary = |end: &usize| name.get(*end).is_none_or(|byte| byte & 0xc0 != 0x80);
    let end = (0..=MAX_NAME_BYTES).rev().find(is_boundary).unwrap_or_default();
    name.get(..end).unwrap_or_default()
}

/// Mixes bytes into a hash by folded multiplications, sixteen bytes at a time.
#[inline]
pub(super) fn mix_bytes(seed: u64, bytes: &[u8]) -> u64 {
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk::<16>() {
        if after.is_empty() {
            break;
        }
        let [first, second] = halves(chunk);
        hash = mix(first ^ hash, second ^ MULTIPLIER);
        rest = after;
    }
    // The last sixteen bytes, or all of a shorter text; the bytes may overlap.
    let [first, last] = match (bytes.last_chunk::<16>(), rest.first_chunk::<8>()) {
        (Some(last), _) => halves(last),
        (None, Some(first)) => {
            [*first, rest.last_chunk().copied().unwrap_or_default()].map(u64::from_le_bytes)
        }
        _ => match (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                [*first, *last].map(|half| u64::from(u32::from_le_bytes(half)))
            }
            _ => [rest.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)), 0],
        },
    };
    mix(first ^ hash, last ^ MULTIPLIER)
}

#[inline]
fn halves(chunk: &[u8; 16]) -> [u64; 2] {
    let number = u128::from_le_bytes(*chunk);
    [number as u64, (number >> 64) as u64]
}

#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// Bytes of a name at most: names of a low cardinality, which metrics need, are far shorter. A longer one is cut.
pub(super) const MAX_NAME_BYTES: usize = 256;
/// 2⁶⁴ divided by the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn hashes_of_similar_texts_differ() {
        let mut hashes = HashSet::new();
        let text: String = (0..80_u8).map(|index| char::from(b'a' + index % 26)).collect();
        for len in 0..text.len() {
            assert!(hashes.insert(mix_bytes(7, &text.as_bytes()[..len])), "{len}");
            for changed in 0..len {
                let mut bytes = text.as_bytes()[..len].to_vec();
                bytes[changed] ^= 0x40;
                assert!(hashes.insert(mix_bytes(7, &bytes)), "{len} {changed}");
            }
        }
        assert_ne!(mix_bytes(7, b"op"), mix_bytes(8, b"op"));
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let long = "ä".repeat(400);
        assert_eq!(cut(&long, 257), &long[..256]);
        assert_eq!(cut(&long, 0), "");
        let odd = format!("x{long}");
        assert_eq!(cut_name(odd.as_bytes()), &odd.as_bytes()[..255]);
        assert_eq!(cut_name(long.as_bytes()), &long.as_bytes()[..256]);
        assert_eq!(cut_name(b"op"), b"op");
    }
}
