//! Cuts a redacted span to the limit of its bytes.

use spanwise_wire::read::{Field, FieldValue, Fields};
use spanwise_wire::write::{DroppedCounts, put_bytes, put_message, put_varint};

/// Writes the `Span` message `body` to `out`, without the attributes, events and links that do not fit in `limit` bytes. Returns their
/// counts, which are also added to those of the span.
///
/// A name that does not fit becomes `****`, and a status message that does not fit is left out. Masks and hashes are longer than short
/// values: only a span near its limit grows beyond it.
pub(super) fn fit(body: &[u8], limit: usize, out: &mut Vec<u8>) -> DroppedCounts {
    out.clear();
    // The counts of the limits of spans, which the span has already.
    let mut counts = [0_u32; 3];
    for (field, encoded) in fields(body) {
        match (field.number, field.value) {
            (ATTRIBUTE | EVENT | LINK, _) => {}
            (ATTRIBUTES_DROPPED, FieldValue::Varint(count)) => add(&mut counts, 0, count),
            (EVENTS_DROPPED, FieldValue::Varint(count)) => add(&mut counts, 1, count),
            (LINKS_DROPPED, FieldValue::Varint(count)) => add(&mut counts, 2, count),
            (NAME, _) if out.len() + encoded.len() > limit => {
                put_bytes(out, NAME_TAG, MASK.as_bytes());
            }
            (STATUS, FieldValue::Bytes(status)) if out.len() + encoded.len() > limit => {
                put_message(out, STATUS_TAG, |out| put_code(out, status));
            }
            _ => out.extend_from_slice(encoded),
        }
    }
    let mut dropped = [0_u32; 3];
    for (field, encoded) in fields(body) {
        let Some(kind) = [ATTRIBUTE, EVENT, LINK].iter().position(|it| *it == field.number) else {
            continue;
        };
        if out.len() + encoded.len() <= limit {
            out.extend_from_slice(encoded);
        } else {
            add(&mut dropped, kind, 1);
        }
    }
    let [attributes, events, links] = dropped;
    let all = counts.into_iter().zip(dropped).map(|(before, now)| before.saturating_add(now));
    for (count, tag) in all.zip(DROPPED_TAGS).filter(|(count, _)| *count > 0) {
        out.push(tag);
        put_varint(out, u64::from(count));
    }
    DroppedCounts { attributes, events, links, truncated_values: 0 }
}

/// The fields of a message, each with its encoding, up to the first one that is malformed.
fn fields(message: &[u8]) -> impl Iterator<Item = (Field<'_>, &[u8])> {
    let (mut fields, mut start) = (Fields::new(message), 0);
    std::iter::from_fn(move || {
        let field = fields.next()?.ok()?;
        let end = message.len() - fields.rest().len();
        let encoded = message.get(start..end)?;
        start = end;
        Some((field, encoded))
    })
}

/// The code of a `Status` message, without its text.
fn put_code(out: &mut Vec<u8>, status: &[u8]) {
    let code = fields(status).filter(|(field, _)| field.number == STATUS_CODE).last();
    out.extend_from_slice(code.map_or(&[], |(_, encoded)| encoded));
}

fn add(counts: &mut [u32; 3], index: usize, count: u64) {
    let Some(counter) = counts.get_mut(index) else { return };
    *counter = counter.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
}

// Fields of `Span` and `Status` (`opentelemetry/proto/trace/v1/trace.proto`).
const NAME: u32 = 5;
const ATTRIBUTE: u32 = 9;
const ATTRIBUTES_DROPPED: u32 = 10;
const EVENT: u32 = 11;
const EVENTS_DROPPED: u32 = 12;
const LINK: u32 = 13;
const LINKS_DROPPED: u32 = 14;
const STATUS: u32 = 15;
const STATUS_CODE: u32 = 3;
const NAME_TAG: u8 = 5 << 3 | 2;
const STATUS_TAG: u8 = 15 << 3 | 2;
const DROPPED_TAGS: [u8; 3] = [10 << 3, 12 << 3, 14 << 3];
const MASK: &str = "****";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use spanwise_wire::read::SpanView;
    use spanwise_wire::write::{SpanHeader, SpanWriter};
    use spanwise_wire::{SpanLimits, StatusCode};

    /// A span that the limit of attributes has cut by one.
    fn body() -> Vec<u8> {
        let limits = SpanLimits::default().with_attributes(4);
        let mut writer = SpanWriter::new();
        writer.begin(&limits, "checkout");
        for (index, length) in [10, 400, 10, 10, 1].into_iter().enumerate() {
            writer.attribute(&limits, &format!("key {index}"), &"x".repeat(length));
        }
        writer.event(&limits, 7, "declined", [("code", 3_i64)]);
        writer.status(&limits, StatusCode::Error, "no stock");
        writer.finish(&SpanHeader::default()).body().to_vec()
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_counted() {
        let (body, mut out) = (body(), Vec::new());
        let dropped = fit(&body, 200, &mut out);
        assert_eq!((dropped.attributes, dropped.events, dropped.links), (1, 0, 0));
        let span = SpanView::parse(&out).unwrap();
        assert_eq!(
            (span.name().unwrap(), span.status_message().unwrap()),
            ("checkout", "no stock")
        );
        assert_eq!(span.attributes().count(), 3);
        assert_eq!(span.events().count(), 1);
        assert_eq!(span.dropped_attributes_count(), 2);
    }

    #[test]
    fn without_a_byte_the_status_code_is_left() {
        let (body, mut out) = (body(), Vec::new());
        let dropped = fit(&body, 0, &mut out);
        assert_eq!((dropped.attributes, dropped.events), (4, 1));
        let span = SpanView::parse(&out).unwrap();
        assert_eq!((span.name().unwrap(), span.status_message().unwrap()), ("****", ""));
        assert_eq!((span.status_code(), span.attributes().count()), (2, 0));
        assert_eq!((span.dropped_attributes_count(), span.dropped_events_count()), (5, 1));
    }

    #[test]
    fn a_span_that_fits_stays() {
        let (body, mut out) = (body(), Vec::new());
        assert!(fit(&body, body.len(), &mut out).is_none());
        // The order of the fields is free.
        let [before, after] =
            [&body, &out].map(|span| fields(span).map(|it| it.1).collect::<Vec<_>>());
        assert!(before.len() == after.len() && before.iter().all(|it| after.contains(it)));
    }
}
