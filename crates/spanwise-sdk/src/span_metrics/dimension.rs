//! The value of an attribute by which spans are counted.

use super::text::{cut, mix_bytes};
use spanwise_wire::OwnedValue;
use spanwise_wire::read::ValueView;

/// A value of a span's attribute. Floats compare by their bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DimensionValue<T> {
    Bool(bool),
    I64(i64),
    F64(u64),
    Text(T),
}

impl<'a> DimensionValue<&'a str> {
    /// `None` for lists, maps and bytes, which are no dimensions.
    pub(super) fn of_view(value: ValueView<'a>) -> Option<Self> {
        Some(match value {
            ValueView::Str(text) => Self::Text(cut(text, MAX_VALUE_BYTES)),
            ValueView::Bool(value) => Self::Bool(value),
            ValueView::I64(value) => Self::I64(value),
            ValueView::F64(value) => Self::F64(value.to_bits()),
            _ => return None,
        })
    }

    /// As [`of_view`](Self::of_view).
    pub(super) fn of_owned(value: &'a OwnedValue) -> Option<Self> {
        Some(match value {
            OwnedValue::Str(text) => Self::Text(cut(text, MAX_VALUE_BYTES)),
            OwnedValue::Bool(value) => Self::Bool(*value),
            OwnedValue::I64(value) => Self::I64(*value),
            OwnedValue::F64(value) => Self::F64(value.to_bits()),
            _ => return None,
        })
    }

    pub(super) fn hash(self, seed: u64) -> u64 {
        match self {
            Self::Bool(value) => mix_bytes(seed ^ 1, &[u8::from(value)]),
            Self::I64(value) => mix_bytes(seed ^ 2, &value.to_le_bytes()),
            Self::F64(bits) => mix_bytes(seed ^ 3, &bits.to_le_bytes()),
            Self::Text(text) => mix_bytes(seed ^ 4, text.as_bytes()),
        }
    }

    pub(super) fn to_owned(self) -> DimensionValue<Box<str>> {
        match self {
            Self::Bool(value) => DimensionValue::Bool(value),
            Self::I64(value) => DimensionValue::I64(value),
            Self::F64(bits) => DimensionValue::F64(bits),
            Self::Text(text) => DimensionValue::Text(text.into()),
        }
    }
}

impl DimensionValue<Box<str>> {
    pub(super) fn as_ref(&self) -> DimensionValue<&str> {
        match self {
            Self::Bool(value) => DimensionValue::Bool(*value),
            Self::I64(value) => DimensionValue::I64(*value),
            Self::F64(bits) => DimensionValue::F64(*bits),
            Self::Text(text) => DimensionValue::Text(text),
        }
    }

    pub(super) fn to_value(&self) -> OwnedValue {
        match self {
            Self::Bool(value) => OwnedValue::from(*value),
            Self::I64(value) => OwnedValue::from(*value),
            Self::F64(bits) => OwnedValue::from(f64::from_bits(*bits)),
            Self::Text(text) => OwnedValue::from(text.to_string()),
        }
    }
}

/// Bytes of a text at most; a longer one is cut.
pub(super) const MAX_VALUE_BYTES: usize = 128;
