//! [`ReadableSpan`]: an ended span, as processors read it.

use spanwise_wire::read::{
    Attributes, EventView, LinkView, ScopeSpans, SpanView, ValueView, WireError,
};
use spanwise_wire::write::{FinishedSpan, SpanHeader};
use spanwise_wire::{SpanId, SpanKind, SpanMeta, StatusCode, TraceFlags, TraceId};
use std::fmt;

/// An ended span that a processor reads in place (specification, *Readable span*).
///
/// # Cost
/// The methods allocate nothing. Each value is read from the span's encoding; attributes, events and links
/// take a pass over it.
#[derive(Clone, Copy)]
pub struct ReadableSpan<'a> {
    header: &'a SpanHeader,
    meta: &'a SpanMeta,
    span: FinishedSpan<'a>,
    /// The fields outside of the header.
    fields: SpanView<'a>,
    scope: &'a [u8],
}

impl<'a> ReadableSpan<'a> {
    /// `None` for a malformed span, which the writer does not write.
    pub(crate) fn new(
        header: &'a SpanHeader,
        meta: &'a SpanMeta,
        span: FinishedSpan<'a>,
        scope: &'a [u8],
    ) -> Option<Self> {
        let fields = SpanView::parse(span.body()).ok()?;
        Some(Self { header, meta, span, fields, scope })
    }

    /// The trace id.
    pub fn trace_id(&self) -> TraceId {
        self.header.trace_id
    }

    /// The span id.
    pub fn span_id(&self) -> SpanId {
        self.header.span_id
    }

    /// The parent's span id; invalid for a root.
    pub fn parent_span_id(&self) -> SpanId {
        self.header.parent_span_id
    }

    /// Whether the parent is in another process.
    pub fn parent_is_remote(&self) -> bool {
        self.header.flags.is_remote() == Some(true)
    }

    /// The W3C trace flags.
    pub fn trace_flags(&self) -> TraceFlags {
        self.header.flags.trace_flags()
    }

    /// Whether the span is sampled, and so exported. False: the sampler decided to record it alone.
    pub fn is_sampled(&self) -> bool {
        self.trace_flags().is_sampled()
    }

    /// The W3C `tracestate` header; empty if there is none.
    pub fn trace_state(&self) -> &'a str {
        self.fields.trace_state().unwrap_or_default()
    }

    /// The name.
    pub fn name(&self) -> &'a str {
        self.fields.name().unwrap_or_default()
    }

    /// The kind.
    pub fn kind(&self) -> SpanKind {
        self.header.kind
    }

    /// The start time in nanoseconds since the Unix epoch.
    pub fn start_unix_nanos(&self) -> u64 {
        self.header.start_unix_nanos
    }

    /// The end time in nanoseconds since the Unix epoch, not before the start.
    pub fn end_unix_nanos(&self) -> u64 {
        self.header.end_unix_nanos
    }

    /// The status.
    pub fn status_code(&self) -> StatusCode {
        self.meta.status
    }

    /// The description of an error; empty if there is none.
    pub fn status_message(&self) -> &'a str {
        self.fields.status_message().unwrap_or_default()
    }

    /// The attributes, each key once, in the order in which their values were set.
    pub fn attributes(&self) -> Attributes<'a> {
        self.fields.attributes()
    }

    /// The value of the attribute `key`.
    pub fn attribute(&self, key: &str) -> Option<ValueView<'a>> {
        self.fields.attribute(key)
    }

    /// The events, in the order in which they were added.
    pub fn events(&self) -> impl Iterator<Item = Result<EventView<'a>, WireError>> + use<'a> {
        self.fields.events()
    }

    /// The links, in the order in which they were added.
    pub fn links(&self) -> impl Iterator<Item = Result<LinkView<'a>, WireError>> + use<'a> {
        self.fields.links()
    }

    /// Number of attributes that the span limits dropped.
    pub fn dropped_attributes_count(&self) -> u32 {
        self.fields.dropped_attributes_count()
    }

    /// Number of events that the span limits dropped.
    pub fn dropped_events_count(&self) -> u32 {
        self.fields.dropped_events_count()
    }

    /// Number of links that the span limits dropped.
    pub fn dropped_links_count(&self) -> u32 {
        self.fields.dropped_links_count()
    }

    /// The instrumentation scope, without spans; `None` once the provider has freed its scopes.
    pub fn scope(&self) -> Option<ScopeSpans<'a>> {
        (!self.scope.is_empty()).then(|| ScopeSpans::parse(self.scope).ok()).flatten()
    }

    /// The facts by which batching and tail sampling decide; `offset` and `len` are 0.
    pub fn meta(&self) -> &'a SpanMeta {
        self.meta
    }

    /// Length in bytes of the encoded `Span` message.
    pub fn encoded_len(&self) -> usize {
        self.span.encoded_len()
    }

    /// The OTLP `Span` message in a buffer of its own: the one copy that allocates.
    pub fn to_vec(&self) -> Vec<u8> {
        self.span.to_vec()
    }
}

/// Prints ids and the name, and no attribute, which may be a secret.
impl fmt::Debug for ReadableSpan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadableSpan")
            .field("trace_id", &self.trace_id())
            .field("span_id", &self.span_id())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
