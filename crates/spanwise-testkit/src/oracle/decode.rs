//! A strict decoder: prost, then the rules that prost does not check.

use std::collections::BTreeMap;
use std::fmt;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

use super::known_fields::{Message, Unknown, first_unknown};

/// Decodes as [`try_decode`], for tests that expect success.
///
/// # Panics
/// With the reason, if `body` is not strict OTLP.
#[track_caller]
#[expect(clippy::panic, reason = "a test with wrong bytes must fail")]
pub fn decode(body: &[u8]) -> ExportTraceServiceRequest {
    match try_decode(body) {
        Ok(request) => request,
        Err(reason) => panic!("{} bytes are not a strict OTLP trace request: {reason}", body.len()),
    }
}

/// Decodes an `ExportTraceServiceRequest` and rejects what a lenient reader would accept.
///
/// Beyond what prost rejects (truncation, wire types, UTF-8, depth): fields OTLP does not define,
/// ids that are not 16 or 8 bytes or are all zero, kinds and status codes without a name, and a
/// status message without an error.
///
/// # Errors
/// The first violation.
pub fn try_decode(body: &[u8]) -> Result<ExportTraceServiceRequest, NotStrict> {
    let request = ExportTraceServiceRequest::decode(body)
        .map_err(|error| NotStrict::Malformed(error.to_string()))?;
    match first_unknown(Message::Request, body) {
        Ok(None) => {}
        Ok(Some(Unknown { message, number })) => {
            return Err(NotStrict::UnknownField { message: format!("{message:?}"), number });
        }
        Err(error) => return Err(NotStrict::Malformed(error.to_string())),
    }
    for (index, span) in spans(&request).enumerate() {
        if let Some(what) = wrong_with(span) {
            return Err(NotStrict::Span { index, name: span.name.clone(), what });
        }
    }
    Ok(request)
}

/// Error of [`try_decode`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotStrict {
    /// Not the protobuf message; prost's own error message.
    Malformed(String),
    /// A field that OTLP does not define.
    UnknownField {
        /// The message that contains the field.
        message: String,
        /// The field number.
        number: u32,
    },
    /// A span that violates a rule of the format.
    Span {
        /// Its index among all spans of the request.
        index: usize,
        /// Its name.
        name: String,
        /// The violated rule.
        what: String,
    },
}

impl fmt::Display for NotStrict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(reason) => f.write_str(reason),
            Self::UnknownField { message, number } => write!(f, "{message} has no field {number}"),
            Self::Span { index, name, what } => write!(f, "span {index} ({name:?}): {what}"),
        }
    }
}

impl std::error::Error for NotStrict {}

/// Every span of a request, in the order of the bytes.
pub fn spans(request: &ExportTraceServiceRequest) -> impl Iterator<Item = &Span> {
    request
        .resource_spans
        .iter()
        .flat_map(|ResourceSpans { scope_spans, .. }| scope_spans)
        .flat_map(|ScopeSpans { spans, .. }| spans)
}

/// Attributes by key; an absent value reads as an `AnyValue` without one.
///
/// # Panics
/// If a key occurs twice, which OTLP forbids and a map would hide.
#[track_caller]
pub fn attributes_map(attributes: &[KeyValue]) -> BTreeMap<&str, AnyValue> {
    let mut map = BTreeMap::new();
    for KeyValue { key, value, .. } in attributes {
        let earlier = map.insert(key.as_str(), value.clone().unwrap_or_default());
        assert!(earlier.is_none(), "key {key:?} occurs twice");
    }
    map
}

fn wrong_with(span: &Span) -> Option<String> {
    let parent = Some(&span.parent_span_id).filter(|id| !id.is_empty());
    let wrong = wrong_id("trace id", &span.trace_id, 16)
        .or_else(|| wrong_id("span id", &span.span_id, 8))
        .or_else(|| wrong_id("parent span id", parent?, 8))
        .or_else(|| span.links.iter().find_map(wrong_with_link));
    if wrong.is_some() {
        return wrong;
    }
    if SpanKind::try_from(span.kind).is_err() {
        return Some(format!("kind {} has no name", span.kind));
    }
    let status = span.status.as_ref()?;
    match StatusCode::try_from(status.code) {
        Err(_) => Some(format!("status code {} has no name", status.code)),
        Ok(StatusCode::Error) => None,
        Ok(_) if status.message.is_empty() => None,
        Ok(code) => Some(format!("status {} with a message", code.as_str_name())),
    }
}

fn wrong_with_link(link: &Link) -> Option<String> {
    wrong_id("trace id of a link", &link.trace_id, 16)
        .or_else(|| wrong_id("span id of a link", &link.span_id, 8))
}

fn wrong_id(what: &str, id: &[u8], len: usize) -> Option<String> {
    if id.len() != len {
        return Some(format!("{what} of {} bytes instead of {len}", id.len()));
    }
    id.iter().all(|&byte| byte == 0).then(|| format!("{what} is all zero"))
}
