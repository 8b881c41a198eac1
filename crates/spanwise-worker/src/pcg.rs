//! [`Pcg`]: the random generator of trace and span ids.

/// PCG-XSL-RR 128/64 without increment (O'Neill: *PCG: A Family of Simple Fast Space-Efficient
/// Statistically Good Algorithms for Random Number Generation*, 2014).
///
/// It has 128 bits of state because a fleet has many streams: with 64 bits, two of a million threads
/// would soon generate the same ids. A step is a multiplication and a few additions, half the work of a
/// generator of shifts and rotations.
#[derive(Debug)]
pub struct Pcg {
    /// The state, an odd number.
    pub state: u128,
}

impl Pcg {
    /// Seeds from the kernel: two threads, or a process and its forked child, never get the same.
    #[cfg(feature = "random")]
    #[cold]
    #[inline(never)]
    pub fn seeded() -> Self {
        Self { state: u128::from_ne_bytes(crate::random_bytes()) | 1 }
    }

    /// The next 64 random bits as an id: 1 in place of 0, which is an invalid id.
    #[inline(always)]
    pub fn next_id(&mut self) -> u64 {
        let id = self.next();
        if id != 0 { id } else { 1 }
    }

    /// The next 64 random bits.
    #[inline(always)]
    #[expect(clippy::should_implement_trait, reason = "an endless generator is no iterator")]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_mul(MULTIPLIER);
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }
}

/// The multiplier of the paper for 128 bits.
const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_is_zero() {
        // The state from which the next output is 0: both halves of the next state are equal.
        let equal_halves = u128::from(u64::MAX) << 64 | u128::from(u64::MAX);
        let state = equal_halves.wrapping_mul(inverse(MULTIPLIER));
        assert_eq!(Pcg { state }.next(), 0);
        assert_eq!(Pcg { state }.next_id(), 1);
    }

    /// The inverse of an odd number modulo 2^128, by Newton's method.
    fn inverse(odd: u128) -> u128 {
        (0..7).fold(odd, |inverse, _| {
            inverse.wrapping_mul(2_u128.wrapping_sub(odd.wrapping_mul(inverse)))
        })
    }

    #[test]
    fn follows_the_published_generator() {
        // The first outputs of the authors' `mcg_xsl_rr_128_64` for the seed 42.
        let mut generator = Pcg { state: 42 | 1 };
        let first = [(); 6].map(|()| generator.next());
        assert_eq!(
            first,
            [
                0x63b4_a3a8_13ce_700a,
                0x3829_5420_0617_ab24,
                0xa7fd_85ae_3fe9_50ce,
                0xd715_286a_a288_7737,
                0x60c9_2fee_2e59_f32c,
                0x84c4_e96b_eff3_0017,
            ]
        );
    }
}
