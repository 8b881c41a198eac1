//! One protobuf message as a stream of fields, borrowed from its bytes.

use std::fmt;

/// One field of a message: its number and its still encoded value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Field number, 1 to 2²⁹ − 1.
    pub number: u32,
    /// The value, in the form its wire type gives it.
    pub value: FieldValue<'a>,
}

/// A field's value by wire type. Numbers are as they stand on the wire; a signed or zigzag
/// reading is the caller's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: a string, bytes, a nested message or packed numbers.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32(u32),
}

impl<'a> Field<'a> {
    /// The value of a field that is a string, bytes or a message.
    ///
    /// # Errors
    /// [`WireError::Mismatch`] if it has another wire type.
    #[inline]
    pub fn bytes(self) -> Result<&'a [u8], WireError> {
        match self.value {
            FieldValue::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::Mismatch(self.number)),
        }
    }

    /// The value of a field that is an integer, enum or bool.
    ///
    /// # Errors
    /// [`WireError::Mismatch`] if it has another wire type.
    #[inline]
    pub fn varint(self) -> Result<u64, WireError> {
        match self.value {
            FieldValue::Varint(value) => Ok(value),
            _ => Err(WireError::Mismatch(self.number)),
        }
    }

    /// The value of a `fixed64`, `sfixed64` or `double` field, as its bits.
    ///
    /// # Errors
    /// [`WireError::Mismatch`] if it has another wire type.
    #[inline]
    pub fn fixed64(self) -> Result<u64, WireError> {
        match self.value {
            FieldValue::Fixed64(value) => Ok(value),
            _ => Err(WireError::Mismatch(self.number)),
        }
    }

    /// The value of a `fixed32`, `sfixed32` or `float` field, as its bits.
    ///
    /// # Errors
    /// [`WireError::Mismatch`] if it has another wire type.
    #[inline]
    pub fn fixed32(self) -> Result<u32, WireError> {
        match self.value {
            FieldValue::Fixed32(value) => Ok(value),
            _ => Err(WireError::Mismatch(self.number)),
        }
    }
}

/// Iterates over the fields of one message without allocating or recursing.
///
/// Ends after the first error: what follows a malformed field has no meaning.
#[derive(Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads `message` from its first byte.
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The bytes not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline(always)]
    fn read(&mut self) -> Result<Field<'a>, WireError> {
        // Most fields are strings or messages below 128 bytes with a number below 16.
        if let [key @ 8..0x80, len @ ..0x80, rest @ ..] = self.rest
            && key & 7 == 2
            && let Some((bytes, rest)) = rest.split_at_checked(usize::from(*len))
        {
            self.rest = rest;
            return Ok(Field { number: u32::from(key >> 3), value: FieldValue::Bytes(bytes) });
        }
        self.read_any()
    }

    #[inline(never)]
    fn read_any(&mut self) -> Result<Field<'a>, WireError> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| WireError::FieldNumber)?;
        if number == 0 || number > MAX_FIELD_NUMBER {
            return Err(WireError::FieldNumber);
        }
        let value = match key & 7 {
            0 => FieldValue::Varint(self.varint()?),
            1 => FieldValue::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let len = self.varint()?;
                // Compared before any use, so a length of 2⁶³ costs nothing.
                let len = usize::try_from(len).map_err(|_| WireError::Truncated)?;
                FieldValue::Bytes(self.take(len)?)
            }
            5 => FieldValue::Fixed32(u32::from_le_bytes(self.array()?)),
            other => return Err(WireError::WireType(other as u8)),
        };
        Ok(Field { number, value })
    }

    #[inline(always)]
    fn varint(&mut self) -> Result<u64, WireError> {
        // Most tags and lengths take one byte, or two.
        match self.rest {
            [byte @ ..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            [low, high @ ..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(low & 0x7f) | u64::from(*high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    #[cold]
    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0u64;
        for (i, &byte) in self.rest.iter().enumerate().take(10) {
            // The tenth byte holds bit 63 alone.
            if i == 9 && byte > 1 {
                return Err(WireError::Varint);
            }
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() >= 10 { WireError::Varint } else { WireError::Truncated })
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (head, tail) = self.rest.split_at_checked(len).ok_or(WireError::Truncated)?;
        self.rest = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(WireError::Truncated)?;
        self.rest = tail;
        Ok(*head)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// A decoding error: the bytes are not a protobuf message.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireError {
    /// The message ends inside a field.
    Truncated,
    /// A varint of more than ten bytes or 64 bits.
    Varint,
    /// A field number of 0 or above 2²⁹ − 1.
    FieldNumber,
    /// A wire type that proto3 does not use: groups (3, 4), 6 or 7.
    WireType(u8),
    /// A known field in another wire type than OTLP gives it; holds the field's number.
    Mismatch(u32),
    /// Messages nested deeper than the reader follows.
    Depth,
    /// A string that is not UTF-8.
    Utf8,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(f, "the message ends inside a field"),
            Self::Varint => write!(f, "a varint is longer than 64 bits"),
            Self::FieldNumber => write!(f, "a field number is outside 1..=536870911"),
            Self::WireType(t) => write!(f, "wire type {t} is not one that proto3 uses"),
            Self::Mismatch(n) => write!(f, "field {n} does not have the wire type OTLP gives it"),
            Self::Depth => write!(f, "messages are nested too deeply"),
            Self::Utf8 => write!(f, "a string is not UTF-8"),
        }
    }
}

/// As it reads in `Display`: `main` prints the `Debug` of its error.
impl fmt::Debug for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for WireError {}

const MAX_FIELD_NUMBER: u32 = (1 << 29) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    type Read<'a> = Result<(u32, FieldValue<'a>), WireError>;

    fn one(bytes: &[u8]) -> Read<'_> {
        let mut fields = Fields::new(bytes);
        let first = fields.next().unwrap();
        // One field or one error, and then the end.
        assert!(fields.next().is_none());
        first.map(|field| (field.number, field.value))
    }

    #[test]
    fn fields_and_their_errors() {
        use FieldValue::*;
        let cases: &[(&[u8], Read<'_>)] = &[
            (&[0x08, 0x00], Ok((1, Varint(0)))),
            (&[0x08, 0xac, 0x02], Ok((1, Varint(300)))),
            (&[0x08, 0x80, 0x00], Ok((1, Varint(0)))),
            (
                &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
                Ok((1, Varint(u64::MAX))),
            ),
            (&[0x09, 1, 0, 0, 0, 0, 0, 0, 0], Ok((1, Fixed64(1)))),
            (&[0x12, 0x02, b'a', b'b'], Ok((2, Bytes(b"ab")))),
            (&[0x12, 0x00], Ok((2, Bytes(b"")))),
            (&[0x85, 0x01, 1, 1, 0, 0], Ok((16, Fixed32(257)))),
            (&[0xf8, 0xff, 0xff, 0xff, 0x0f, 7], Ok((MAX_FIELD_NUMBER, Varint(7)))),
            (&[0x08], Err(WireError::Truncated)),
            (&[0x88], Err(WireError::Truncated)),
            (&[0x08, 0x80], Err(WireError::Truncated)),
            (&[0x09, 1, 0, 0, 0, 0, 0, 0], Err(WireError::Truncated)),
            (&[0x0d, 1, 0, 0], Err(WireError::Truncated)),
            (&[0x12, 0x02, b'a'], Err(WireError::Truncated)),
            (
                &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
                Err(WireError::Truncated),
            ),
            (
                &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
                Err(WireError::Varint),
            ),
            (&[0x80; 11], Err(WireError::Varint)),
            (&[0x00, 0x00], Err(WireError::FieldNumber)),
            (&[0x02, 0x00], Err(WireError::FieldNumber)),
            (&[0x80, 0x80, 0x80, 0x80, 0x10, 0], Err(WireError::FieldNumber)),
            (&[0x0b], Err(WireError::WireType(3))),
            (&[0x0c], Err(WireError::WireType(4))),
            (&[0x0e], Err(WireError::WireType(6))),
            (&[0x0f], Err(WireError::WireType(7))),
        ];
        for (bytes, expected) in cases {
            assert_eq!(one(bytes), *expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn a_value_is_read_as_its_own_wire_type_only() {
        let fields =
            Fields::new(&[0x08, 1, 0x12, 0, 0x1d, 1, 0, 0, 0, 0x21, 1, 0, 0, 0, 0, 0, 0, 0]);
        for (at, field) in fields.enumerate() {
            let field = field.unwrap();
            let mismatch = WireError::Mismatch(field.number);
            assert_eq!(field.varint(), if at == 0 { Ok(1) } else { Err(mismatch) });
            assert_eq!(field.bytes(), if at == 1 { Ok(&[][..]) } else { Err(mismatch) });
            assert_eq!(field.fixed32(), if at == 2 { Ok(1) } else { Err(mismatch) });
            assert_eq!(field.fixed64(), if at == 3 { Ok(1) } else { Err(mismatch) });
        }
    }
}
