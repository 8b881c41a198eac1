//! [`DistinctCounter`]: the number of different values, exact while they are few and estimated beyond.

use std::hash::{DefaultHasher, Hasher as _};

/// Counts different values by their hashes: up to 64 exactly, and more by HyperLogLog with 2,048 registers.
///
/// The standard error of an estimate is 1.04 / √2048 = 2.3 %; the estimator is that of O. Ertl, *New cardinality estimation
/// algorithms for HyperLogLog sketches* (2017), which needs no table of corrections.
#[derive(Debug, Clone)]
pub(super) enum DistinctCounter {
    /// The hashes, sorted.
    Few(Vec<u64>),
    /// For each register, the longest run of zeros among the hashes that it has, plus one.
    Many(Box<[u8; REGISTERS]>),
}

impl Default for DistinctCounter {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl DistinctCounter {
    /// The most bytes of memory of a counter.
    pub(super) const MAX_BYTES: usize = REGISTERS + size_of::<Self>();

    #[inline]
    pub(super) fn add(&mut self, hash: u64) {
        match self {
            Self::Few(hashes) => {
                let Err(place) = hashes.binary_search(&hash) else { return };
                if hashes.len() < MAX_EXACT {
                    return hashes.insert(place, hash);
                }
                let mut registers = Box::new([0; REGISTERS]);
                hashes.iter().for_each(|hash| record(&mut registers, *hash));
                record(&mut registers, hash);
                *self = Self::Many(registers);
            }
            Self::Many(registers) => record(registers, hash),
        }
    }

    /// Whether [`count`](Self::count) is no estimate.
    pub(super) fn is_exact(&self) -> bool {
        matches!(self, Self::Few(_))
    }

    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Few(hashes) => hashes.len() as u64,
            Self::Many(registers) => estimate(registers).round() as u64,
        }
    }
}

/// The hash of a value. It is the same in every process, so that two reports of one file are equal.
pub(super) fn hash_of(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

#[inline]
fn record(registers: &mut [u8; REGISTERS], hash: u64) {
    let zeros = ((hash << PRECISION) | (1 << (PRECISION - 1))).leading_zeros() as u8 + 1;
    if let Some(register) = registers.get_mut((hash >> (64 - PRECISION)) as usize) {
        *register = zeros.max(*register);
    }
}

/// Ertl's improved raw estimator, algorithm 6.
fn estimate(registers: &[u8; REGISTERS]) -> f64 {
    let mut counts = [0_u32; MAX_ZEROS + 1];
    for register in registers {
        counts.get_mut(usize::from(*register)).into_iter().for_each(|count| *count += 1);
    }
    let count = |zeros: usize| counts.get(zeros).copied().map_or(0.0, f64::from);
    let all = REGISTERS as f64;
    let mut z = all * tau(1.0 - count(MAX_ZEROS) / all);
    for zeros in (1..MAX_ZEROS).rev() {
        z = 0.5 * (z + count(zeros));
    }
    z += all * sigma(count(0) / all);
    all * all / (2.0 * std::f64::consts::LN_2 * z)
}

/// Σ x^(2^k) 2^(k−1) + x for k ≥ 1.
fn sigma(mut x: f64) -> f64 {
    let (mut y, mut z) = (1.0, x);
    while x < 1.0 {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
    f64::INFINITY
}

/// (1 − x − Σ (1 − x^(2^−k))² 2^(−k)) / 3 for k ≥ 1.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        y *= 0.5;
        let before = z;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

/// Values that are counted exactly.
const MAX_EXACT: usize = 64;
const PRECISION: u32 = 11;
const REGISTERS: usize = 1 << PRECISION;
/// The largest value of a register: all other bits of a hash are 0.
const MAX_ZEROS: usize = 64 - PRECISION as usize + 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(values: impl Iterator<Item = u64>) -> DistinctCounter {
        let mut counter = DistinctCounter::default();
        values.for_each(|value| counter.add(hash_of(&value.to_le_bytes())));
        counter
    }

    #[test]
    fn few_values_are_counted_exactly() {
        for count in 0..=MAX_EXACT as u64 {
            let counter = counted((0..count).chain(0..count));
            assert_eq!((counter.count(), counter.is_exact()), (count, true));
        }
        assert!(!counted(0..=MAX_EXACT as u64).is_exact());
    }

    /// Four standard errors: one estimate in 16,000 is worse.
    #[test]
    fn an_estimate_is_within_its_error_at_every_size() {
        for exponent in 0..60 {
            let count = (65.0 * 1.2_f64.powi(exponent)) as u64;
            if count > 2_000_000 {
                break;
            }
            let from = count * 1000;
            let estimate = counted(from..from + count).count() as f64;
            let error = estimate / count as f64 - 1.0;
            assert!(error.abs() < 0.092, "{count}: {estimate}");
        }
    }

    #[test]
    fn the_mean_of_many_estimates_is_right() {
        for count in [100_u64, 3000, 10_000] {
            let sets = 64;
            let sum: u64 =
                (0..sets).map(|set| counted(set << 32..(set << 32) + count).count()).sum();
            let mean = sum as f64 / sets as f64 / count as f64;
            assert!((mean - 1.0).abs() < 0.012, "{count}: {mean}");
        }
    }

    #[test]
    fn registers_of_extreme_hashes_are_in_bounds() {
        let mut registers = [0; REGISTERS];
        record(&mut registers, 0);
        record(&mut registers, u64::MAX);
        assert_eq!((usize::from(registers[0]), registers[REGISTERS - 1]), (MAX_ZEROS, 1));
        // Every hash was seen: more than any count.
        assert!(estimate(&[MAX_ZEROS as u8; REGISTERS]) > 1e19);
    }
}
