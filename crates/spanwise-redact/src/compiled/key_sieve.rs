//! The first and last bytes of keys that a pattern may match.

/// Tables of the first two and the last two bytes of keys: bit `b` states that a key of pattern `b` may have the byte there.
#[derive(Debug)]
pub(super) struct KeySieve(Box<[[u64; 256]; 4]>);

impl KeySieve {
    /// A sieve for keys that begin and end with these bytes, and whether those of a key may also be in upper case. `None` if there are no patterns, or one of them has no such bytes.
    pub(super) fn new<'p>(
        ends: impl Iterator<Item = ((&'p [u8], &'p [u8]), bool)>,
    ) -> Option<Self> {
        let mut tables = Box::new([[0; 256]; 4]);
        let mut is_empty = true;
        for (index, ((prefix, suffix), is_any_case)) in ends.enumerate() {
            let from_end = |place: usize| suffix.iter().rev().nth(place);
            let bytes = [prefix.first(), prefix.get(1), from_end(1), from_end(0)];
            if bytes.iter().all(Option::is_none) {
                return None;
            }
            is_empty = false;
            for (table, known) in tables.iter_mut().zip(bytes) {
                let words = (0..=u8::MAX).zip(table.iter_mut());
                let is_known = |byte: &u8| {
                    let byte = if is_any_case { byte.to_ascii_lowercase() } else { *byte };
                    known.is_none_or(|known| *known == byte)
                };
                let words = words.filter(|(byte, _)| is_known(byte));
                words.for_each(|(_, word)| *word |= 1 << (index % 64));
            }
        }
        (!is_empty).then_some(Self(tables))
    }

    /// Whether a pattern may match a key.
    #[inline(always)]
    pub(super) fn may_match(&self, key: &[u8]) -> bool {
        let (Some([a, b]), Some([c, d])) = (key.first_chunk(), key.last_chunk()) else {
            return true;
        };
        let bits = self.0.iter().zip([a, b, c, d]).map(|(table, byte)| table[usize::from(*byte)]);
        bits.fold(u64::MAX, |all, bits| all & bits) != 0
    }
}
