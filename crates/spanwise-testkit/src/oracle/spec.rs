//! What a span says, in the terms of the API and of no implementation.

use std::time::SystemTime;

use opentelemetry::trace::{Event, Link, SpanContext, SpanKind, Status};
use opentelemetry::{InstrumentationScope, KeyValue};

/// One span from start to end, ready for [`replay`](crate::replay).
#[derive(Debug, Clone)]
pub struct SpanSpec {
    /// Who makes the span; used by [`replay_on`](crate::replay_on).
    pub scope: InstrumentationScope,
    /// The parent, remote or local as its context says; `None` makes a root span.
    pub parent: Option<SpanContext>,
    /// The name at the start.
    pub name: String,
    /// The kind at the start.
    pub kind: SpanKind,
    /// When it begins.
    pub start: SystemTime,
    /// When it ends.
    pub end: SystemTime,
    /// Given to the builder, before the span exists.
    pub at_start: Details,
    /// Added to the living span.
    pub later: Details,
    /// Set on the living span unless it is `Unset`.
    pub status: Status,
    /// The name the living span is given, if it changes.
    pub new_name: Option<String>,
}

/// The repeated parts of a span, in order.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// Attributes; keys may repeat when the generator was told so.
    pub attributes: Vec<KeyValue>,
    /// Events with explicit times.
    pub events: Vec<Event>,
    /// Links.
    pub links: Vec<Link>,
}

impl SpanSpec {
    /// The name the span has in the end.
    pub fn last_name(&self) -> &str {
        self.new_name.as_deref().unwrap_or(&self.name)
    }
}
