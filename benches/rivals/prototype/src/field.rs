//! Fields of protobuf, written in place.

use crate::buffer::Buffer;

/// Appends `KeyValue { key, value: AnyValue::string }` as the field `tag`.
#[inline(always)]
pub fn text(buffer: &mut Buffer, tag: u8, key: &'static str, value: &str) {
    let (key_len, len) = (key.len(), value.len());
    let at = buffer.reserve(key_len + len + SLACK);
    // SAFETY: the reservation covers every byte that is stored.
    unsafe {
        let next = if key_len + len + 6 < 128 {
            at.cast::<[u8; 4]>().write([tag, (key_len + len + 6) as u8, KEY, key_len as u8]);
            at.add(4).copy_from_nonoverlapping(key.as_ptr(), key_len);
            let at = at.add(4 + key_len);
            at.cast::<[u8; 4]>().write([VALUE, (len + 2) as u8, STRING, len as u8]);
            copy(value, at.add(4));
            at.add(4 + len)
        } else {
            long_text(at, tag, key, value)
        };
        buffer.advance_to(next);
    }
}

/// Appends `KeyValue { key, value: AnyValue::int }` as the field `tag`.
#[inline(always)]
pub fn int(buffer: &mut Buffer, tag: u8, key: &'static str, value: i64) {
    let key_len = key.len();
    // Keys are literals of the workloads.
    assert!(key_len < 100);
    let at = buffer.reserve(key_len + SLACK);
    let value = value as u64;
    // SAFETY: the reservation covers every byte that is stored.
    unsafe {
        let len = varint_len(value);
        at.cast::<[u8; 4]>().write([tag, (key_len + len + 5) as u8, KEY, key_len as u8]);
        at.add(4).copy_from_nonoverlapping(key.as_ptr(), key_len);
        let at = at.add(4 + key_len);
        at.cast::<[u8; 3]>().write([VALUE, (len + 1) as u8, INT]);
        let next = varint(at.add(3), value);
        buffer.advance_to(next);
    }
}

/// Stores a varint and returns the place after it.
///
/// # Safety
/// Ten bytes from `at` may be written.
#[inline(always)]
pub unsafe fn varint(mut at: *mut u8, mut value: u64) -> *mut u8 {
    // SAFETY: 64 bits take at most ten steps of seven.
    unsafe {
        while value >= 0x80 {
            at.write(value as u8 | 0x80);
            value >>= 7;
            at = at.add(1);
        }
        at.write(value as u8);
        at.add(1)
    }
}

/// The bytes of a varint.
#[inline(always)]
pub const fn varint_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    // Exact for all 64 lengths, without a division.
    (bits * 9 + 64) / 64
}

/// Copies a short text without a call; blocks overlap instead of counting down.
///
/// # Safety
/// `text.len()` bytes from `to` may be written and do not overlap with `text`.
#[inline(always)]
pub unsafe fn copy(text: &str, to: *mut u8) {
    let (from, len) = (text.as_ptr(), text.len());
    // SAFETY: each block ends at or before `len`, in both places.
    unsafe {
        match len {
            0 => {}
            1..=3 => {
                to.write(from.read());
                to.add(len / 2).write(from.add(len / 2).read());
                to.add(len - 1).write(from.add(len - 1).read());
            }
            4..=7 => ends::<4>(from, to, len),
            8..=15 => ends::<8>(from, to, len),
            16..=32 => ends::<16>(from, to, len),
            33..=64 => ends::<32>(from, to, len),
            _ => to.copy_from_nonoverlapping(from, len),
        }
    }
}

/// The first and the last `N` bytes, which cover up to twice as many.
#[inline(always)]
unsafe fn ends<const N: usize>(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's length is at least `N`.
    unsafe {
        let (first, last) =
            (from.cast::<[u8; N]>().read(), from.add(len - N).cast::<[u8; N]>().read());
        to.cast::<[u8; N]>().write(first);
        to.add(len - N).cast::<[u8; N]>().write(last);
    }
}

#[cold]
#[inline(never)]
unsafe fn long_text(at: *mut u8, tag: u8, key: &str, value: &str) -> *mut u8 {
    let delimited = |len: usize| 1 + varint_len(len as u64) + len;
    let any = delimited(value.len());
    // SAFETY: the caller reserved the texts and 24 bytes: no length has more than five.
    unsafe {
        at.write(tag);
        let at = varint(at.add(1), (delimited(key.len()) + delimited(any)) as u64);
        let at = bytes(at, KEY, key);
        at.write(VALUE);
        let at = varint(at.add(1), any as u64);
        bytes(at, STRING, value)
    }
}

unsafe fn bytes(at: *mut u8, tag: u8, text: &str) -> *mut u8 {
    // SAFETY: as in `long_text`, the only caller.
    unsafe {
        at.write(tag);
        let at = varint(at.add(1), text.len() as u64);
        at.copy_from_nonoverlapping(text.as_ptr(), text.len());
        at.add(text.len())
    }
}

/// Bytes that one step copies at the end of a span.
pub const BLOCK: usize = 32;
/// Tags and lengths of a field, at most 24, and a block beyond its last byte.
pub const SLACK: usize = 24 + BLOCK;
/// `KeyValue.key`, `KeyValue.value`.
const KEY: u8 = 0x0a;
const VALUE: u8 = 0x12;
/// `AnyValue.string_value`, `AnyValue.int_value`.
const STRING: u8 = 0x0a;
const INT: u8 = 0x18;
