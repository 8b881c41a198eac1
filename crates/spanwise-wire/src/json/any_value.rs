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
        self.list(b"\"attributes\":[", attributes, number, |json, entry| json.key_value(entry))
    }

    #[inline(always)]
    fn key_value(&mut self, message: &[u8]) -> Encoded {
        match short(message) {
            Some((key, [0x0a, text_len, text @ ..])) if usize::from(*text_len) == text.len() => {
                self.raw(b"{\"key\":\"");
                self.string(key)?;
                self.raw(b"\",\"value\":{\"stringValue\":\"");
                self.string(text)?;
                self.raw(b"\"}},");
                Ok(())
            }
            Some((key, value)) => self.short_key_value(key, value),
            None => self.any_key_value(message),
        }
    }

    #[inline(never)]
    fn short_key_value(&mut self, key: &[u8], value: &[u8]) -> Encoded {
        self.attribute(key, Some(AnyValue::Empty.merge(value)?))
    }

    #[inline(never)]
    fn any_key_value(&mut self, message: &[u8]) -> Encoded {
        let (key, value) = entry(message)?;
        self.attribute(key, value)
    }

    #[inline(always)]
    fn attribute(&mut self, key: &[u8], value: Option<AnyValue<'_>>) -> Encoded {
        self.raw(b"{\"key\":\"");
        self.string(key)?;
        match value {
            Some(value) => {
                self.raw(b"\",\"value\":");
                self.value(value)?;
                self.raw(b"},");
            }
            None => self.raw(b"\"},"),
        }
        Ok(())
    }

    /// Appends an `AnyValue`.
    #[inline]
    fn value(&mut self, value: AnyValue<'_>) -> Encoded {
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
            AnyValue::Array(_) | AnyValue::KvList(_) => self.nested(value)?,
        }
        Ok(())
    }

    /// Appends a list or a map of up to [`MAX_DEPTH`] levels.
    ///
    /// It does not recurse: that would take several KiB of stack per level without optimization, and a sink may
    /// run on a thread with little.
    #[inline(never)]
    fn nested(&mut self, value: AnyValue<'_>) -> Encoded {
        let mut levels = Levels::default();
        self.open(&mut levels, value)?;
        while let Some(level) = levels.last_mut() {
            let mut fields = Fields::new(level.rest);
            let Some(field) = fields.next() else {
                self.close(b']');
                self.raw(b"}}");
                levels.len -= 1;
                match levels.last_mut() {
                    Some(Level { is_map: true, .. }) => self.raw(b"},"),
                    Some(_) => self.raw(b","),
                    None => {}
                }
                continue;
            };
            let field = field?;
            level.rest = fields.rest();
            if field.number != 1 {
                continue;
            }
            let (is_map, message) = (level.is_map, field.bytes()?);
            let (key, value) = match is_map {
                true => entry(message)?,
                false => (&[][..], Some(AnyValue::Empty.merge(message)?)),
            };
            match value {
                Some(value @ (AnyValue::Array(_) | AnyValue::KvList(_))) => {
                    if is_map {
                        self.raw(b"{\"key\":\"");
                        self.string(key)?;
                        self.raw(b"\",\"value\":");
                    }
                    self.open(&mut levels, value)?;
                }
                value if is_map => self.attribute(key, value)?,
                value => {
                    self.check(0)?;
                    self.value(value.unwrap_or(AnyValue::Empty))?;
                    self.raw(b",");
                }
            }
        }
        Ok(())
    }

    /// Begins a list or a map.
    fn open<'a>(&mut self, levels: &mut Levels<'a>, value: AnyValue<'a>) -> Encoded {
        let (rest, is_map) = match value {
            AnyValue::Array(message) => (message, false),
            AnyValue::KvList(message) => (message, true),
            _ => return Ok(()),
        };
        self.check(0)?;
        let Some(level) = levels.levels.get_mut(levels.len) else {
            return Err(WireError::Depth.into());
        };
        *level = Level { rest, is_map };
        levels.len += 1;
        match is_map {
            true => self.raw(b"{\"kvlistValue\":{\"values\":["),
            false => self.raw(b"{\"arrayValue\":{\"values\":["),
        }
        Ok(())
    }
}

/// The open lists and maps around a value.
#[derive(Default)]
struct Levels<'a> {
    levels: [Level<'a>; MAX_DEPTH as usize],
    len: usize,
}

/// A list or a map, and its entries that are not read yet.
#[derive(Clone, Copy, Default)]
struct Level<'a> {
    rest: &'a [u8],
    is_map: bool,
}

impl<'a> Levels<'a> {
    fn last_mut(&mut self) -> Option<&mut Level<'a>> {
        self.levels.get_mut(self.len.checked_sub(1)?)
    }
}

/// Key and value of an attribute in any form.
fn entry(message: &[u8]) -> Result<(&[u8], Option<AnyValue<'_>>), WireError> {
    let (mut key, mut value) = (&[][..], None);
    for field in Fields::new(message) {
        let field = field?;
        match field.number {
            1 => key = field.bytes()?,
            2 => value = Some(value.unwrap_or(AnyValue::Empty).merge(field.bytes()?)?),
            _ => {}
        }
    }
    Ok((key, value))
}

/// Key and value of an attribute in its usual form: a key, then a value, each below 128 bytes and nothing else.
#[inline(always)]
fn short(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x0a, key_len @ ..0x80, rest @ ..] = message else { return None };
    let (key, rest) = rest.split_at_checked(usize::from(*key_len))?;
    let [0x12, value_len @ ..0x80, value @ ..] = rest else { return None };
    (usize::from(*value_len) == value.len()).then_some((key, value))
}
