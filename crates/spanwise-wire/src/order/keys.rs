//! Spans with their attributes sorted by key.

use crate::read::{Fields, WireError, key_of};
use std::ops::Range;

/// Memory for the attributes of a span, used for one span after the other.
#[derive(Default)]
pub(super) struct SortedKeys<'a> {
    /// The place of each attribute in its span, and its key.
    attributes: Vec<(Range<usize>, &'a [u8])>,
    /// The same places in wire order.
    places: Vec<Range<usize>>,
}

impl<'a> SortedKeys<'a> {
    /// Appends `spans`, fields of `ScopeSpans` one after the other, each with its attributes sorted by key.
    pub(super) fn write_spans(&mut self, spans: &'a [u8], out: &mut Vec<u8>) {
        let mut fields = Fields::new(spans);
        let mut rest = spans;
        while let Some(Ok(field)) = fields.next() {
            let (whole, behind) = rest.split_at(rest.len() - fields.rest().len());
            rest = behind;
            match field.bytes() {
                Ok(span) if self.find(span).is_ok_and(|is_sorted| !is_sorted) => {
                    out.extend_from_slice(
                        whole.get(..whole.len() - span.len()).unwrap_or_default(),
                    );
                    self.write(span, out);
                }
                _ => out.extend_from_slice(whole),
            }
        }
        out.extend_from_slice(rest);
    }

    /// Finds the attributes of a span. Returns whether they are sorted.
    fn find(&mut self, span: &'a [u8]) -> Result<bool, WireError> {
        self.attributes.clear();
        let mut fields = Fields::new(span);
        let (mut start, mut is_sorted, mut last): (_, _, &[u8]) = (0, true, &[]);
        while let Some(field) = fields.next() {
            let field = field?;
            let end = span.len() - fields.rest().len();
            if field.number == ATTRIBUTES {
                let key = key_of(field.bytes()?);
                is_sorted &= last <= key;
                last = key;
                self.attributes.push((start..end, key));
            }
            start = end;
        }
        Ok(is_sorted)
    }

    /// Appends a span whose attributes were found: the first place of an attribute gets the one with the first key.
    fn write(&mut self, span: &[u8], out: &mut Vec<u8>) {
        let slice = |range: &Range<usize>| span.get(range.clone()).unwrap_or_default();
        self.places.clear();
        self.places.extend(self.attributes.iter().map(|(place, _)| place.clone()));
        // Stable: of two entries of one key the last one counts.
        self.attributes.sort_by_key(|(_, key)| *key);
        let mut start = 0;
        for (place, (attribute, _)) in self.places.iter().zip(&self.attributes) {
            out.extend_from_slice(slice(&(start..place.start)));
            out.extend_from_slice(slice(attribute));
            start = place.end;
        }
        out.extend_from_slice(slice(&(start..span.len())));
    }
}

/// `Span.attributes`.
const ATTRIBUTES: u32 = 9;
