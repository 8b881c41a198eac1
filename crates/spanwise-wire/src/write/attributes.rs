//! Attributes inside an unfinished message: unique keys, counted, bounded.

use super::attribute_key::AttributeKey;
use super::check::is_any_value;
use super::encode::EncodeValue;
use super::key_filter::{Filter, KEY, VALUE};
use super::raw::RawWriter;
use super::varint::{bytes_len, put_bytes, put_varint};
use crate::limits::SpanLimits;
use crate::model::Value;
use crate::read::{Field, FieldValue, Fields};
use std::ops::Range;

/// The index of an attribute collection while it is written.
///
/// Attribute keys must be unique (specification, *Attribute Collections*), and the writer encodes an
/// attribute at once, so a second value for a key has to find the first. A filter proves nearly every
/// new key to be new; for the others, a pass over the bytes written so far finds the attribute.
#[derive(Debug, Default)]
pub(crate) struct AttributeIndex {
    filter: Filter,
    /// Attributes that the count limit still allows.
    remaining: u32,
    /// The longest `KeyValue` that [`try_put`](Self::try_put) writes, in bytes. At most the length limit, so that
    /// no string in it is longer than that.
    max_fast_bytes: u32,
    /// The offset up to which the fast path appends: 0 if the collection is closed.
    fast_end: u32,
    /// An offset in front of the collection. From here on the buffer has only length-delimited fields,
    /// among them those of the collection.
    start: u32,
    /// Memory for one value that foreign code writes. A field of the index, so that the fast path passes
    /// no further pointer.
    scratch: Vec<u8>,
}

/// The field that attributes are written to, and its limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttributeField<'a> {
    /// The key of the field in its message.
    pub(crate) tag: u8,
    /// The maximum number of attributes.
    pub(crate) max: u32,
    pub(crate) limits: &'a SpanLimits,
}

/// The outcome of writing an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// The attribute is written unchanged.
    Whole,
    /// The attribute is written, and its value cut to the length limit.
    Cut,
    /// The value is absent: there is no attribute to write, and none is dropped.
    Absent,
    /// The attribute is dropped: the count limit, the byte limit, an empty key, or an invalid value.
    Dropped,
}

impl AttributeIndex {
    /// An empty collection, whose first attribute will be written at `start` or later.
    #[inline(always)]
    pub(crate) fn new(start: usize, field: AttributeField<'_>) -> Self {
        let mut index = Self::default();
        index.restart(start, field);
        index
    }

    /// Clears the index for another collection; the arguments are those of [`new`](Self::new).
    #[inline(always)]
    pub(crate) fn restart(&mut self, start: usize, field: AttributeField<'_>) {
        (self.filter, self.start, self.remaining) = (Filter::default(), start as u32, field.max);
        self.max_fast_bytes = field.limits.value_chars.min(SHORT_BYTES) as u32;
        self.fast_end = field.limits.buffer_bytes().saturating_sub(SLACK) as u32;
    }

    /// Ends the collection: [`try_put`](Self::try_put) fails from now on.
    #[inline(always)]
    pub(crate) fn close(&mut self) {
        self.fast_end = 0;
    }

    /// The memory for values, which another index can reuse.
    #[inline(always)]
    pub(crate) fn scratch(&mut self) -> &mut Vec<u8> {
        &mut self.scratch
    }

    /// Moves the start, after the bytes in front of the collection changed their length.
    pub(crate) fn starts_at(&mut self, start: usize) {
        self.start = start as u32;
    }

    /// Bytes of memory held besides the buffer.
    pub(crate) fn scratch_capacity(&self) -> usize {
        self.scratch.capacity()
    }

    /// Appends the attribute as a field with the key `tag` of the message that ends at the end of `buf`, if
    /// it is as nearly all attributes are: a new key, a number or a string within its limit, all lengths of
    /// one byte, and enough capacity. Returns false if nothing was written: [`put`](Self::put) decides then.
    ///
    /// The value and not a reference to it: a reference would force the caller to store it in memory.
    #[inline(always)]
    pub(crate) fn try_put(
        &mut self,
        buf: &mut Vec<u8>,
        tag: u8,
        key: &str,
        value: Value<'_>,
    ) -> bool {
        let Some(bit) = Filter::bit_of(key.as_bytes()) else { return false };
        let len = key.len() + value.short_len() + KEY_VALUE_OVERHEAD;
        let end = buf.len() + len + FIELD_OVERHEAD;
        if end > self.fast_end as usize
            || len > self.max_fast_bytes as usize
            || end > buf.capacity()
            || self.filter.has(bit)
            || self.remaining == 0
        {
            return false;
        }
        let mut writer = RawWriter::in_spare_capacity(buf, len + FIELD_OVERHEAD);
        // SAFETY: 2 bytes for the field, 2 + key for the key, 2 + value for the value:
        // `len + FIELD_OVERHEAD`, which the capacity has.
        unsafe {
            writer.array([tag, len as u8, KEY, key.len() as u8]);
            writer.short_slice(key.as_bytes());
            writer.array([VALUE, value.short_len() as u8]);
            value.put_short(&mut writer);
        }
        writer.done();
        self.filter.add(bit);
        self.remaining -= 1;
        true
    }

    /// As [`try_put`](Self::try_put), for a key that was encoded before.
    #[inline(always)]
    pub(crate) fn try_put_with(
        &mut self,
        buf: &mut Vec<u8>,
        tag: u8,
        key: &AttributeKey,
        value: Value<'_>,
    ) -> bool {
        let len = key.len() + 1 + value.short_len();
        let end = buf.len() + len + FIELD_OVERHEAD;
        if end > self.fast_end as usize
            || len > self.max_fast_bytes as usize
            || end + AttributeKey::CAPACITY > buf.capacity()
            || self.filter.has(key.bit())
            || self.remaining == 0
        {
            return false;
        }
        let space = len + FIELD_OVERHEAD + AttributeKey::CAPACITY;
        let mut writer = RawWriter::in_spare_capacity(buf, space);
        // SAFETY: 2 bytes for the field, the key, 1 + value for the value: `len + FIELD_OVERHEAD`, and less than
        // `CAPACITY` behind the key, which the capacity has.
        unsafe {
            writer.array([tag, len as u8]);
            writer.prefix(key.bytes, key.len());
            writer.array([value.short_len() as u8]);
            value.put_short(&mut writer);
        }
        writer.done();
        self.filter.add(key.bit());
        self.remaining -= 1;
        true
    }

    /// Appends any attribute, or overwrites the value its key had.
    #[cold]
    #[inline(never)]
    pub(crate) fn put<V: EncodeValue + ?Sized>(
        &mut self,
        buf: &mut Vec<u8>,
        field: AttributeField<'_>,
        key: &str,
        value: &V,
    ) -> Put {
        let known = value.as_value();
        if matches!(known, Some(Value::Absent)) {
            return Put::Absent;
        }
        let Some(bit) = Filter::bit_of(key.as_bytes()) else { return Put::Dropped };
        let old = if self.filter.has(bit) { self.find(buf, field.tag, key) } else { None };
        if old.is_none() && self.remaining == 0 {
            return Put::Dropped;
        }
        let chars = field.limits.value_chars;
        let max_len = space_for_value(buf, field.limits, key);
        // Appended first: if the new value does not fit, the old one stays.
        let (is_written, is_cut) = match known {
            Some(known) => {
                let is_cut = known.is_truncated(chars);
                (put_key_value(buf, field.tag, max_len, key, &Body::Known(known, chars)), is_cut)
            }
            None => match encode_apart(value, chars, max_len, &mut self.scratch) {
                Some(is_cut) => (
                    put_key_value(buf, field.tag, max_len, key, &Body::Encoded(&self.scratch)),
                    is_cut,
                ),
                None => (false, false),
            },
        };
        if !is_written {
            return Put::Dropped;
        }
        match old {
            Some(old) => drop(buf.drain(old)),
            None => self.remaining -= 1,
        }
        self.filter.add(bit);
        if is_cut { Put::Cut } else { Put::Whole }
    }

    /// The encoded `AnyValue` of the attribute with this key.
    pub(crate) fn value<'a>(&self, buf: &'a [u8], tag: u8, key: &str) -> Option<&'a [u8]> {
        if !self.filter.has(Filter::bit_of(key.as_bytes())?) {
            return None;
        }
        let (pair, _) = field_at(buf.get(self.find(buf, tag, key)?)?)?;
        let (_, key_len) = field_at(pair)?;
        field_at(pair.get(key_len..)?).map(|(value, _)| value)
    }

    /// The position of the attribute with this key.
    fn find(&self, buf: &[u8], tag: u8, key: &str) -> Option<Range<usize>> {
        let mut start = self.start as usize;
        // This crate wrote these fields; if they did not parse, the key would just not be found.
        while let Some((field, len)) = field_at(buf.get(start..)?) {
            if buf.get(start) == Some(&tag) && key_of(field) == key.as_bytes() {
                return Some(start..start + len);
            }
            start += len;
        }
        None
    }
}

/// The most bytes of a value of `key` that keep the buffer within its bound.
fn space_for_value(buf: &[u8], limits: &SpanLimits, key: &str) -> usize {
    let overhead = key.len() + KEY_VALUE_OVERHEAD + SLACK;
    limits.buffer_bytes().saturating_sub(buf.len().saturating_add(overhead))
}

/// Lets foreign code write a value into the empty `scratch`; returns whether the value is cut. `None`
/// if the value is longer than `max_len` or invalid.
///
/// Foreign code never gets the span's own buffer: it could clear it, replace it, or change its contents.
fn encode_apart<V: EncodeValue + ?Sized>(
    value: &V,
    max_chars: usize,
    max_len: usize,
    scratch: &mut Vec<u8>,
) -> Option<bool> {
    let len = value.encoded_len(max_chars);
    // Checked before a byte is written: this also bounds the memory of an honest value.
    if len > max_len {
        return None;
    }
    scratch.clear();
    value.encode(max_chars, scratch);
    let is_valid = scratch.len() == len && is_any_value(scratch);
    if scratch.capacity() > SCRATCH_BYTES.max(2 * len) {
        // More capacity than the value needs.
        scratch.shrink_to(len);
    }
    is_valid.then(|| value.is_truncated(max_chars))
}

/// A value that is known to be valid.
enum Body<'a> {
    /// With its length limit.
    Known(Value<'a>, usize),
    Encoded(&'a [u8]),
}

impl Body<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Known(value, max_chars) => value.encoded_len(*max_chars),
            Self::Encoded(bytes) => bytes.len(),
        }
    }

    fn put(&self, buf: &mut Vec<u8>) {
        match self {
            Self::Known(value, max_chars) => value.encode(*max_chars, buf),
            Self::Encoded(bytes) => buf.extend_from_slice(bytes),
        }
    }
}

/// Appends `tag, length, KeyValue { key, value }`. Returns `false` and writes nothing if the value takes
/// more than `max_len`.
fn put_key_value(buf: &mut Vec<u8>, tag: u8, max_len: usize, key: &str, value: &Body<'_>) -> bool {
    let value_len = value.len();
    if value_len > max_len {
        return false;
    }
    let len = bytes_len(key.len()) + bytes_len(value_len);
    // Reserves space for the following attributes, too.
    buf.reserve((len + SLACK).max(FIRST_BYTES.saturating_sub(buf.len())));
    buf.push(tag);
    put_varint(buf, len as u64);
    put_bytes(buf, KEY, key.as_bytes());
    buf.push(VALUE);
    put_varint(buf, value_len as u64);
    value.put(buf);
    true
}

/// The key of a `KeyValue`, which this crate writes first.
fn key_of(pair: &[u8]) -> &[u8] {
    field_at(pair).map_or(&[], |(key, _)| key)
}

/// Contents and whole length of the length-delimited field at the start of `bytes`.
#[inline(always)]
pub(super) fn field_at(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let &[_, len, ref rest @ ..] = bytes else { return None };
    if len < 0x80 {
        return Some((rest.get(..usize::from(len))?, usize::from(len) + 2));
    }
    let mut fields = Fields::new(bytes);
    match fields.next()? {
        Ok(Field { value: FieldValue::Bytes(contents), .. }) => {
            Some((contents, bytes.len() - fields.rest().len()))
        }
        _ => None,
    }
}

/// Tags and lengths of key and value, with lengths in a byte.
const KEY_VALUE_OVERHEAD: usize = 4;
/// Tag and length of the attribute itself, with the length in a byte.
const FIELD_OVERHEAD: usize = 2;
/// The most bytes of an attribute's tags and lengths beyond [`KEY_VALUE_OVERHEAD`].
const SLACK: usize = 16;
/// Messages of this length at most have a length of one byte.
const SHORT_BYTES: usize = 0x7f;
/// The initial capacity of a buffer.
const FIRST_BYTES: usize = 512;
/// Capacity that the memory for foreign values retains, even after short values.
const SCRATCH_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_distinguishes_the_keys_of_one_request() {
        let keys = "http.request.method url.scheme url.path http.route server.address server.port \
                    network.protocol.version client.address user_agent.original \
                    http.response.status_code db.system.name db.query.text db.collection.name \
                    db.response.returned_rows a b ab id user";
        let mut filter = Filter::default();
        let mut seen_before = 0;
        for key in keys.split_whitespace() {
            let bit = Filter::bit_of(key.as_bytes()).unwrap();
            assert!(bit < Filter::BITS);
            seen_before += u32::from(filter.has(bit));
            filter.add(bit);
            assert!(filter.has(bit));
        }
        assert!(seen_before <= 2, "{seen_before}");
    }
}
