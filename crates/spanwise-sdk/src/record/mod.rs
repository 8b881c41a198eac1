//! The record of a span: attributes, events and links, written to their OTLP bytes as they are set.

mod api;
mod cache;
mod measured;
#[expect(clippy::module_inception, reason = "the record itself, beside what leads to it")]
mod record;
mod record_context;
mod restarted;
mod span;
mod span_start;

pub(crate) use cache::{allocated_records, warm_up};
pub(crate) use measured::MeasuredStart;
pub use span::Span;
pub(crate) use span_start::{SpanIds, SpanStart, SpanTraceState};
