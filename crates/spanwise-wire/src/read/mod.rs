//! Reading OTLP bytes in place.
//!
//! Start at [`TraceRequest`] for a request, at [`SpanView::parse`] for one span, at
//! [`export_response`] for a response. Views borrow their bytes; the readers do not allocate, recurse or
//! panic, for any bytes.
//!
//! Two readings are simpler than protobuf's: a `Resource` or `InstrumentationScope` that occurs
//! twice in its group is not merged (the last one counts), and groups (wire types 3 and 4), which
//! proto3 does not write, are refused even in unknown fields.

mod fields;
mod point;
mod request;
mod response;
mod span;
mod value;

pub use fields::{Field, FieldValue, Fields, WireError};
pub use point::{EventView, LinkView};
pub use request::{ResourceSpans, ScopeSpans, Spans, TraceRequest};
pub use response::{ExportResponse, export_response};
pub use span::SpanView;
pub(crate) use value::key_of;
pub use value::{ArrayView, Attributes, KvListView, MAX_DEPTH, ValueView};
