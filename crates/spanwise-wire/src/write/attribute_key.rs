//! [`AttributeKey`]: the key of an attribute, encoded once for many spans.

use super::key_filter::{Filter, KEY, VALUE};
use std::num::NonZeroU8;

/// The key of an attribute with its tags, and its place in the filter of keys.
///
/// [`SpanWriter::try_attribute_with`](super::SpanWriter::try_attribute_with) copies it with stores of fixed sizes.
#[derive(Debug, Clone, Copy)]
pub struct AttributeKey {
    /// Tag, length and text of the key, and the tag of the value.
    pub(super) bytes: [u8; Self::CAPACITY],
    /// At most [`Self::CAPACITY`].
    len: NonZeroU8,
    bit: u8,
}

impl AttributeKey {
    pub(super) const CAPACITY: usize = 32;

    /// The longest key, in bytes.
    pub const MAX_KEY: usize = Self::CAPACITY - 3;

    /// Encodes a key; `None` if it is empty or longer than [`MAX_KEY`](Self::MAX_KEY) bytes.
    pub fn new(key: &str) -> Option<Self> {
        let bit = u8::try_from(Filter::bit_of(key.as_bytes())?).ok()?;
        let mut bytes = [0; Self::CAPACITY];
        let (head, rest) = bytes.split_first_chunk_mut::<2>()?;
        let (text, rest) = rest.split_at_mut_checked(key.len())?;
        *head = [KEY, key.len() as u8];
        text.copy_from_slice(key.as_bytes());
        *rest.first_mut()? = VALUE;
        Some(Self { bytes, len: NonZeroU8::new(key.len() as u8 + 3)?, bit })
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        usize::from(self.len.get())
    }

    #[inline(always)]
    pub(super) fn bit(&self) -> usize {
        usize::from(self.bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SpanLimits;
    use crate::model::Value;
    use crate::write::SpanWriter;

    const VALUES: [Value<'_>; 6] = [
        Value::Str(""),
        Value::Str("GET"),
        Value::Str("/users/1234/orders?limit=10"),
        Value::I64(-7),
        Value::U64(300),
        Value::F64(0.5),
    ];

    fn keys() -> Vec<String> {
        (1..=AttributeKey::MAX_KEY)
            .map(|len| "key.of.any.length.between.the.bounds"[..len].into())
            .collect()
    }

    #[test]
    fn an_encoded_key_writes_the_same_bytes() {
        let limits = SpanLimits::default();
        let (mut by_name, mut encoded) = (SpanWriter::new(), SpanWriter::new());
        for value in VALUES {
            by_name.begin(&limits, "span");
            encoded.begin(&limits, "span");
            let mut fast = 0;
            for key in keys() {
                by_name.attribute(&limits, &key, &value);
                match encoded.try_attribute_with(&AttributeKey::new(&key).unwrap(), value) {
                    true => fast += 1,
                    false => encoded.attribute(&limits, &key, &value),
                }
            }
            let header = Default::default();
            assert_eq!(by_name.finish(&header).body(), encoded.finish(&header).body());
            // The first one makes the buffer grow, and few keys share a bit of the filter.
            assert!(fast > 20, "{fast}");
        }
    }

    #[test]
    fn a_key_that_is_present_is_not_written_again() {
        let limits = SpanLimits::default();
        let mut writer = SpanWriter::new();
        let key = AttributeKey::new("http.method").unwrap();
        writer.begin(&limits, "span");
        writer.attribute(&limits, "other", &Value::I64(1));
        assert!(writer.try_attribute_with(&key, Value::Str("GET")));
        assert!(!writer.try_attribute_with(&key, Value::Str("PUT")));
        writer.close_attributes();
        assert!(!writer.try_attribute_with(&AttributeKey::new("third").unwrap(), Value::I64(1)));
    }

    #[test]
    fn keys_without_an_encoding() {
        assert!(AttributeKey::new("").is_none());
        assert!(AttributeKey::new(&"k".repeat(AttributeKey::MAX_KEY)).is_some());
        assert!(AttributeKey::new(&"k".repeat(AttributeKey::MAX_KEY + 1)).is_none());
    }
}
