//! The bucket of a value in an exponential histogram (specification, *ExponentialHistogram*, *All Scales*).

/// Maps a positive number to the index of its bucket (bⁱ, bⁱ⁺¹] with b = 2^(2^−scale), for scales from 0 on.
#[derive(Debug, Clone)]
pub(super) struct Mapping {
    scale: u8,
    /// The significands of the bounds between two powers of two, each the smallest above its bound.
    significands: Box<[u64]>,
}

impl Mapping {
    /// The highest scale: 32 buckets for each power of two.
    pub(super) const MAX_SCALE: u8 = 5;

    /// The mapping of `scale`, which is at most [`MAX_SCALE`](Self::MAX_SCALE).
    pub(super) fn new(scale: u8) -> Self {
        let buckets = 1_u32 << scale;
        // The bounds are irrational: none is a double, and the next one above is in the bucket above.
        let significand = |bound: u32| {
            let bound = (f64::from(bound) / f64::from(buckets)).exp2();
            (bound.to_bits() & SIGNIFICAND) + 1
        };
        Self { scale, significands: (1..buckets).map(significand).collect() }
    }

    /// The index of a normal positive number, exact but for numbers within one unit in the last place of a bound.
    #[inline]
    pub(super) fn index(&self, value: f64) -> i32 {
        let bits = value.to_bits();
        let exponent = (bits >> SIGNIFICAND_BITS) as i32 - BIAS;
        let significand = bits & SIGNIFICAND;
        let above = self.significands.partition_point(|bound| *bound <= significand);
        // A power of two is the upper bound of the bucket below.
        (exponent << self.scale) + above as i32 - i32::from(significand == 0)
    }
}

const SIGNIFICAND_BITS: u32 = 52;
const SIGNIFICAND: u64 = (1 << SIGNIFICAND_BITS) - 1;
const BIAS: i32 = 1023;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_are_the_upper_bounds_of_their_buckets() {
        for scale in 0..=Mapping::MAX_SCALE {
            let mapping = Mapping::new(scale);
            for exponent in -64..64 {
                let power = f64::from(exponent).exp2();
                let above = exponent << scale;
                assert_eq!(mapping.index(power), above - 1, "{power} at {scale}");
                assert_eq!(mapping.index(power.next_up()), above, "above {power} at {scale}");
            }
        }
    }

    /// The specification's formula with a logarithm, for values at a distance from the bounds.
    #[test]
    fn indices_are_those_of_the_logarithm() {
        for scale in 0..=Mapping::MAX_SCALE {
            let (mapping, factor) = (Mapping::new(scale), f64::from(1_u32 << scale));
            for step in 0..20_000 {
                let value = 1.001_f64.powi(step - 10_000) * 1.000_01;
                let exact = value.log2() * factor;
                if (exact - exact.round()).abs() > 1e-9 {
                    assert_eq!(mapping.index(value), exact.floor() as i32, "{value} at {scale}");
                }
            }
        }
    }
}
