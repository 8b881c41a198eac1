//! Recent spans, without attributes.

use crate::json::Json;
use spanwise_sdk::{LiveSpan, SpanKind, StatusCode};

/// Writes the values of an array.
pub(super) fn write(json: &mut Json, spans: &[LiveSpan]) {
    for span in spans {
        json.object(|json| {
            json.key("trace_id").string(&span.trace_id.to_string());
            json.key("span_id").string(&span.span_id.to_string());
            json.key("parent_span_id");
            match span.parent_span_id.is_valid() {
                true => json.string(&span.parent_span_id.to_string()),
                false => json.null(),
            }
            json.key("name").string(&span.name);
            json.key("kind").string(kind(span.kind));
            json.key("status").string(status(span.status));
            json.key("scope").string(&span.scope);
            // Microseconds: JavaScript reads integers up to 2⁵³ exactly.
            json.key("start_unix_micros").integer(span.start_unix_nanos / 1000);
            json.key("duration_micros").number(span.duration_nanos as f64 / 1e3);
        });
    }
}

fn kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
        _ => "internal",
    }
}

fn status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::Ok => "ok",
        StatusCode::Error => "error",
        _ => "unset",
    }
}
