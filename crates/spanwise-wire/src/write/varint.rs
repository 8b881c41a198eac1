//! Base-128 varints and the tags in front of fields.

use super::unfinished::Unfinished;

/// Bytes that `value` takes as a varint: 1 to 10.
#[inline(always)]
pub const fn varint_len(value: u64) -> usize {
    // Seven bits a byte, and zero takes one: (bits + 6) / 7 without a division.
    let bits = 64 - (value | 1).leading_zeros() as usize;
    (bits * 9 + 64) / 64
}

/// Appends `value` as a varint.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length-delimited field: tag, length, bytes. `tag` is the one-byte key
/// (`number << 3 | 2`) of a field numbered below 16.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.reserve(1 + varint_len(bytes.len() as u64) + bytes.len());
    out.push(tag);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Bytes that [`put_bytes`] appends for `len` bytes. Saturates, because foreign code may return any
/// length.
pub(crate) const fn bytes_len(len: usize) -> usize {
    len.saturating_add(1 + varint_len(len as u64))
}

/// Appends a nested message whose length is known after `body` has written it.
///
/// One byte is reserved for the length. A message of 128 bytes or more is moved to make space for a
/// longer one: a short `memmove` instead of two passes over the contents. If `body` panics, the message
/// is removed. If `body` removes bytes in front of the message, no message is written.
#[inline]
pub fn put_message<R>(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut unfinished = Unfinished::new(out);
    let out = unfinished.buf();
    out.extend_from_slice(&[tag, 0]);
    let start = out.len();
    let result = body(out);
    let Some(len) = out.len().checked_sub(start) else {
        unfinished.done();
        return result;
    };
    let extra = varint_len(len as u64) - 1;
    if extra > 0 {
        out.resize(out.len() + extra, 0);
        out.copy_within(start..start + len, start + extra);
    }
    let mut value = len as u64;
    for byte in out.iter_mut().skip(start - 1).take(extra) {
        *byte = value as u8 | 0x80;
        value >>= 7;
    }
    if let Some(last) = out.get_mut(start - 1 + extra) {
        *last = value as u8;
    }
    unfinished.done();
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{FieldValue, Fields};

    #[test]
    fn varint_len_is_the_number_of_bytes_written() {
        for shift in 0..64 {
            for value in [(1u64 << shift) - 1, 1 << shift, (1 << shift) + 1] {
                let mut out = Vec::new();
                put_varint(&mut out, value);
                assert_eq!(out.len(), varint_len(value), "{value}");
            }
        }
        assert_eq!(varint_len(u64::MAX), 10);
    }

    #[test]
    fn messages_of_any_length_read_back() {
        for len in [0, 1, 127, 128, 300, 16_383, 16_384, 3_000_000] {
            let mut out = vec![7];
            put_message(&mut out, 0x12, |out| out.resize(out.len() + len, 0xab));
            let mut fields = Fields::new(&out[1..]);
            let field = fields.next().unwrap().unwrap();
            assert_eq!(field.number, 2);
            assert_eq!(field.value, FieldValue::Bytes(&vec![0xab; len]), "{len}");
            assert!(fields.next().is_none());
        }
    }
}
