//! Numbers of single bits, lowest bit first.

/// Appends bits to bytes.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    bits: usize,
}

impl BitWriter {
    /// Appends the lowest `count` bits of `value`, at most 57.
    pub(super) fn put(&mut self, value: u64, count: u32) {
        let masked = value & mask(count);
        let (at, shift) = (self.bits / 8, self.bits % 8);
        self.bits += count as usize;
        self.bytes.resize(self.bits.div_ceil(8), 0);
        let shifted = (masked << shift).to_le_bytes();
        for (byte, new) in self.bytes.iter_mut().skip(at).zip(shifted) {
            *byte |= new;
        }
    }

    /// Appends `quotient` ones and a zero, then `count` bits of `rest`.
    pub(super) fn put_rice(&mut self, value: u64, count: u32) {
        let mut quotient = value >> count;
        while quotient >= 32 {
            self.put(u64::MAX, 32);
            quotient -= 32;
        }
        self.put((1 << quotient) - 1, quotient as u32 + 1);
        self.put(value, count);
    }

    /// Bits that [`put_rice`](Self::put_rice) appends.
    pub(super) fn rice_len(value: u64, count: u32) -> u64 {
        (value >> count) + 1 + u64::from(count)
    }

    pub(super) fn len(&self) -> usize {
        self.bits
    }

    /// The bytes, whose last one is filled with zeros. The writer is empty afterwards.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.bits = 0;
        std::mem::take(&mut self.bytes)
    }
}

/// Reads bits. Behind the end there are none.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `count` bits, at most 57; `None` if fewer are left.
    pub(super) fn get(&mut self, count: u32) -> Option<u64> {
        let end = self.at.checked_add(count as usize)?;
        if end > self.bytes.len() * 8 {
            return None;
        }
        let value = self.peek() & mask(count);
        self.at = end;
        Some(value)
    }

    /// A number as [`BitWriter::put_rice`] wrote it; `None` if it has no end or 2³² ones.
    pub(super) fn get_rice(&mut self, count: u32) -> Option<u64> {
        let mut quotient = 0u64;
        loop {
            let left = (self.bytes.len() * 8).checked_sub(self.at)?;
            let ones = self.peek().trailing_ones().min(56) as usize;
            if ones >= left {
                return None;
            }
            self.at += ones;
            quotient += ones as u64;
            if ones < 56 {
                self.at += 1;
                break;
            }
        }
        let rest = self.get(count)?;
        (quotient < 1 << 32).then(|| quotient << count | rest)
    }

    /// At least 57 bits from here on, zeros behind the end.
    #[inline]
    fn peek(&self) -> u64 {
        let from = self.bytes.get(self.at / 8..).unwrap_or_default();
        let word = match from.first_chunk::<8>() {
            Some(word) => u64::from_le_bytes(*word),
            None => {
                let mut word = [0; 8];
                word.iter_mut().zip(from).for_each(|(to, byte)| *to = *byte);
                u64::from_le_bytes(word)
            }
        };
        word >> (self.at % 8)
    }
}

fn mask(count: u32) -> u64 {
    debug_assert!(count <= 57);
    (1 << count) - 1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_are_read_as_they_were_written(
            values in prop::collection::vec((any::<u64>(), 0..=57u32, 0..5000u64, 0..=20u32), 0..60)
        ) {
            let mut writer = BitWriter::default();
            let mut expected = 0;
            for (value, count, quotient, rice) in &values {
                writer.put(*value, *count);
                let number = quotient << rice | value & mask(*rice);
                writer.put_rice(number, *rice);
                expected += u64::from(*count) + BitWriter::rice_len(number, *rice);
            }
            prop_assert_eq!(writer.len() as u64, expected);
            let bytes = writer.take();
            let mut reader = BitReader::new(&bytes);
            for (value, count, quotient, rice) in &values {
                prop_assert_eq!(reader.get(*count).unwrap(), value & mask(*count));
                let number = quotient << rice | value & mask(*rice);
                prop_assert_eq!(reader.get_rice(*rice).unwrap(), number);
            }
        }
    }

    #[test]
    fn behind_the_end_is_nothing() {
        assert_eq!(BitReader::new(&[]).get(1), None);
        assert_eq!(BitReader::new(&[]).get(0), Some(0));
        assert_eq!(BitReader::new(&[0xff; 9]).get_rice(3), None);
        assert_eq!(BitReader::new(&[0x7f]).get_rice(1), None);
        assert_eq!(BitReader::new(&[0x7f]).get_rice(0), Some(7));
    }
}
