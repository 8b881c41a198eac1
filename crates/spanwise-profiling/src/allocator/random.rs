//! Countdowns between samples, and the weight of a sample.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{SystemTime, UNIX_EPOCH};

/// The unit in which objects are counted: a sample of a large block counts as little more than one.
pub(crate) const OBJECT: u64 = 256;

/// A seed that is not 0, another one for each thread.
pub(crate) fn seed() -> u64 {
    static THREADS: AtomicU64 = AtomicU64::new(0);
    let thread = THREADS.fetch_add(1, Relaxed);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut state = time.as_nanos() as u64 ^ thread.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    next(&mut state).max(1)
}

/// Bytes until the next sample: exponentially distributed, with a mean of `rate`.
pub(crate) fn exponential(state: &mut u64, rate: usize) -> isize {
    // 53 bits, of which none is 0: the logarithm is finite.
    let uniform = ((next(state) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    // A sum of two stays below `isize::MAX`.
    (-uniform.ln() * rate as f64).min(isize::MAX as f64 / 4.0) as isize
}

/// The objects, in units of [`OBJECT`], and the bytes for which a sample of `size` bytes stands.
pub(crate) fn weight(size: usize, rate: usize) -> (u64, u64) {
    // `exp_m1` is exact where the size is small against the rate.
    let probability = -(-(size as f64) / rate as f64).exp_m1();
    let weight = 1.0 / probability.max(f64::MIN_POSITIVE);
    ((weight * OBJECT as f64).round() as u64, (weight * size as f64).round() as u64)
}

/// SplitMix64; never leaves a state of 0 behind, which stands for a thread without one.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    if *state == 0 {
        *state = 1;
    }
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countdowns_have_the_mean() {
        let mut state = 7;
        let sum: isize = (0..100_000).map(|_| exponential(&mut state, 1000)).sum();
        let mean = sum as f64 / 100_000.0;
        // The standard error is 3.2, and a truncation to whole bytes takes a half.
        assert!((980.0..1020.0).contains(&mean), "{mean}");
    }

    #[test]
    fn weights_are_the_inverse_of_the_probability() {
        assert_eq!(weight(1 << 30, 1024), (OBJECT, 1 << 30));
        let (objects, bytes) = weight(1, 1024);
        assert_eq!((objects / OBJECT, bytes), (1024, 1025));
        let (objects, bytes) = weight(1024, 1024);
        assert_eq!((objects, bytes), (405, 1620));
    }

    #[test]
    fn seeds_differ() {
        assert_ne!(seed(), seed());
    }
}
