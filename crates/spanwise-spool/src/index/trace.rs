//! The spans of one trace out of a request.

use spanwise_wire::read::{FieldValue, Fields, SpanView, WireError};
use spanwise_wire::write::put_bytes;

/// Appends to `out` the spans of `trace_id` in `request`, with their resources and scopes, and returns their
/// number: as [`extract_spans`].
///
/// # Errors
/// As [`extract_spans`].
pub fn extract_trace(
    request: &[u8],
    trace_id: [u8; 16],
    out: &mut Vec<u8>,
) -> Result<u64, WireError> {
    extract_spans(request, |span| span.trace_id() == Some(trace_id), out)
}

/// Appends to `out` the spans of `request` for which `is_wanted` returns true, with their resources and scopes, and
/// returns their number. The appended bytes are an `ExportTraceServiceRequest`, and so are those of several calls
/// together.
///
/// Fields of groups that OTLP does not define are left out.
///
/// # Errors
/// [`WireError`] if the framing of groups is malformed: the groups before that are appended. A malformed span is
/// left out.
pub fn extract_spans(
    request: &[u8],
    mut is_wanted: impl FnMut(&SpanView<'_>) -> bool,
    out: &mut Vec<u8>,
) -> Result<u64, WireError> {
    let mut found = 0;
    let (mut group, mut scope_group) = (Vec::new(), Vec::new());
    for resource_group in messages(request, REPEATED_RESOURCE_SPANS) {
        let resource_group = resource_group?;
        let resource = last_message(resource_group, 1)?.unwrap_or_default();
        group.clear();
        let before = found;
        for scope in messages(resource_group, REPEATED_SCOPE_SPANS) {
            let scope = scope?;
            scope_group.clear();
            let before = found;
            for span in messages(scope, REPEATED_SPANS) {
                let span = span?;
                if SpanView::of(span, resource, &[]).is_ok_and(|view| is_wanted(&view)) {
                    put_bytes(&mut scope_group, SECOND, span);
                    found += 1;
                }
            }
            if found > before {
                put_group(&mut group, SECOND, scope, &scope_group)?;
            }
        }
        if found > before {
            put_group(out, FIRST, resource_group, &group)?;
        }
    }
    Ok(found)
}

/// Appends `group` with its own fields 1 and 3, and `contents` in place of its field 2.
fn put_group(out: &mut Vec<u8>, tag: u8, group: &[u8], contents: &[u8]) -> Result<(), WireError> {
    let mut own = Vec::new();
    for (number, tag) in [(1, FIRST), (3, THIRD)] {
        if let Some(bytes) = last_message(group, number)? {
            put_bytes(&mut own, tag, bytes);
        }
    }
    own.extend_from_slice(contents);
    put_bytes(out, tag, &own);
    Ok(())
}

/// The last value of field `number`: the one that counts.
fn last_message(message: &[u8], number: u32) -> Result<Option<&[u8]>, WireError> {
    messages(message, number).last().transpose()
}

/// The values of field `number`, which has wire type 2.
fn messages(message: &[u8], number: u32) -> impl Iterator<Item = Result<&[u8], WireError>> {
    Fields::new(message).filter_map(move |field| match field {
        Ok(field) if field.number == number => Some(match field.value {
            FieldValue::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::Mismatch(number)),
        }),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}

// opentelemetry/proto/collector/trace/v1/trace_service.proto and trace/v1/trace.proto
const REPEATED_RESOURCE_SPANS: u32 = 1;
const REPEATED_SCOPE_SPANS: u32 = 2;
const REPEATED_SPANS: u32 = 2;
/// Keys of the fields 1, 2 and 3 with wire type 2.
const FIRST: u8 = 0x0a;
const SECOND: u8 = 0x12;
const THIRD: u8 = 0x1a;
