//! The key of a series: name, kind, status and attributes of spans.

use super::dimension::{DimensionValue, MAX_VALUE_BYTES};
use super::settings::MAX_DIMENSIONS;
use super::text::{MAX_NAME_BYTES, mix_bytes};
use spanwise_wire::{SpanKind, StatusCode};

/// The key of the spans that are counted together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SeriesKey {
    pub(super) name: Box<str>,
    pub(super) kind: SpanKind,
    pub(super) status: StatusCode,
    /// `None` for an attribute that the spans do not have.
    pub(super) dimensions: [Option<DimensionValue<Box<str>>>; MAX_DIMENSIONS],
}

/// The same, borrowed from a span.
pub(super) struct SpanKey<'a> {
    /// UTF-8 of at most [`MAX_NAME_BYTES`].
    pub(super) name: &'a [u8],
    pub(super) kind: SpanKind,
    pub(super) status: StatusCode,
    pub(super) dimensions: [Option<DimensionValue<&'a str>>; MAX_DIMENSIONS],
}

impl SpanKey<'_> {
    /// A hash by `seed`, which no other process knows.
    #[inline]
    pub(super) fn hash(&self, seed: u64, dimensions: usize) -> u64 {
        let mut hash = hash_by_name(seed, self.name, self.kind, self.status);
        for value in self.dimensions.iter().take(dimensions) {
            hash = value.map_or(!hash, |value| value.hash(hash));
        }
        hash
    }

    #[inline]
    pub(super) fn is(&self, key: &SeriesKey, dimensions: usize) -> bool {
        let same = |(mine, other): (&Option<DimensionValue<&str>>, &Option<DimensionValue<_>>)| {
            *mine == other.as_ref().map(DimensionValue::as_ref)
        };
        key.name.as_bytes() == self.name
            && (key.kind, key.status) == (self.kind, self.status)
            && self.dimensions.iter().zip(&key.dimensions).take(dimensions).all(same)
    }

    pub(super) fn to_owned(&self) -> SeriesKey {
        SeriesKey {
            // The writer's name is UTF-8, and `cut_name` cuts it between characters.
            name: String::from_utf8_lossy(self.name).into(),
            kind: self.kind,
            status: self.status,
            dimensions: self.dimensions.map(|value| value.map(DimensionValue::to_owned)),
        }
    }
}

/// The hash of a key without dimensions.
#[inline]
pub(super) fn hash_by_name(seed: u64, name: &[u8], kind: SpanKind, status: StatusCode) -> u64 {
    let numbers = u64::from(kind as u8) | u64::from(status as u8) << 8;
    mix_bytes(seed ^ numbers, name)
}

/// Bytes of the texts of a key at most.
pub(super) const MAX_TEXT_BYTES: usize = MAX_NAME_BYTES + MAX_DIMENSIONS * MAX_VALUE_BYTES;
