//! The fields of a span that a [`SpanWriter`] has written so far.

use super::attributes::field_at;
use super::span::SpanWriter;
use crate::read::ValueView;

impl SpanWriter {
    /// The name so far, as UTF-8, before [`finish`](Self::finish); empty before the first span.
    #[inline]
    pub fn name(&self) -> &[u8] {
        field_at(&self.buf).map_or(&[], |(name, _)| name)
    }

    /// The value that the attribute `key` has so far, before [`finish`](Self::finish).
    ///
    /// # Cost
    /// One bit of a filter of keys; for a key that the span probably has, a pass over the bytes written so far.
    pub fn attribute_value(&self, key: &str) -> Option<ValueView<'_>> {
        ValueView::parse(self.attributes.value(&self.buf, super::span::ATTRIBUTE, key)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SpanLimits;

    #[test]
    fn name_and_attributes_are_read_before_the_end() {
        let limits = SpanLimits::default();
        let mut span = SpanWriter::new();
        assert_eq!((span.name(), span.attribute_value("a")), (b"".as_slice(), None));
        let long = "x".repeat(1_000);
        for name in ["", "op", &long] {
            span.begin(&limits, name);
            assert_eq!(span.name(), name.as_bytes());
            span.attribute(&limits, "a", &1);
            span.attribute(&limits, "text", long.as_str());
            span.event(&limits, 1, "event", [("in_event", 3)]);
            span.attribute(&limits, "a", &2);
            assert_eq!(span.attribute_value("a"), Some(ValueView::I64(2)));
            assert_eq!(span.attribute_value("text"), Some(ValueView::Str(&long)));
            assert_eq!((span.attribute_value("in_event"), span.attribute_value("b")), (None, None));
            span.rename("other");
            assert_eq!(span.name(), b"other");
            assert_eq!(span.attribute_value("a"), Some(ValueView::I64(2)));
        }
    }
}
