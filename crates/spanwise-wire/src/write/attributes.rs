//! A collection of attributes inside an unfinished message: last value wins, counted, bounded.

use super::raw::Room;
use super::unfinished::Unfinished;
use super::value::EncodeValue;
use super::varint::{put_varint, varint_len};
use crate::limits::SpanLimits;
use crate::read::{Field, FieldValue, Fields};
use std::ops::Range;

/// What is known of one collection while it is written.
///
/// Attribute keys must be unique (specification, *Attribute Collections*), and attributes are
/// written the moment they arrive, so a second value for a key has to find the first. A filter
/// answers "never seen" for nearly every new key; only where it cannot, the bytes written so far
/// are walked. They say where each attribute is, so that nothing else has to.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct AttributeIndex {
    filter: Filter,
    /// Attributes present.
    count: u32,
    /// Where in the buffer the collection may start. From here on there are only
    /// length-delimited fields, this collection's among them.
    start: u32,
}

/// What became of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is there as it came.
    Whole,
    /// It is there, cut to the length limit.
    Cut,
    /// It is not there: the count limit, the byte limit, an empty key, or a value that broke its
    /// word about its length.
    Dropped,
}

impl AttributeIndex {
    /// An empty collection whose first attribute is going to be written at `start` or behind.
    #[inline(always)]
    pub(crate) fn starting_at(start: usize) -> Self {
        Self { filter: Filter::default(), count: 0, start: start as u32 }
    }

    /// What stood in front of the collection has another length now.
    pub(crate) fn starts_at(&mut self, start: usize) {
        self.start = start as u32;
    }

    /// Appends the attribute as field `tag` of the message that ends at the end of `buf`, or
    /// overwrites the value its key had. `count` attributes are the most there may be.
    ///
    /// Straight through for what nearly all attributes are: a key not seen before, a number or a
    /// string that fits its limit, all lengths in a byte, and memory that is there already.
    #[inline(always)]
    pub(crate) fn put<V: EncodeValue + ?Sized>(
        &mut self,
        buf: &mut Vec<u8>,
        tag: u8,
        limits: &SpanLimits,
        count: u32,
        key: &str,
        value: &V,
    ) -> Put {
        let scalar = value.as_scalar();
        let place = Filter::place_of(key.as_bytes());
        let len = key.len() + scalar.encoded_len() + KEY_VALUE_OVERHEAD;
        if len < 0x80
            && !scalar.is_longer_than(limits.value_chars)
            && !key.is_empty()
            && !self.filter.has(place)
            && self.count < count
            && len + FIELD_OVERHEAD <= buf.capacity() - buf.len()
            && len + SLACK + buf.len() <= limits.buffer_bytes()
        {
            let mut room = Room::there_is(buf, len + FIELD_OVERHEAD);
            // SAFETY: 2 bytes for the field, 2 + key for the key, 2 + value for the value:
            // `len + FIELD_OVERHEAD`, which the capacity has.
            unsafe {
                room.array([tag, len as u8, KEY, key.len() as u8]);
                room.slice(key.as_bytes());
                room.array([VALUE, scalar.encoded_len() as u8]);
                scalar.put(&mut room);
            }
            room.done();
            self.filter.add(place);
            self.count += 1;
            return Put::Whole;
        }
        self.put_any(buf, tag, limits, count, key, value)
    }

    /// As [`put`](Self::put), for every case.
    #[cold]
    #[inline(never)]
    fn put_any<V: EncodeValue + ?Sized>(
        &mut self,
        buf: &mut Vec<u8>,
        tag: u8,
        limits: &SpanLimits,
        count: u32,
        key: &str,
        value: &V,
    ) -> Put {
        let place = Filter::place_of(key.as_bytes());
        let old = if self.filter.has(place) { self.find(buf, tag, key) } else { None };
        if key.is_empty() || old.is_none() && self.count >= count {
            return Put::Dropped;
        }
        // Written behind everything first: when it does not fit, the old value stands.
        if !put_key_value(buf, tag, limits, key, value) {
            return Put::Dropped;
        }
        match old {
            Some(old) => drop(buf.drain(old)),
            None => self.count += 1,
        }
        self.filter.add(place);
        if value.is_truncated(limits.value_chars) { Put::Cut } else { Put::Whole }
    }

    /// Where the attribute with this key stands.
    fn find(&self, buf: &[u8], tag: u8, key: &str) -> Option<Range<usize>> {
        let mut start = self.start as usize;
        // We wrote all of it; were it something else, not finding the key would be harmless.
        while let Some((field, len)) = field_at(buf.get(start..)?) {
            if buf.get(start) == Some(&tag) && key_of(field) == key.as_bytes() {
                return Some(start..start + len);
            }
            start += len;
        }
        None
    }
}

/// A set of keys that can say "no" for sure.
#[derive(Debug, Default, Clone, Copy)]
struct Filter([u64; 2]);

impl Filter {
    /// The bit of a key. Mixes the length and the first and last eight bytes: enough to tell
    /// semantic convention keys apart, at the cost of one multiplication.
    #[inline(always)]
    fn place_of(key: &[u8]) -> usize {
        let len = key.len();
        let (first, last) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => match (key.first_chunk::<4>(), key.last_chunk::<4>()) {
                (Some(first), Some(last)) => {
                    (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)))
                }
                _ => key
                    .iter()
                    .fold((0, 0), |(first, last), &byte| (first << 8 | u64::from(byte), last)),
            },
        };
        let mixed =
            (first ^ last.rotate_left(23) ^ (len as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> (u64::BITS - Self::BITS.ilog2())) as usize
    }

    #[inline(always)]
    fn has(&self, place: usize) -> bool {
        self.0.get(place / 64).is_none_or(|word| word >> (place % 64) & 1 != 0)
    }

    #[inline(always)]
    fn add(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    const BITS: usize = 128;
}

/// Appends `tag, length, KeyValue { key, value }`. False, and nothing written, when the buffer
/// would grow beyond its bound, or when the value is not as long as it said.
fn put_key_value<V: EncodeValue + ?Sized>(
    buf: &mut Vec<u8>,
    tag: u8,
    limits: &SpanLimits,
    key: &str,
    value: &V,
) -> bool {
    let value_len = value.encoded_len(limits.value_chars);
    // Anybody's `EncodeValue` gives the length, so no sum with it may wrap.
    let least = (key.len() + KEY_VALUE_OVERHEAD).saturating_add(value_len);
    if least > limits.buffer_bytes().saturating_sub(buf.len() + SLACK) {
        return false;
    }
    let key_len = 1 + varint_len(key.len() as u64) + key.len();
    let len = key_len + 1 + varint_len(value_len as u64) + value_len;
    let mut unfinished = Unfinished::new(buf);
    let buf = unfinished.buf();
    // Room for the attributes that follow, too.
    buf.reserve((len + SLACK).max(FIRST_BYTES.saturating_sub(buf.len())));
    buf.push(tag);
    put_varint(buf, len as u64);
    buf.push(KEY);
    put_varint(buf, key.len() as u64);
    buf.extend_from_slice(key.as_bytes());
    buf.push(VALUE);
    put_varint(buf, value_len as u64);
    let end = buf.len() + value_len;
    value.encode(limits.value_chars, buf);
    let kept = buf.len() == end;
    if kept {
        unfinished.done();
    }
    kept
}

/// The key of a `KeyValue`, which we write first.
fn key_of(pair: &[u8]) -> &[u8] {
    field_at(pair).map_or(&[], |(key, _)| key)
}

/// Contents and whole length of the length-delimited field that `bytes` begin with.
#[inline(always)]
fn field_at(bytes: &[u8]) -> Option<(&[u8], usize)> {
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

/// Keys of `KeyValue`'s fields.
const KEY: u8 = 0x0a;
const VALUE: u8 = 0x12;

/// Tags and lengths of key and value, with lengths in a byte.
const KEY_VALUE_OVERHEAD: usize = 4;
/// Tag and length of the attribute itself, with the length in a byte.
const FIELD_OVERHEAD: usize = 2;
/// What an attribute's tags and lengths take at most beyond [`KEY_VALUE_OVERHEAD`].
const SLACK: usize = 16;
/// What a buffer gets when it needs memory.
const FIRST_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_tells_keys_of_one_request_apart() {
        let keys = "http.request.method url.scheme url.path http.route server.address server.port \
                    network.protocol.version client.address user_agent.original \
                    http.response.status_code db.system.name db.query.text db.collection.name \
                    db.response.returned_rows a b ab id user";
        let mut filter = Filter::default();
        let mut seen_before = 0;
        for key in keys.split_whitespace() {
            let place = Filter::place_of(key.as_bytes());
            assert!(place < Filter::BITS);
            seen_before += u32::from(filter.has(place));
            filter.add(place);
            assert!(filter.has(place));
        }
        assert!(seen_before <= 2, "{seen_before}");
    }
}
