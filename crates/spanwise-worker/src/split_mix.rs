//! The SplitMix64 random generator, for jitter and sampling.

/// The SplitMix64 increment of the state: 2⁶⁴ divided by the golden ratio, odd.
pub const INCREMENT: u64 = 0x9e37_79b9_7f4a_7c15;

/// The SplitMix64 finalizer: maps each number to another one whose bits all depend on all bits of the
/// first (Steele, Lea and Flood, 2014).
///
/// The n-th number of a generator is `mix(seed + n * INCREMENT)`.
#[inline]
pub const fn mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_reference_implementation() {
        // The first outputs of Vigna's splitmix64.c with the seed 1,234,567.
        let mut state = 1_234_567_u64;
        for expected in [6_457_827_717_110_365_317, 3_203_168_211_198_807_973] {
            state = state.wrapping_add(INCREMENT);
            assert_eq!(mix(state), expected);
        }
    }
}
