//! 56-bit rejection thresholds, and the randomness they are compared with.

use std::fmt;

/// A trace is kept when its [`Randomness`] is at least this: 0 keeps all, 2⁵⁶ − 1 one in 2⁵⁶.
///
/// The specification's rejection threshold (*TraceState: Probability Sampling*). `Display` is the
/// value of the `th` sub-key: hexadecimal digits without the zeros at their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(u64);

/// 56 bits that are equally likely to be anything, the same for all spans of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Randomness(u64);

/// A sampling probability that cannot be.
#[derive(Clone, Copy, PartialEq)]
pub struct ProbabilityError(pub f64);

impl fmt::Display for ProbabilityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is not a sampling probability: accepted is 0, and 2^-56 (1.4e-17) to 1",
            self.0
        )
    }
}

impl std::error::Error for ProbabilityError {}

impl fmt::Debug for ProbabilityError {
    /// As `Display`: it is what a `main` that returns an error prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Threshold {
    /// Keeps every trace.
    pub const KEEP_ALL: Self = Self(0);

    /// The threshold of `probability`; `None` for 0, which keeps nothing.
    ///
    /// Four significant hexadecimal digits are kept, the specification's default: more would only
    /// make the trace state longer. Digits that say only "near 0" or "near 1" do not count.
    ///
    /// # Errors
    /// Not a number, outside 0 to 1, or above 0 but below 2⁻⁵⁶, the least there is.
    pub fn from_probability(probability: f64) -> Result<Option<Self>, ProbabilityError> {
        Self::with_digits(probability, DIGITS)
    }

    /// As [`from_probability`](Self::from_probability), with `digits` (1 to 14) instead of four.
    ///
    /// # Errors
    /// As [`from_probability`](Self::from_probability).
    pub fn with_digits(probability: f64, digits: u32) -> Result<Option<Self>, ProbabilityError> {
        if probability == 0.0 {
            return Ok(None);
        }
        // Written so that NaN fails it.
        if !(LEAST..=1.0).contains(&probability) {
            return Err(ProbabilityError(probability));
        }
        Ok(Some(Self::nearest(probability).rounded(digits)))
    }

    /// The threshold of `probability` as exactly as 56 bits say it; what is no probability is
    /// taken as the nearest one that keeps something, and NaN as 1.
    pub fn nearest(probability: f64) -> Self {
        if probability.is_nan() {
            return Self::KEEP_ALL;
        }
        let kept = (probability.clamp(LEAST, 1.0) * END as f64).round() as u64;
        Self(END - kept.clamp(1, END))
    }

    /// A threshold by its value, if it is below 2⁵⁶.
    pub fn new(value: u64) -> Option<Self> {
        (value < END).then_some(Self(value))
    }

    /// Reads the value of a `th` sub-key: 1 to 14 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let value = hex(text)?;
        // The digits are the leading ones of 14.
        Some(Self(value << (4 * (14 - text.len()))))
    }

    /// 0 to 2⁵⁶ − 1.
    #[inline]
    pub fn value(self) -> u64 {
        self.0
    }

    /// Whether a trace with this randomness is kept: R ≥ T.
    #[inline(always)]
    pub fn keeps(self, randomness: Randomness) -> bool {
        randomness.0 >= self.0
    }

    /// The share of traces that is kept, above 0 to 1.
    pub fn probability(self) -> f64 {
        (END - self.0) as f64 / END as f64
    }

    /// The probability with the fewest digits that [`from_probability`](Self::from_probability)
    /// makes this of; the exact one where there is none.
    pub(crate) fn shortest_probability(self) -> f64 {
        let exact = self.probability();
        let rounded = |digits: usize| format!("{exact:.digits$e}").parse::<f64>().ok();
        let same = |&probability: &f64| Self::from_probability(probability) == Ok(Some(self));
        (0..DIGITS_OF_F64).filter_map(rounded).find(same).unwrap_or(exact)
    }

    /// For how many spans a kept one stands: 1 / probability.
    pub fn adjusted_count(self) -> f64 {
        END as f64 / (END - self.0) as f64
    }

    /// The value of the `th` sub-key, without an allocation.
    pub fn text(self) -> ThresholdText {
        // 0 is written as one zero.
        let digits = 14 - (self.0.trailing_zeros() / 4).min(13);
        let digit = |place: usize| HEX[(self.0 >> (4 * (13 - place))) as usize & 15];
        ThresholdText { bytes: std::array::from_fn(digit), len: digits as u8 }
    }

    /// Rounded to `digits` significant digits.
    pub(crate) fn rounded(self, digits: u32) -> Self {
        let shifted = self.0 << 8;
        let leading = shifted.leading_ones().max(shifted.leading_zeros().min(56)) / 4;
        let kept_bits = 4 * (leading + digits.clamp(1, 14)).min(14);
        let step = 1u64 << (56 - kept_bits);
        let rounded = (self.0 + step / 2) & !(step - 1);
        // One so near to "never" that it rounds to it stays as it is.
        if rounded >= END { self } else { Self(rounded) }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// The text of a [`Threshold`].
#[derive(Debug, Clone, Copy)]
pub struct ThresholdText {
    bytes: [u8; 14],
    len: u8,
}

impl std::ops::Deref for ThresholdText {
    type Target = str;

    fn deref(&self) -> &str {
        // Hexadecimal digits only: never the default.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl Randomness {
    /// The low 56 bits of a trace id, which are random in a trace with the W3C flag "random".
    #[inline(always)]
    pub fn of_trace(trace_id: u128) -> Self {
        Self(trace_id as u64 & (END - 1))
    }

    /// The low 56 bits of a random number.
    #[inline]
    pub fn of_number(number: u64) -> Self {
        Self(number & (END - 1))
    }

    /// Reads the value of an `rv` sub-key: exactly 14 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() == 14 { hex(text).map(Self) } else { None }
    }

    /// 0 to 2⁵⁶ − 1.
    pub fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Randomness {
    /// The value of the `rv` sub-key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:014x}", self.0)
    }
}

/// 1 to 14 lower-case hexadecimal digits.
fn hex(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 14 {
        return None;
    }
    text.bytes().try_fold(0, |value, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

/// One above the largest randomness.
const END: u64 = 1 << 56;
/// The least probability above 0: 2⁻⁵⁶.
const LEAST: f64 = 1.0 / END as f64;
/// Significant hexadecimal digits (specification: 4 by default).
const DIGITS: u32 = 4;
/// Decimal digits after the first that tell any two `f64` apart.
const DIGITS_OF_F64: usize = 17;
const HEX: &[u8; 16] = b"0123456789abcdef";
