//! Values that nearly all attributes have: numbers, booleans and short strings.

use super::raw::RawWriter;
use super::tags::{BOOL, DOUBLE, INT, STRING};
use super::varint::varint_len;
use crate::model::Value;

impl Value<'_> {
    /// Exact length of the `AnyValue` message of a value that [`put_short`](Self::put_short) can
    /// store; 128 or more of any other value.
    #[inline(always)]
    pub(super) fn short_len(&self) -> usize {
        match self {
            Self::Str(text) => text.len() + 2,
            Self::I64(value) => 1 + varint_len(*value as u64),
            Self::U64(value) if *value <= i64::MAX as u64 => 1 + varint_len(*value),
            Self::Bool(_) => 2,
            Self::F64(_) => 9,
            _ => 0x80,
        }
    }

    /// Stores the `AnyValue` message of a value whose lengths take one byte each.
    ///
    /// # Safety
    /// `writer` has space for [`short_len`](Self::short_len) bytes, which is below 128.
    #[inline(always)]
    pub(super) unsafe fn put_short(&self, writer: &mut RawWriter<'_>) {
        // SAFETY: each arm stores as many bytes as `short_len` returns; the last one nothing.
        unsafe {
            match self {
                Self::Str(text) => {
                    writer.array([STRING, text.len() as u8]);
                    writer.short_slice(text.as_bytes());
                }
                Self::I64(value) => {
                    writer.array([INT]);
                    writer.varint(*value as u64);
                }
                Self::U64(value) => {
                    writer.array([INT]);
                    writer.varint(*value);
                }
                Self::Bool(value) => writer.array([BOOL, u8::from(*value)]),
                Self::F64(value) => {
                    writer.array([DOUBLE]);
                    writer.array(value.to_le_bytes());
                }
                _ => {}
            }
        }
    }
}
