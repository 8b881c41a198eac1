//! Numbers in decimal digits.

use spanwise_wire::read::FieldValue;

/// The decimal digits of a whole number.
#[derive(Debug)]
pub(super) struct Digits {
    bytes: [u8; 20],
    start: usize,
}

impl Digits {
    /// The digits of an `int_value` (field 3), or of a `double_value` (4) that is a whole number. `None` for all others.
    pub(super) fn of(field: u32, value: FieldValue<'_>) -> Option<Self> {
        whole(field, value).map(Self::new)
    }

    fn new(number: i64) -> Self {
        let mut digits = Self { bytes: [b'0'; 20], start: 20 };
        let mut rest = number.unsigned_abs();
        while rest > 0 || digits.start == 20 {
            digits.push(b'0' + (rest % 10) as u8);
            rest /= 10;
        }
        if number < 0 {
            digits.push(b'-');
        }
        digits
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        self.start = self.start.saturating_sub(1);
        self.bytes.iter_mut().skip(self.start).take(1).for_each(|it| *it = byte);
    }
}

/// The whole number in an `int_value` or a `double_value`.
pub(super) fn whole(field: u32, value: FieldValue<'_>) -> Option<i64> {
    match (field, value) {
        (3, FieldValue::Varint(number)) => Some(number as i64),
        (4, FieldValue::Fixed64(bits)) => {
            let number = f64::from_bits(bits);
            // Beyond, a double has no digits that a sender chose.
            let is_whole = number.fract() == 0.0 && number.abs() < 1e18;
            is_whole.then_some(number as i64)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_standard_library() {
        for number in [0, 1, -1, 9, 10, 12_345, i64::MAX, i64::MIN] {
            assert_eq!(Digits::new(number).as_bytes(), number.to_string().as_bytes());
        }
        let double = |number: f64| whole(4, FieldValue::Fixed64(number.to_bits()));
        assert_eq!(double(4_111_111_111_111_111.0), Some(4_111_111_111_111_111));
        assert_eq!(double(-0.0), Some(0));
        for number in [0.5, 1e18, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(double(number), None, "{number}");
        }
    }
}
