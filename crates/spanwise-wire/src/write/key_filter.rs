//! The keys that a span has, in a filter, and the bytes beside a key.

/// A Bloom filter of keys: `false` is certain.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Filter([u64; 2]);

impl Filter {
    /// The bit of a key; `None` for an empty one. Mixes the length and the first and last eight bytes: enough
    /// to distinguish semantic convention keys, at the cost of one multiplication.
    #[inline(always)]
    pub(super) fn bit_of(key: &[u8]) -> Option<usize> {
        let len = key.len();
        let (first, last) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => match (key.first_chunk::<4>(), key.last_chunk::<4>()) {
                (Some(first), Some(last)) => {
                    (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)))
                }
                // Only here, so that longer keys need no check of their own.
                _ if key.is_empty() => return None,
                _ => key
                    .iter()
                    .fold((0, 0), |(first, last), &byte| (first << 8 | u64::from(byte), last)),
            },
        };
        let mixed =
            (first ^ last.rotate_left(23) ^ (len as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Some((mixed >> (u64::BITS - Self::BITS.ilog2())) as usize)
    }

    #[inline(always)]
    pub(super) fn has(&self, bit: usize) -> bool {
        self.0.get(bit / 64).is_none_or(|word| word >> (bit % 64) & 1 != 0)
    }

    #[inline(always)]
    pub(super) fn add(&mut self, bit: usize) {
        if let Some(word) = self.0.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }

    pub(super) const BITS: usize = 128;
}

/// Keys of `KeyValue`'s fields.
pub(super) const KEY: u8 = 0x0a;
pub(super) const VALUE: u8 = 0x12;
