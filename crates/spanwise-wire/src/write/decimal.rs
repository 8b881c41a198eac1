//! Integers beyond OTLP's, which has 64 bits with sign: a string of their decimal digits.

use super::tags::STRING;
use super::varint::{bytes_len, put_varint};

/// An integer as sign and magnitude, written digit by digit, the highest first: no buffer that could
/// be too short, and no text that would have to be checked.
#[derive(Clone, Copy)]
pub(super) struct Decimal {
    is_negative: bool,
    magnitude: u128,
}

impl From<u128> for Decimal {
    fn from(value: u128) -> Self {
        Self { is_negative: false, magnitude: value }
    }
}

impl From<i128> for Decimal {
    fn from(value: i128) -> Self {
        Self { is_negative: value < 0, magnitude: value.unsigned_abs() }
    }
}

impl Decimal {
    /// Exact length of the `AnyValue` message, limit applied.
    #[cold]
    pub(super) fn encoded_len(self, max_chars: usize) -> usize {
        bytes_len(self.chars().min(max_chars))
    }

    /// Appends the `AnyValue` message.
    #[cold]
    pub(super) fn encode(self, max_chars: usize, out: &mut Vec<u8>) {
        let kept = self.chars().min(max_chars);
        out.push(STRING);
        put_varint(out, kept as u64);
        let sign = self.is_negative.then_some(b'-');
        let digits = (0..=self.highest_place()).rev().map(|place| self.digit(place));
        out.extend(sign.into_iter().chain(digits).take(kept));
    }

    /// Whether the limit shortens it.
    #[cold]
    pub(super) fn is_truncated(self, max_chars: usize) -> bool {
        self.chars() > max_chars
    }

    /// Characters, each of one byte.
    fn chars(self) -> usize {
        usize::from(self.is_negative) + self.highest_place() as usize + 1
    }

    /// The power of ten of the first digit, 38 at most; 0 has a digit too.
    fn highest_place(self) -> u32 {
        self.magnitude.checked_ilog10().unwrap_or(0)
    }

    /// The digit of `place`, which is not above the highest: that power of ten has 128 bits at most.
    fn digit(self, place: u32) -> u8 {
        b'0' + (self.magnitude / 10u128.pow(place) % 10) as u8
    }
}
