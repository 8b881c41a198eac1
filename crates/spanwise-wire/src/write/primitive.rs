//! `AnyValue` messages of the types that OTLP has itself.

use super::encode::EncodeValue;
use super::tags::{BOOL, BYTES, DOUBLE, INT, STRING};
use super::truncate::truncate;
use super::varint::{bytes_len, put_bytes, put_varint, varint_len};
use crate::model::Value;

impl EncodeValue for str {
    #[inline(always)]
    fn encoded_len(&self, max_chars: usize) -> usize {
        bytes_len(truncate(self, max_chars).len())
    }

    #[inline(always)]
    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        put_bytes(out, STRING, truncate(self, max_chars).as_bytes());
    }

    #[inline(always)]
    fn is_truncated(&self, max_chars: usize) -> bool {
        truncate(self, max_chars).len() < self.len()
    }

    #[inline(always)]
    fn as_value(&self) -> Option<Value<'_>> {
        Some(Value::Str(self))
    }
}

impl EncodeValue for bool {
    #[inline(always)]
    fn encoded_len(&self, _: usize) -> usize {
        2
    }

    #[inline(always)]
    fn encode(&self, _: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&[BOOL, u8::from(*self)]);
    }

    #[inline(always)]
    fn as_value(&self) -> Option<Value<'_>> {
        Some(Value::Bool(*self))
    }
}

impl EncodeValue for i64 {
    #[inline(always)]
    fn encoded_len(&self, _: usize) -> usize {
        1 + varint_len(*self as u64)
    }

    #[inline(always)]
    fn encode(&self, _: usize, out: &mut Vec<u8>) {
        out.push(INT);
        put_varint(out, *self as u64);
    }

    #[inline(always)]
    fn as_value(&self) -> Option<Value<'_>> {
        Some(Value::I64(*self))
    }
}

impl EncodeValue for f64 {
    #[inline(always)]
    fn encoded_len(&self, _: usize) -> usize {
        9
    }

    #[inline(always)]
    fn encode(&self, _: usize, out: &mut Vec<u8>) {
        out.push(DOUBLE);
        out.extend_from_slice(&self.to_le_bytes());
    }

    #[inline(always)]
    fn as_value(&self) -> Option<Value<'_>> {
        Some(Value::F64(*self))
    }
}

impl EncodeValue for [u8] {
    fn encoded_len(&self, max_chars: usize) -> usize {
        bytes_len(self.len().min(max_chars))
    }

    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        put_bytes(out, BYTES, self.get(..max_chars).unwrap_or(self));
    }

    fn is_truncated(&self, max_chars: usize) -> bool {
        self.len() > max_chars
    }
}
