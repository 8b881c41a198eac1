//! Attribute lists and the values in them.

use std::iter::FusedIterator;

use super::fields::{Fields, WireError};

/// Levels of arrays and maps around a value; the reader rejects more with [`WireError::Depth`].
pub const MAX_DEPTH: u8 = 32;

/// An `AnyValue`, borrowed from its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ValueView<'a> {
    /// No value, or one of a kind this reader does not know.
    Empty,
    /// `string_value`.
    Str(&'a str),
    /// `bool_value`.
    Bool(bool),
    /// `int_value`.
    I64(i64),
    /// `double_value`, bit for bit.
    F64(f64),
    /// `bytes_value`.
    Bytes(&'a [u8]),
    /// `array_value`; its elements are read when iterated.
    Array(ArrayView<'a>),
    /// `kvlist_value`; its entries are read when iterated.
    KvList(KvListView<'a>),
}

impl<'a> ValueView<'a> {
    /// Reads the bytes of an `AnyValue`. Elements of arrays and maps are not parsed.
    ///
    /// # Errors
    /// [`WireError`] if the message is malformed or its string is not UTF-8.
    pub fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        value_of(message, 0)
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&'a str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// `self` with `message` merged into it. A `KeyValue` may have its value in several pieces; an empty
    /// piece leaves the earlier one unchanged.
    fn merge(self, message: &'a [u8], depth: u8) -> Result<Self, WireError> {
        let mut value = self;
        for field in Fields::new(message) {
            let field = field?;
            value = match field.number {
                1 => Self::Str(text(field.bytes()?)?),
                2 => Self::Bool(field.varint()? != 0),
                3 => Self::I64(field.varint()? as i64),
                4 => Self::F64(f64::from_bits(field.fixed64()?)),
                5 => Self::Array(ArrayView { bytes: field.bytes()?, depth: deeper(depth)? }),
                6 => Self::KvList(KvListView { bytes: field.bytes()?, depth: deeper(depth)? }),
                7 => Self::Bytes(field.bytes()?),
                // An index into a string table, which traces do not have.
                8 => field.varint().map(|_| Self::Empty)?,
                _ => continue,
            };
        }
        Ok(value)
    }
}

/// The bytes of an `ArrayValue`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ArrayView<'a> {
    pub(crate) bytes: &'a [u8],
    depth: u8,
}

impl<'a> ArrayView<'a> {
    /// The elements. An element that cannot be read is an error in its place.
    pub fn iter(&self) -> impl FusedIterator<Item = Result<ValueView<'a>, WireError>> + use<'a> {
        let depth = self.depth;
        Entries { fields: Fields::new(self.bytes), number: ARRAY_VALUES }
            .map(move |entry| ValueView::Empty.merge(entry?, depth))
    }
}

/// The bytes of a `KeyValueList`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KvListView<'a> {
    pub(crate) bytes: &'a [u8],
    depth: u8,
}

impl<'a> KvListView<'a> {
    /// The entries. An entry that cannot be read is an error in its place.
    pub fn iter(&self) -> Attributes<'a> {
        Attributes {
            entries: Entries { fields: Fields::new(self.bytes), number: KVLIST_VALUES },
            depth: self.depth,
        }
    }
}

/// A list of `KeyValue` entries, in wire order, duplicates included.
///
/// An entry that cannot be read is an error in its place and the next one is tried. Only damage
/// to the list itself, which a view that was parsed does not have, ends it.
#[derive(Clone)]
pub struct Attributes<'a> {
    entries: Entries<'a>,
    depth: u8,
}

impl<'a> Attributes<'a> {
    /// Bytes of the message that are not read yet.
    pub(crate) fn bytes_left(&self) -> usize {
        self.entries.fields.rest().len()
    }

    /// The entries that `message` holds in its field `number`.
    pub(super) fn new(message: &'a [u8], number: u32) -> Self {
        Self { entries: Entries { fields: Fields::new(message), number }, depth: 0 }
    }

    /// The value of the last entry of `key`; `None` also if that one cannot be read.
    ///
    /// # Cost
    /// One pass over the message the list is in; only values under `key` are parsed.
    pub(super) fn last_of(self, key: &str) -> Option<ValueView<'a>> {
        let depth = self.depth;
        let last =
            self.entries.filter_map(Result::ok).filter(|entry| has_key(entry, key)).last()?;
        entry_of(last, depth).ok().map(|(_, value)| value)
    }
}

impl<'a> Attributes<'a> {
    /// The values of the last entries of `keys`, each at the place of its key; other places get `None`.
    ///
    /// # Cost
    /// One pass over the message the list is in; only values under these keys are parsed.
    pub(super) fn select<K: AsRef<str>>(self, keys: &[K], values: &mut [Option<ValueView<'a>>]) {
        values.fill(None);
        let depth = self.depth;
        let mut entries = self.entries;
        while let Some(entry) = entries.next_usual() {
            let Ok(entry) = entry else { continue };
            let (key, usual_value) = match split(entry) {
                Some((key, value)) => (key, Some(value)),
                None => (key_of(entry), None),
            };
            let wanted = keys.iter().map(AsRef::as_ref).position(|wanted| wanted.as_bytes() == key);
            if let Some(value) = wanted.and_then(|place| values.get_mut(place)) {
                *value = match usual_value {
                    // The key is UTF-8, as the wanted one.
                    Some(value) => value_of(value, depth).ok(),
                    None => entry_of(entry, depth).ok().map(|(_, value)| value),
                };
            }
        }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(&'a str, ValueView<'a>), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entries.next()?;
        Some(entry.and_then(|entry| entry_of(entry, self.depth)))
    }
}

impl FusedIterator for Attributes<'_> {}

/// The messages of one repeated field.
#[derive(Debug, Clone)]
struct Entries<'a> {
    fields: Fields<'a>,
    number: u32,
}

impl<'a> Entries<'a> {
    /// As [`next`](Iterator::next), at less cost for an entry below 128 bytes.
    #[inline(always)]
    fn next_usual(&mut self) -> Option<Result<&'a [u8], WireError>> {
        if let [key, len @ ..0x80, rest @ ..] = self.fields.rest()
            && u32::from(*key) == self.number << 3 | 2
            && *key < 0x80
            && let Some((entry, rest)) = rest.split_at_checked(usize::from(*len))
        {
            self.fields = Fields::new(rest);
            return Some(Ok(entry));
        }
        self.next()
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<&'a [u8], WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        for field in &mut self.fields {
            match field {
                Ok(field) if field.number == self.number => return Some(field.bytes()),
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }
}

impl FusedIterator for Entries<'_> {}

/// The bytes of a string as text.
pub(super) fn text(bytes: &[u8]) -> Result<&str, WireError> {
    std::str::from_utf8(bytes).map_err(|_| WireError::Utf8)
}

/// The last string that `message` holds in its field `number`.
pub(super) fn text_field(message: &[u8], number: u32) -> Result<&str, WireError> {
    let mut last: &[u8] = &[];
    for field in Fields::new(message) {
        let field = field?;
        if field.number == number {
            last = field.bytes()?;
        }
    }
    text(last)
}

fn deeper(depth: u8) -> Result<u8, WireError> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(WireError::Depth) }
}

/// The key and the value of an entry as most senders write it: the key, the value and nothing else, each below 128 bytes.
#[inline]
fn split(entry: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x0a, len @ ..0x80, rest @ ..] = entry else { return None };
    let (key, rest) = rest.split_at_checked(usize::from(*len))?;
    match rest {
        [0x12, len @ ..0x80, value @ ..] if value.len() == usize::from(*len) => Some((key, value)),
        _ => None,
    }
}

/// The value in the bytes of an `AnyValue`.
#[inline]
fn value_of(message: &[u8], depth: u8) -> Result<ValueView<'_>, WireError> {
    match message {
        [0x0a, len @ ..0x80, bytes @ ..] if bytes.len() == usize::from(*len) => {
            Ok(ValueView::Str(text(bytes)?))
        }
        [0x18, number @ ..0x80] => Ok(ValueView::I64((*number).into())),
        [0x18, low @ 0x80..=0xff, high @ ..0x80] => {
            Ok(ValueView::I64(i64::from(low & 0x7f) | i64::from(*high) << 7))
        }
        _ => ValueView::Empty.merge(message, depth),
    }
}

fn entry_of(message: &[u8], depth: u8) -> Result<(&str, ValueView<'_>), WireError> {
    let (mut key, mut value): (&[u8], _) = (&[], ValueView::Empty);
    for field in Fields::new(message) {
        let field = field?;
        match field.number {
            1 => key = field.bytes()?,
            2 => value = value.merge(field.bytes()?, depth)?,
            _ => {}
        }
    }
    Ok((text(key)?, value))
}

/// Compares the key before the value is parsed: most entries have another key.
fn has_key(entry: &[u8], key: &str) -> bool {
    key_of(entry) == key.as_bytes()
}

/// The key of an entry, without parsing its value.
pub(crate) fn key_of(entry: &[u8]) -> &[u8] {
    let mut found: &[u8] = &[];
    for field in Fields::new(entry) {
        let Ok(field) = field else { break };
        if field.number == 1 {
            found = field.bytes().unwrap_or_default();
        }
    }
    found
}

// opentelemetry/proto/common/v1/common.proto and resource/v1/resource.proto
const ARRAY_VALUES: u32 = 1;
const KVLIST_VALUES: u32 = 1;
pub(super) const RESOURCE_ATTRIBUTES: u32 = 1;
pub(super) const SCOPE_NAME: u32 = 1;
pub(super) const SCOPE_VERSION: u32 = 2;
pub(super) const SCOPE_ATTRIBUTES: u32 = 3;
