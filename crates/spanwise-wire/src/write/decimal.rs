//! Integers outside the signed 64 bits of OTLP, written as the string of their decimal digits.

use super::tags::STRING;
use super::varint::{bytes_len, put_varint};

/// An integer as sign and magnitude. It is written digit by digit, the highest first, so it needs no
/// buffer and no UTF-8 check.
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
    /// Exact length of the `AnyValue` message, with the limit applied.
    #[cold]
    pub(super) fn encoded_len(self, max_chars: usize) -> usize {
        bytes_len(self.chars().min(max_chars))
    }

    /// Appends the `AnyValue` message.
    #[cold]
    pub(super) fn encode(self, max_chars: usize, out: &mut Vec<u8>) {
        let len = self.chars().min(max_chars);
        out.push(STRING);
        put_varint(out, len as u64);
        let sign = self.is_negative.then_some(b'-');
        let digits = (0..=self.highest_place()).rev().map(|place| self.digit(place));
        out.extend(sign.into_iter().chain(digits).take(len));
    }

    /// Whether the limit shortens it.
    #[cold]
    pub(super) fn is_truncated(self, max_chars: usize) -> bool {
        self.chars() > max_chars
    }

    /// Number of characters, each of one byte.
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
