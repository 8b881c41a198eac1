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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Iterates over the fields of one message without allocating or recursing.
///
/// Ends after the first error: what follows a malformed field has no meaning.
#[derive(Debug, Clone)]
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

    fn read(&mut self) -> Result<Field<'a>, WireError> {
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

    fn varint(&mut self) -> Result<u64, WireError> {
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

/// Why bytes are not a protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        }
    }
}

impl std::error::Error for WireError {}

const MAX_FIELD_NUMBER: u32 = (1 << 29) - 1;
