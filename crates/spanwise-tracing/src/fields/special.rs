//! The fields whose names have a meaning (`otel.*`), as in tracing-opentelemetry.

use opentelemetry::trace::Status;
use spanwise_sdk::__private::LayerSpan as _;
use spanwise_sdk::{Span, SpanKind, StatusCode};

pub(crate) const NAME: &str = "otel.name";
pub(crate) const KIND: &str = "otel.kind";
pub(crate) const STATUS_CODE: &str = "otel.status_code";
pub(crate) const STATUS_DESCRIPTION: &str = "otel.status_description";

/// Whether the name of a field begins as that of the special ones does.
#[inline(always)]
pub(crate) fn is_special(name: &str) -> bool {
    name.as_bytes().first_chunk() == Some(b"otel.")
}

/// Reads a kind without regard to case; another text is no kind.
pub(crate) fn parse_kind(text: &str) -> Option<SpanKind> {
    match text {
        "server" => Some(SpanKind::Server),
        "client" => Some(SpanKind::Client),
        "internal" => Some(SpanKind::Internal),
        "producer" => Some(SpanKind::Producer),
        "consumer" => Some(SpanKind::Consumer),
        _ => parse_kind_of_any_case(text),
    }
}

#[cold]
fn parse_kind_of_any_case(text: &str) -> Option<SpanKind> {
    let is = |name: &str| text.eq_ignore_ascii_case(name);
    match text.len() {
        6 if is("server") => Some(SpanKind::Server),
        6 if is("client") => Some(SpanKind::Client),
        8 if is("producer") => Some(SpanKind::Producer),
        8 if is("consumer") => Some(SpanKind::Consumer),
        8 if is("internal") => Some(SpanKind::Internal),
        _ => None,
    }
}

/// Reads a status code without regard to case; another text is "unset".
pub(crate) fn parse_status(text: &str) -> StatusCode {
    if text.eq_ignore_ascii_case("ok") {
        StatusCode::Ok
    } else if text.eq_ignore_ascii_case("error") {
        StatusCode::Error
    } else {
        StatusCode::Unset
    }
}

/// Sets the status of a span that has not started, by the rules of one that has: "ok" is final, and "unset" changes nothing.
pub(crate) fn set_status(status: &mut Status, new: Status) {
    if *status != Status::Ok && new != Status::Unset {
        *status = new;
    }
}

/// Sets the status of a started span to error. Without a description, one that is there stays.
pub(crate) fn set_error(span: &mut Span, description: &str) {
    if !description.is_empty() || span.status_code() == StatusCode::Unset {
        span.error(description);
    }
}

/// As [`set_error`], for a span that has not started.
pub(crate) fn set_error_status(status: &mut Status, description: &str) {
    if !description.is_empty() || *status == Status::Unset {
        set_status(status, Status::error(description.to_owned()));
    }
}
