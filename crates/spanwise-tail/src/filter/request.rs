//! Requests without some of their spans and events. All other fields are copied as they are.

use spanwise_wire::read::{FieldValue, Fields, SpanView, WireError};
use spanwise_wire::write::put_varint;

use super::{FilterError, FilteredRequest, SpanFilter};
use crate::span_facts::EncodedSpan;

impl SpanFilter {
    /// Leaves the spans and events of an `ExportTraceServiceRequest` message out for which a condition holds. A scope and a resource
    /// without spans are left out too, as by the Collector.
    ///
    /// # Errors
    /// The request cannot be read, or a condition with `error_mode: propagate` cannot be evaluated.
    pub fn filter_request(&self, request: &[u8]) -> Result<FilteredRequest, FilterError> {
        let mut filtered = FilteredRequest::default();
        let mut out = Vec::with_capacity(request.len());
        rewrite(request, &mut out, |number, resource_spans, out| {
            if number != RESOURCE_SPANS {
                return Ok(Part::Copied);
            }
            let resource = merged(resource_spans, RESOURCE)?;
            self.resource_spans(resource_spans, &resource, &mut filtered, out)
        })?;
        filtered.request = out;
        Ok(filtered)
    }

    fn resource_spans(
        &self,
        message: &[u8],
        resource: &[u8],
        filtered: &mut FilteredRequest,
        out: &mut Vec<u8>,
    ) -> Result<Part, FilterError> {
        let mut scopes = 0;
        rewrite(message, out, |number, scope_spans, out| {
            if number != SCOPE_SPANS {
                return Ok(Part::Copied);
            }
            let scope = merged(scope_spans, SCOPE)?;
            let mut spans = 0;
            rewrite(scope_spans, out, |number, span, out| {
                if number != SPANS {
                    return Ok(Part::Copied);
                }
                // Conditions about a span that cannot be read would not hold: it is refused instead.
                SpanView::of(span, resource, &scope)?;
                let part =
                    self.span(EncodedSpan { span, resource, scope: &scope }, filtered, out)?;
                spans += usize::from(part != Part::Dropped);
                Ok(part)
            })?;
            scopes += usize::from(spans > 0);
            Ok(if spans > 0 { Part::Rewritten } else { Part::Dropped })
        })?;
        Ok(if scopes > 0 { Part::Rewritten } else { Part::Dropped })
    }

    fn span(
        &self,
        encoded: EncodedSpan<'_>,
        filtered: &mut FilteredRequest,
        out: &mut Vec<u8>,
    ) -> Result<Part, FilterError> {
        let mut events = Vec::new();
        for group in &self.groups {
            if group.filter(encoded, &mut events, &mut filtered.failed_conditions)? {
                filtered.dropped_spans += 1;
                return Ok(Part::Dropped);
            }
        }
        if !events.contains(&true) {
            return Ok(Part::Copied);
        }
        let mut events = events.into_iter();
        rewrite(encoded.span, out, |number, _, _| {
            if number != EVENTS || events.next() != Some(true) {
                return Ok(Part::Copied);
            }
            filtered.dropped_events += 1;
            Ok(Part::Dropped)
        })?;
        Ok(Part::Rewritten)
    }
}

/// The outcome for a field that is a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Copied,
    Dropped,
    /// Its contents are those that were appended.
    Rewritten,
}

/// Appends a message whose inner messages `part` copies, drops or rewrites.
fn rewrite(
    message: &[u8],
    out: &mut Vec<u8>,
    mut part: impl FnMut(u32, &[u8], &mut Vec<u8>) -> Result<Part, FilterError>,
) -> Result<(), FilterError> {
    let mut fields = Fields::new(message);
    let mut start = 0;
    while let Some(field) = fields.next() {
        let field = field?;
        let end = message.len() - fields.rest().len();
        let mut inner = Vec::new();
        let part = match field.value {
            FieldValue::Bytes(bytes) => part(field.number, bytes, &mut inner)?,
            _ => Part::Copied,
        };
        match part {
            Part::Copied => out.extend_from_slice(message.get(start..end).unwrap_or_default()),
            Part::Dropped => {}
            Part::Rewritten => {
                put_varint(out, u64::from(field.number << 3 | 2));
                put_varint(out, inner.len() as u64);
                out.extend_from_slice(&inner);
            }
        }
        start = end;
    }
    Ok(())
}

/// The message in a field: several of them are one (protobuf, *Last One Wins*).
fn merged(message: &[u8], number: u32) -> Result<Vec<u8>, WireError> {
    let mut merged = Vec::new();
    for field in Fields::new(message) {
        let field = field?;
        if field.number == number {
            merged.extend_from_slice(field.bytes()?);
        }
    }
    Ok(merged)
}

const RESOURCE_SPANS: u32 = 1;
const RESOURCE: u32 = 1;
const SCOPE_SPANS: u32 = 2;
const SCOPE: u32 = 1;
const SPANS: u32 = 2;
const EVENTS: u32 = 11;
