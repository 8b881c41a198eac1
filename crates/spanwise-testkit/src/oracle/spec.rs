//! The contents of a span in the terms of the API, independent of any implementation.

use std::time::SystemTime;

use opentelemetry::trace::{Event, Link, SpanContext, SpanKind, Status};
use opentelemetry::{InstrumentationScope, KeyValue};

/// One span from start to end, ready for [`replay`](crate::replay).
#[derive(Debug, Clone)]
pub struct SpanSpec {
    /// The instrumentation scope; used by [`replay_on`](crate::replay_on).
    pub scope: InstrumentationScope,
    /// The parent, remote or local as its context states; `None` for a root span.
    pub parent: Option<SpanContext>,
    /// The name at the start.
    pub name: String,
    /// The kind at the start.
    pub kind: SpanKind,
    /// The start time.
    pub start: SystemTime,
    /// The end time.
    pub end: SystemTime,
    /// Set on the builder, before the span exists.
    pub at_start: Details,
    /// Added to the recording span.
    pub later: Details,
    /// Set on the recording span unless it is `Unset`.
    pub status: Status,
    /// The name set on the recording span, if it changes.
    pub new_name: Option<String>,
}

/// The repeated parts of a span, in order.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// Attributes; keys may repeat if the generator allows it.
    pub attributes: Vec<KeyValue>,
    /// Events with explicit times.
    pub events: Vec<Event>,
    /// Links.
    pub links: Vec<Link>,
}

impl SpanSpec {
    /// The name at the end.
    pub fn last_name(&self) -> &str {
        self.new_name.as_deref().unwrap_or(&self.name)
    }
}
