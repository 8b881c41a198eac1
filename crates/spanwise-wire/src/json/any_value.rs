//! Attributes and their values, from protobuf to JSON.

use super::encoder::{Encoded, Encoder};
use super::repeated::Repeated;
use crate::read::{Fields, MAX_DEPTH, WireError};

/// The value of an `AnyValue`: the last of its fields.
#[derive(Clone, Copy)]
enum AnyValue<'a> {
    Empty,
    Str(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
    Array(&'a [u8]),
    KvList(&'a [u8]),
    Bytes(&'a [u8]),
}

impl<'a> AnyValue<'a> {
    /// `self` with `message` merged into it: a field may have its value in several pieces.
    #[inline(always)]
    fn merge(self, message: &'a [u8]) -> Result<Self, WireError> {
        let mut value = self;
        for field in Fields::new(message) {
            let field = field?;
            value = match field.number {
                1 => Self::Str(field.bytes()?),
                2 => Self::Bool(field.varint()? != 0),
                3 => Self::Int(field.varint()? as i64),
                4 => Self::Double(f64::from_bits(field.fixed64()?)),
                5 => Self::Array(field.bytes()?),
                6 => Self::KvList(field.bytes()?),
                7 => Self::Bytes(field.bytes()?),
                // An index into a string table, which traces do not have.
                8 => field.varint().map(|_| Self::Empty)?,
                _ => value,
            };
        }
        Ok(value)
    }
}

// opentelemetry/proto/common/v1/common.proto
impl Encoder<'_> {
    #[inline]
    pub(super) fn attributes(&mut self, attributes: Repeated<'_>, number: u32) -> Encoded {
        self.list(b"\"attributes\":[", attributes, number, |json, entry| json.key_value(entry, 0))
    }

    #[inline(always)]
    fn key_value(&mut self, message: &[u8], depth: u8) -> Encoded {
        match short(message) {
            Some((key, [0x0a, text_len, text @ ..])) if usize::from(*text_len) == text.len() => {
                self.raw(b"{\"key\":\"");
                self.string(key)?;
                self.raw(b"\",\"value\":{\"stringValue\":\"");
                self.string(text)?;
                self.raw(b"\"}},");
                Ok(())
            }
            Some((key, value)) => self.short_key_value(key, value, depth),
            None => self.any_key_value(message, depth),
        }
    }

    #[inline(never)]
    fn short_key_value(&mut self, key: &[u8], value: &[u8], depth: u8) -> Encoded {
        self.attribute(key, Some(AnyValue::Empty.merge(value)?), depth)
    }

    #[inline(never)]
    fn any_key_value(&mut self, message: &[u8], depth: u8) -> Encoded {
        let (mut key, mut value) = (&[][..], None);
        for field in Fields::new(message) {
            let field = field?;
            match field.number {
                1 => key = field.bytes()?,
                2 => value = Some(value.unwrap_or(AnyValue::Empty).merge(field.bytes()?)?),
                _ => {}
            }
        }
        self.attribute(key, value, depth)
    }

    #[inline(always)]
    fn attribute(&mut self, key: &[u8], value: Option<AnyValue<'_>>, depth: u8) -> Encoded {
        self.raw(b"{\"key\":\"");
        self.string(key)?;
        match value {
            Some(value) => {
                self.raw(b"\",\"value\":");
                self.value(value, depth)?;
                self.raw(b"},");
            }
            None => self.raw(b"\"},"),
        }
        Ok(())
    }

    /// Appends an `AnyValue`. Recurses into lists and maps up to [`MAX_DEPTH`] levels.
    #[inline]
    fn value(&mut self, value: AnyValue<'_>, depth: u8) -> Encoded {
        match value {
            AnyValue::Empty => self.raw(b"{}"),
            AnyValue::Str(text) => {
                self.raw(b"{\"stringValue\":\"");
                self.string(text)?;
                self.raw(b"\"}");
            }
            AnyValue::Bool(true) => self.raw(b"{\"boolValue\":true}"),
            AnyValue::Bool(false) => self.raw(b"{\"boolValue\":false}"),
            AnyValue::Int(value) => {
                self.raw(b"{\"intValue\":\"");
                self.integer(value);
                self.raw(b"\"}");
            }
            AnyValue::Double(value) => {
                self.raw(b"{\"doubleValue\":");
                self.double(value);
                self.raw(b"}");
            }
            AnyValue::Bytes(bytes) => {
                self.raw(b"{\"bytesValue\":\"");
                self.base64(bytes)?;
                self.raw(b"\"}");
            }
            AnyValue::Array(message) => self.array(message, deeper(depth)?)?,
            AnyValue::KvList(message) => self.kv_list(message, deeper(depth)?)?,
        }
        Ok(())
    }

    #[inline(never)]
    fn array(&mut self, message: &[u8], depth: u8) -> Encoded {
        self.raw(b"{\"arrayValue\":{\"values\":[");
        for field in Fields::new(message) {
            let field = field?;
            if field.number == 1 {
                self.check(0)?;
                self.value(AnyValue::Empty.merge(field.bytes()?)?, depth)?;
                self.raw(b",");
            }
        }
        self.close(b']');
        self.raw(b"}}");
        Ok(())
    }

    #[inline(never)]
    fn kv_list(&mut self, message: &[u8], depth: u8) -> Encoded {
        self.raw(b"{\"kvlistValue\":{\"values\":[");
        for field in Fields::new(message) {
            let field = field?;
            if field.number == 1 {
                self.key_value(field.bytes()?, depth)?;
            }
        }
        self.close(b']');
        self.raw(b"}}");
        Ok(())
    }
}

fn deeper(depth: u8) -> Result<u8, WireError> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(WireError::Depth) }
}

/// Key and value of an attribute in its usual form: a key, then a value, each below 128 bytes and nothing else.
#[inline(always)]
fn short(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x0a, key_len @ ..0x80, rest @ ..] = message else { return None };
    let (key, rest) = rest.split_at_checked(usize::from(*key_len))?;
    let [0x12, value_len @ ..0x80, value @ ..] = rest else { return None };
    (usize::from(*value_len) == value.len()).then_some((key, value))
}
