//! 56-bit rejection thresholds.

use std::fmt;

/// Keeps a trace when its randomness is at least `value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Threshold {
    /// 0 to 2⁵⁶ − 1; 0 keeps all.
    value: u64,
    /// The `th` sub-key's value: hexadecimal, without the zeros at its end.
    text: String,
}

/// A sampling ratio that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is not a sampling ratio: accepted is 0, and 2^-56 (1.4e-17) to 1")]
pub struct RatioError(pub f64);

impl Threshold {
    /// The threshold for `ratio`; `None` for 0, which keeps nothing.
    pub(super) fn from_ratio(ratio: f64) -> Result<Option<Self>, RatioError> {
        if ratio == 0.0 {
            return Ok(None);
        }
        // Written so that NaN fails it.
        if !(1.0 / MAX as f64..=1.0).contains(&ratio) {
            return Err(RatioError(ratio));
        }
        let exact = MAX - (ratio * MAX as f64).round() as u64;
        Ok(Some(Self::rounded(exact)))
    }

    pub(super) fn keeps(&self, randomness: u64) -> bool {
        randomness >= self.value
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Keeps `DIGITS` significant digits: more would only make the trace state longer. Leading
    /// `f`s of small ratios do not count, they hold no information.
    fn rounded(exact: u64) -> Self {
        let leading = (exact << 8).leading_ones() / 4;
        let kept_bits = 4 * (leading + DIGITS).min(14);
        let step = 1u64 << (56 - kept_bits);
        let rounded = (exact + step / 2) & !(step - 1);
        // A ratio so small that it rounds to "never" stays at its exact threshold.
        let value = if rounded >= MAX { exact } else { rounded };
        let digits = format!("{value:014x}");
        let digits = digits.trim_end_matches('0');
        Self { value, text: if digits.is_empty() { "0" } else { digits }.to_owned() }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", (MAX - self.value) as f64 / MAX as f64)
    }
}

/// One above the largest randomness.
const MAX: u64 = 1 << 56;
/// Significant hexadecimal digits (specification: 4 by default).
const DIGITS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_of_the_specification() {
        for (ratio, text) in [
            (1.0, "0"),
            (0.5, "8"),
            (0.25, "c"),
            (0.1, "e666"),
            (0.01, "fd70a"),
            (1.0 / 3.0, "aaab"),
            (1.0 / 65_536.0, "ffff"),
            (1.0 / (1u64 << 56) as f64, "ffffffffffffff"),
        ] {
            let threshold = Threshold::from_ratio(ratio).unwrap().unwrap();
            assert_eq!(threshold.text(), text, "{ratio}");
        }
    }

    #[test]
    fn impossible_ratios() {
        for ratio in [f64::NAN, -0.1, 1.000_001, f64::INFINITY, 1e-300, f64::MIN_POSITIVE] {
            assert!(Threshold::from_ratio(ratio).is_err(), "{ratio}");
        }
        assert_eq!(Threshold::from_ratio(0.0), Ok(None));
        assert_eq!(Threshold::from_ratio(-0.0), Ok(None));
    }
}
