//! A collection of attributes inside an unfinished message: last value wins, counted, bounded.

use super::check::is_any_value;
use super::encode::EncodeValue;
use super::raw::RawWriter;
use super::varint::{bytes_len, put_bytes, put_varint};
use crate::limits::SpanLimits;
use crate::model::Value;
use crate::read::{Field, FieldValue, Fields};
use std::ops::Range;

/// What is known of one collection while it is written.
///
/// Attribute keys must be unique (specification, *Attribute Collections*), and attributes are
/// written the moment they arrive, so a second value for a key has to find the first. A filter
/// answers "never seen" for nearly every new key; only where it cannot, the bytes written so far
/// are walked. They say where each attribute is, so that nothing else has to.
#[derive(Debug, Default)]
pub(crate) struct AttributeIndex {
    filter: Filter,
    /// Attributes present.
    count: u32,
    /// Where in the buffer the collection may start. From here on there are only
    /// length-delimited fields, this collection's among them.
    start: u32,
    /// Memory for one value that others' code writes. In here, so that the straight way has no
    /// further pointer to keep.
    scratch: Vec<u8>,
}

/// Where attributes go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Their key in the message they are fields of.
    pub(crate) tag: u8,
    /// The most there may be.
    pub(crate) most: u32,
}

/// What became of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is there as it came.
    Whole,
    /// It is there, cut to the length limit.
    Cut,
    /// There is no attribute to write, and so none is lost.
    Absent,
    /// It is not there: the count limit, the byte limit, an empty key, or a value that is not what
    /// it said.
    Dropped,
}

impl AttributeIndex {
    /// An empty collection whose first attribute is going to be written at `start` or behind.
    #[inline(always)]
    pub(crate) fn starting_at(start: usize) -> Self {
        Self { start: start as u32, ..Self::default() }
    }

    /// Forgets the collection for one that is going to be written at `start` or behind.
    #[inline(always)]
    pub(crate) fn restart_at(&mut self, start: usize) {
        (self.filter, self.count, self.start) = (Filter::default(), 0, start as u32);
    }

    /// Memory for values, to be passed on.
    #[inline(always)]
    pub(crate) fn scratch(&mut self) -> &mut Vec<u8> {
        &mut self.scratch
    }

    /// What stood in front of the collection has another length now.
    pub(crate) fn starts_at(&mut self, start: usize) {
        self.start = start as u32;
    }

    /// Bytes of memory held besides the buffer.
    pub(crate) fn scratch_capacity(&self) -> usize {
        self.scratch.capacity()
    }

    /// Appends the attribute as a field of the message that ends at the end of `buf`, or
    /// overwrites the value its key had.
    ///
    /// Straight through for what nearly all attributes are: a key not seen before, a number or a
    /// string that fits its limit, all lengths in a byte, and memory that is there already.
    #[inline(always)]
    pub(crate) fn put<V: EncodeValue + ?Sized>(
        &mut self,
        buf: &mut Vec<u8>,
        place: Place,
        limits: &SpanLimits,
        key: &str,
        value: &V,
    ) -> Put {
        let bit = Filter::bit_of(key.as_bytes());
        if let Some(short) = value.as_value()
            && let len = key.len() + short.short_len() + KEY_VALUE_OVERHEAD
            && len < 0x80
            && !short.is_longer_than(limits.value_chars)
            && !key.is_empty()
            && !self.filter.has(bit)
            && self.count < place.most
            && len + FIELD_OVERHEAD <= buf.capacity() - buf.len()
            && len + SLACK + buf.len() <= limits.buffer_bytes()
        {
            let mut room = RawWriter::there_is(buf, len + FIELD_OVERHEAD);
            // SAFETY: 2 bytes for the field, 2 + key for the key, 2 + value for the value:
            // `len + FIELD_OVERHEAD`, which the capacity has.
            unsafe {
                room.array([place.tag, len as u8, KEY, key.len() as u8]);
                room.slice(key.as_bytes());
                room.array([VALUE, short.short_len() as u8]);
                short.put_short(&mut room);
            }
            room.done();
            self.filter.add(bit);
            self.count += 1;
            return Put::Whole;
        }
        self.put_any(buf, place, limits, key, value)
    }

    /// As [`put`](Self::put), for every case.
    #[cold]
    #[inline(never)]
    fn put_any<V: EncodeValue + ?Sized>(
        &mut self,
        buf: &mut Vec<u8>,
        place: Place,
        limits: &SpanLimits,
        key: &str,
        value: &V,
    ) -> Put {
        let known = value.as_value();
        if matches!(known, Some(Value::Absent)) {
            return Put::Absent;
        }
        let bit = Filter::bit_of(key.as_bytes());
        let old = if self.filter.has(bit) { self.find(buf, place.tag, key) } else { None };
        if key.is_empty() || old.is_none() && self.count >= place.most {
            return Put::Dropped;
        }
        let chars = limits.value_chars;
        let room = room_for_value(buf, limits, key);
        // Written behind everything first: when it does not fit, the old value stands.
        let (kept, is_cut) = match known {
            Some(known) => {
                let is_cut = known.is_truncated(chars);
                (put_key_value(buf, place.tag, room, key, &Body::Known(known, chars)), is_cut)
            }
            None => match encode_apart(value, chars, room, &mut self.scratch) {
                Some(is_cut) => (
                    put_key_value(buf, place.tag, room, key, &Body::Encoded(&self.scratch)),
                    is_cut,
                ),
                None => (false, false),
            },
        };
        if !kept {
            return Put::Dropped;
        }
        match old {
            Some(old) => drop(buf.drain(old)),
            None => self.count += 1,
        }
        self.filter.add(bit);
        if is_cut { Put::Cut } else { Put::Whole }
    }

    /// Where the attribute with this key stands.
    fn find(&self, buf: &[u8], tag: u8, key: &str) -> Option<Range<usize>> {
        let mut start = self.start as usize;
        // All of it is ours, values apart; were it not, not finding the key would be harmless.
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
    fn bit_of(key: &[u8]) -> usize {
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
    fn has(&self, bit: usize) -> bool {
        self.0.get(bit / 64).is_none_or(|word| word >> (bit % 64) & 1 != 0)
    }

    #[inline(always)]
    fn add(&mut self, bit: usize) {
        if let Some(word) = self.0.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }

    const BITS: usize = 128;
}

/// Bytes that a value of `key` may have without the buffer growing beyond its bound.
fn room_for_value(buf: &[u8], limits: &SpanLimits, key: &str) -> usize {
    let overhead = key.len() + KEY_VALUE_OVERHEAD + SLACK;
    limits.buffer_bytes().saturating_sub(buf.len().saturating_add(overhead))
}

/// Has others' code write a value into `scratch`, which holds nothing else; says whether it is cut.
/// `None` when it is longer than `room` or not what it said.
///
/// The span's own buffer is never in others' hands: they could clear it, replace it, or change what
/// stands in it.
fn encode_apart<V: EncodeValue + ?Sized>(
    value: &V,
    max_chars: usize,
    room: usize,
    scratch: &mut Vec<u8>,
) -> Option<bool> {
    let len = value.encoded_len(max_chars);
    // Before a byte is written: this also bounds the memory of a value that keeps its word.
    if len > room {
        return None;
    }
    scratch.clear();
    value.encode(max_chars, scratch);
    let kept = scratch.len() == len && is_any_value(scratch);
    if scratch.capacity() > SCRATCH_BYTES.max(2 * len) {
        // More than the value has use for.
        scratch.shrink_to(len);
    }
    kept.then(|| value.is_truncated(max_chars))
}

/// A value that is right for sure.
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

/// Appends `tag, length, KeyValue { key, value }`. False, and nothing written, when the value takes
/// more than `room`.
fn put_key_value(buf: &mut Vec<u8>, tag: u8, room: usize, key: &str, value: &Body<'_>) -> bool {
    let value_len = value.len();
    if value_len > room {
        return false;
    }
    let len = bytes_len(key.len()) + bytes_len(value_len);
    // RawWriter for the attributes that follow, too.
    buf.reserve((len + SLACK).max(FIRST_BYTES.saturating_sub(buf.len())));
    buf.push(tag);
    put_varint(buf, len as u64);
    put_bytes(buf, KEY, key.as_bytes());
    buf.push(VALUE);
    put_varint(buf, value_len as u64);
    value.put(buf);
    true
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
/// What values that others write may keep for the next one, however short they are.
const SCRATCH_BYTES: usize = 1024;

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
            let bit = Filter::bit_of(key.as_bytes());
            assert!(bit < Filter::BITS);
            seen_before += u32::from(filter.has(bit));
            filter.add(bit);
            assert!(filter.has(bit));
        }
        assert!(seen_before <= 2, "{seen_before}");
    }
}
