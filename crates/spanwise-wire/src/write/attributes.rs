//! A collection of attributes inside an unfinished message: last value wins, counted, bounded.

use super::raw::Room;
use super::unfinished::Unfinished;
use super::value::{EncodeValue, STRING};
use super::varint::{put_varint, varint_len};
use crate::read::{Field, FieldValue, Fields};

/// Where each key of one collection stands in the buffer.
///
/// Attribute keys must be unique (specification, *Attribute Collections*), and attributes are
/// written the moment they arrive, so a second value for a key has to find the first. A 64-bit
/// filter answers "never seen" for nearly every new key without looking at any other.
#[derive(Debug, Default)]
pub(crate) struct AttributeIndex {
    /// Bit `fingerprint % 64` of every key that is present.
    filter: u64,
    /// One entry an attribute, in the order they stand in the buffer.
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    fingerprint: u32,
    /// Offset of the field's first byte in the buffer.
    at: u32,
}

/// What became of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is new.
    Added,
    /// It took the place of an earlier value.
    Replaced,
    /// It is not there: the count limit, the byte limit, an empty key, or a value that broke its
    /// word about its length.
    Dropped,
}

/// What bounds a collection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Attributes at most.
    pub(crate) count: u32,
    /// Characters of a string value at most.
    pub(crate) value_chars: usize,
    /// Length the whole buffer may reach.
    pub(crate) buffer_bytes: usize,
}

impl AttributeIndex {
    /// Forgets all keys; keeps the memory.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.filter = 0;
        self.entries.clear();
    }

    /// Moves all entries by `by` bytes, after something in front of them changed its length.
    pub(crate) fn shift(&mut self, by: i64) {
        for entry in &mut self.entries {
            entry.at = (i64::from(entry.at) + by) as u32;
        }
    }

    /// Bytes of memory held.
    pub(crate) fn capacity(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    /// Appends the attribute as field `tag` of the message that ends at the end of `buf`, or
    /// overwrites the value its key had.
    #[inline(always)]
    pub(crate) fn put<V: EncodeValue + ?Sized>(
        &mut self,
        buf: &mut Vec<u8>,
        tag: u8,
        bounds: &Bounds,
        key: &str,
        value: &V,
    ) -> Put {
        let fingerprint = fingerprint(key.as_bytes());
        let bit = 1u64 << (fingerprint & 63);
        if self.filter & bit != 0
            && let Some(found) = self.find(buf, fingerprint, key)
        {
            return self.replace(found, buf, tag, bounds, key, value);
        }
        if self.entries.len() >= bounds.count as usize || key.is_empty() {
            return Put::Dropped;
        }
        let at = buf.len();
        if !put_key_value(buf, tag, bounds, key, value) {
            return Put::Dropped;
        }
        self.filter |= bit;
        self.entries.push(Entry { fingerprint, at: at as u32 });
        Put::Added
    }

    /// The entry whose key is `key`. The fingerprint rules out nearly all others.
    fn find(&self, buf: &[u8], fingerprint: u32, key: &str) -> Option<usize> {
        self.entries.iter().position(|entry| {
            entry.fingerprint == fingerprint && key_at(buf, entry.at as usize) == key.as_bytes()
        })
    }

    /// Takes the old value out, puts the new one in its place at the end.
    #[cold]
    fn replace<V: EncodeValue + ?Sized>(
        &mut self,
        found: usize,
        buf: &mut Vec<u8>,
        tag: u8,
        bounds: &Bounds,
        key: &str,
        value: &V,
    ) -> Put {
        let end = buf.len();
        // Written behind everything first: when it does not fit, the old value stands.
        if !put_key_value(buf, tag, bounds, key, value) {
            return Put::Dropped;
        }
        let Some(old) = self.entries.get(found).copied() else { return Put::Dropped };
        let (_, removed) = field_at(buf, old.at as usize);
        let start = old.at as usize;
        buf.drain(start..start + removed);
        self.entries.remove(found);
        for entry in &mut self.entries {
            if entry.at > old.at {
                entry.at -= removed as u32;
            }
        }
        self.entries.push(Entry { fingerprint: old.fingerprint, at: (end - removed) as u32 });
        Put::Replaced
    }
}

/// Appends `tag, length, KeyValue { key, value }`. False, and nothing written, when the buffer
/// would grow beyond its bound, or when the value is not as long as it said.
#[inline(always)]
pub(crate) fn put_key_value<V: EncodeValue + ?Sized>(
    buf: &mut Vec<u8>,
    tag: u8,
    bounds: &Bounds,
    key: &str,
    value: &V,
) -> bool {
    if let Some(text) = value.as_text()
        && key.len() + text.len() + 6 < 0x80
        && text.len() <= bounds.value_chars
    {
        return put_short_text(buf, tag, bounds, key, text);
    }
    let value_len = value.encoded_len(bounds.value_chars);
    // 1 + 1 + key + 1 + 1 + value, with one-byte lengths. Anybody's `EncodeValue` gives the
    // length, so the sum must not wrap: a small one is what `Room` below relies on.
    let short = (key.len() + 4).saturating_add(value_len);
    if short > bounds.buffer_bytes.saturating_sub(buf.len() + SLACK) {
        return false;
    }
    let mut unfinished = Unfinished::new(buf);
    let buf = unfinished.buf();
    if short < 0x80 {
        let mut room = Room::new(buf, short + 2);
        // SAFETY: 4 + key + 2 bytes are stored; `short + 2` = key + value + 6 were reserved. The
        // value is appended by `encode` below, into capacity that is there already.
        unsafe {
            room.array([tag, short as u8, KEY, key.len() as u8]);
            room.slice(key.as_bytes());
            room.array([VALUE, value_len as u8]);
        }
        room.done();
    } else {
        put_long_key(buf, tag, key, value_len);
    }
    let end = buf.len() + value_len;
    value.encode(bounds.value_chars, buf);
    let kept = buf.len() == end;
    if kept {
        unfinished.done();
    }
    kept
}

/// What most attributes are: all lengths fit a byte, and nothing has to be cut.
#[inline(always)]
fn put_short_text(buf: &mut Vec<u8>, tag: u8, bounds: &Bounds, key: &str, text: &str) -> bool {
    let len = key.len() + text.len() + 6;
    if len + SLACK > bounds.buffer_bytes.saturating_sub(buf.len()) {
        return false;
    }
    let mut room = Room::new(buf, len + 2);
    // SAFETY: 4 + key + 4 + text bytes are stored: `len + 2`.
    unsafe {
        room.array([tag, len as u8, KEY, key.len() as u8]);
        room.slice(key.as_bytes());
        room.array([VALUE, text.len() as u8 + 2, STRING, text.len() as u8]);
        room.slice(text.as_bytes());
    }
    room.done();
    true
}

#[cold]
fn put_long_key(buf: &mut Vec<u8>, tag: u8, key: &str, value_len: usize) {
    let key_value_len =
        1 + varint_len(key.len() as u64) + key.len() + 1 + varint_len(value_len as u64) + value_len;
    buf.reserve(key_value_len + SLACK);
    buf.push(tag);
    put_varint(buf, key_value_len as u64);
    buf.push(KEY);
    put_varint(buf, key.len() as u64);
    buf.extend_from_slice(key.as_bytes());
    buf.push(VALUE);
    put_varint(buf, value_len as u64);
}

/// The key of the `KeyValue` field that starts at `at`.
fn key_at(buf: &[u8], at: usize) -> &[u8] {
    let (key_value, _) = field_at(buf, at);
    field_at(key_value, 0).0
}

/// Contents and whole length of the length-delimited field that starts at `at`. We wrote it, so
/// it is there; were it not, an empty answer is harmless.
fn field_at(buf: &[u8], at: usize) -> (&[u8], usize) {
    let from = buf.get(at..).unwrap_or_default();
    let mut fields = Fields::new(from);
    match fields.next() {
        Some(Ok(Field { value: FieldValue::Bytes(contents), .. })) => {
            (contents, from.len() - fields.rest().len())
        }
        _ => (&[], 0),
    }
}

/// Mixes the length and the first and last eight bytes: enough to tell semantic convention keys
/// apart, at the cost of one multiplication.
#[inline(always)]
pub(crate) fn fingerprint(key: &[u8]) -> u32 {
    let len = key.len();
    let (first, last) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => match (key.first_chunk::<4>(), key.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)))
            }
            _ => {
                key.iter().fold((0, 0), |(first, last), &byte| (first << 8 | u64::from(byte), last))
            }
        },
    };
    let mixed =
        (first ^ last.rotate_left(23) ^ (len as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32
}

/// Keys of `KeyValue`'s fields.
const KEY: u8 = 0x0a;
const VALUE: u8 = 0x12;

/// What lengths of more than one byte can add.
const SLACK: usize = 16;
