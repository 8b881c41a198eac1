//! 56-bit rejection thresholds, and the randomness that they are compared with.

use std::fmt;

/// A rejection threshold of 56 bits (specification, *TraceState: Probability Sampling*).
///
/// It keeps a trace whose [`Randomness`] is equal or higher: 0 keeps every trace, 2⁵⁶ − 1 one in
/// 2⁵⁶. `Display` writes the value of the `th` sub-key: hexadecimal digits without trailing zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(u64);

/// The randomness of a trace: 56 uniformly distributed bits, the same for all its spans
/// (specification, *TraceState: Probability Sampling*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Randomness(u64);

/// A sampling probability is out of range.
#[derive(Clone, Copy, PartialEq)]
pub struct ProbabilityError(pub f64);

impl fmt::Display for ProbabilityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `{:?}` writes an exponent where `{}` writes three hundred zeros.
        write!(
            f,
            "{:?} is not a sampling probability: accepted is 0, and 2^-56 (1.4e-17) to 1",
            self.0
        )
    }
}

impl std::error::Error for ProbabilityError {}

impl fmt::Debug for ProbabilityError {
    /// Equals `Display`: a `main` that returns an error prints its `Debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Threshold {
    /// Keeps every trace.
    pub const KEEP_ALL: Self = Self(0);

    /// The threshold of `probability`; `None` for 0, which keeps no trace.
    ///
    /// The threshold is rounded to four significant hexadecimal digits, the specification's default:
    /// more digits would only lengthen the trace state. Leading digits that are all `0` or all `f` do
    /// not count.
    ///
    /// # Errors
    /// Not a number, outside 0 to 1, or above 0 but below 2⁻⁵⁶, the minimum.
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
        // NaN fails this form of the test.
        if !(LEAST..=1.0).contains(&probability) {
            return Err(ProbabilityError(probability));
        }
        Ok(Some(Self::nearest(probability).rounded(digits)))
    }

    /// The threshold nearest to `probability` in 56 bits. Values out of range are clamped to 2⁻⁵⁶ or
    /// 1; NaN counts as 1.
    pub fn nearest(probability: f64) -> Self {
        if probability.is_nan() {
            return Self::KEEP_ALL;
        }
        let accepted = (probability.clamp(LEAST, 1.0) * END as f64).round() as u64;
        Self(END - accepted.clamp(1, END))
    }

    /// The threshold with this value, if it is below 2⁵⁶.
    pub fn new(value: u64) -> Option<Self> {
        (value < END).then_some(Self(value))
    }

    /// Parses the value of a `th` sub-key: 1 to 14 lower-case hexadecimal digits.
    #[inline]
    pub fn parse(text: &str) -> Option<Self> {
        let value = hex(text)?;
        // The text holds the leading digits of 14.
        Some(Self(value << (4 * (14 - text.len()))))
    }

    /// The value, 0 to 2⁵⁶ − 1.
    #[inline]
    pub fn value(self) -> u64 {
        self.0
    }

    /// Whether the threshold keeps a trace with this randomness: R ≥ T.
    #[inline(always)]
    pub fn keeps(self, randomness: Randomness) -> bool {
        randomness.0 >= self.0
    }

    /// The sampling probability, above 0 to 1.
    pub fn probability(self) -> f64 {
        (END - self.0) as f64 / END as f64
    }

    /// The probability with the fewest digits that [`from_probability`](Self::from_probability) maps
    /// to this threshold; the exact one if there is none.
    pub(crate) fn shortest_probability(self) -> f64 {
        let exact = self.probability();
        let rounded = |digits: usize| format!("{exact:.digits$e}").parse::<f64>().ok();
        let same = |&probability: &f64| Self::from_probability(probability) == Ok(Some(self));
        (0..DIGITS_OF_F64).filter_map(rounded).find(same).unwrap_or(exact)
    }

    /// The adjusted count of a sampled span, the number of spans it represents: 1 / probability.
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
        let retained_bits = 4 * (leading + digits.clamp(1, 14)).min(14);
        let step = 1u64 << (56 - retained_bits);
        let rounded = (self.0 + step / 2) & !(step - 1);
        // Rounding up to 2⁵⁶ would reject every trace: such a threshold stays exact.
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
        // The bytes are hexadecimal digits, always valid UTF-8.
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

    /// Parses the value of an `rv` sub-key: exactly 14 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() == 14 { hex(text).map(Self) } else { None }
    }

    /// The value, 0 to 2⁵⁶ − 1.
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

/// Parses 1 to 14 lower-case hexadecimal digits.
#[inline(always)]
fn hex(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 14 {
        return None;
    }
    let mut value = 0;
    for byte in text.bytes() {
        let digit = match byte.wrapping_sub(b'0') {
            digit @ 0..=9 => digit,
            _ => match byte.wrapping_sub(b'a') {
                letter @ 0..=5 => letter + 10,
                _ => return None,
            },
        };
        value = value << 4 | u64::from(digit);
    }
    Some(value)
}

/// One above the largest randomness.
const END: u64 = 1 << 56;
/// The minimum probability above 0: 2⁻⁵⁶.
const LEAST: f64 = 1.0 / END as f64;
/// Significant hexadecimal digits, by default (specification: 4).
const DIGITS: u32 = 4;
/// Decimal digits after the first that distinguish any two `f64`.
const DIGITS_OF_F64: usize = 17;
const HEX: &[u8; 16] = b"0123456789abcdef";
