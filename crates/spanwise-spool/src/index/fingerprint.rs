//! Trace ids as numbers that are spread evenly.

/// Bits of a fingerprint. With a record number they fill 64 bits, so that a segment's entries sort as numbers.
pub(super) const FINGERPRINT_BITS: u32 = 44;

/// The fingerprint of `trace_id` in an index with `seed`.
///
/// Ids are hashed, because some generators put the time in the first half. The seed makes it hard to choose
/// ids that collide: a collision costs a read, not a wrong answer.
pub(super) fn fingerprint(trace_id: &[u8; 16], seed: u64) -> u64 {
    let id = u128::from_le_bytes(*trace_id);
    let low = id as u64 ^ seed ^ 0x9e37_79b9_7f4a_7c15;
    let high = (id >> 64) as u64 ^ seed.rotate_left(32) ^ 0xd1b5_4a32_d192_ed03;
    let folded = fold(low, high);
    // A factor of zero erases the other one; the sum brings it back.
    fold(folded ^ 0xa076_1d64_78bd_642f, low.wrapping_add(high.rotate_left(23)) | 1)
        >> (64 - FINGERPRINT_BITS)
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// The place of a fingerprint among `universe` places: the order of fingerprints is that of their places.
pub(super) fn place(fingerprint: u64, universe: u64) -> u64 {
    ((u128::from(fingerprint) * u128::from(universe)) >> FINGERPRINT_BITS) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest share of ids in one of 64 buckets, in multiples of the even share.
    fn skew(id: impl Fn(u64) -> u128) -> f64 {
        let mut buckets = [0u32; 64];
        for n in 0..64_000 {
            let at = place(fingerprint(&id(n).to_be_bytes(), 7), 64);
            if let Some(bucket) = buckets.get_mut(at as usize) {
                *bucket += 1;
            }
        }
        f64::from(buckets.iter().copied().max().unwrap_or_default()) / 1000.0
    }

    #[test]
    fn ids_of_every_generator_are_spread_evenly() {
        // A counter in either half, the time in front, and ids whose halves are equal.
        assert!(skew(|n| n.into()) < 1.2);
        assert!(skew(|n| u128::from(n) << 64) < 1.2);
        assert!(skew(|n| u128::from(0x6579_0000 + n / 1000) << 96 | u128::from(n)) < 1.2);
        assert!(skew(|n| u128::from(n) << 64 | u128::from(n)) < 1.2);
    }

    #[test]
    fn the_place_is_below_the_universe_and_keeps_the_order() {
        let last = (1 << FINGERPRINT_BITS) - 1;
        assert_eq!((place(0, 1000), place(last, 1000), place(last, 1)), (0, 999, 0));
        assert!((0..1000).all(|n| place(n << 30, 77) <= place((n + 1) << 30, 77)));
    }
}
