//! [`LocalTrace`]: the spans of one trace that ended in this process, read in place.

use spanwise_wire::read::{Fields, SpanView, ValueView};
use spanwise_wire::{Chunk, SpanId, SpanKind, SpanMeta, StatusCode, TraceId};
use std::fmt;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

/// The spans of one trace that have ended in this process, for the decision of a
/// [`TailSampler`](crate::TailSampler). All data is borrowed from the encoded spans.
///
/// ```
/// use spanwise_export::{LocalTrace, TailSampling};
/// use std::time::Duration;
///
/// let _tail = TailSampling::new(|trace: &LocalTrace<'_>| {
///     let is_checkout = || trace.spans().any(|span| span.name() == "POST /checkout");
///     trace.has_error()
///         || trace.duration() > Duration::from_millis(500)
///         || is_checkout()
///         || trace.is_in_ratio(0.01)
/// });
/// ```
#[derive(Clone, Copy)]
pub struct LocalTrace<'a> {
    pub(crate) facts: TraceFacts,
    pub(crate) is_complete: bool,
    pub(crate) first_run: u32,
    pub(crate) runs: &'a dyn TraceRuns,
    pub(crate) resource: &'a [u8],
    pub(crate) scopes: &'a [Arc<[u8]>],
}

/// Neighbouring spans of one trace in one chunk.
pub(crate) struct TraceRun<'a> {
    pub(crate) chunk: &'a Chunk,
    pub(crate) metas: &'a [SpanMeta],
    /// The next run of the trace.
    pub(crate) next: u32,
}

/// The runs of all traces.
pub(crate) trait TraceRuns {
    fn run(&self, id: u32) -> Option<TraceRun<'_>>;
}

/// The facts about a trace that are known without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceFacts {
    pub(crate) trace_id: TraceId,
    /// Encoded bytes.
    pub(crate) bytes: u64,
    /// The earliest start and the latest end.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) spans: u32,
    /// A bit for each status code: 0 unset, 1 ok, 2 error.
    pub(crate) statuses: u8,
    pub(crate) has_sampled_flag: bool,
    pub(crate) has_local_root: bool,
}

impl TraceFacts {
    pub(crate) const NO_SPANS: Self = Self {
        trace_id: TraceId::INVALID,
        bytes: 0,
        start: u64::MAX,
        end: 0,
        spans: 0,
        statuses: 0,
        has_sampled_flag: false,
        has_local_root: false,
    };

    /// The facts of the first spans of `metas` that are of one trace, and their number.
    #[inline]
    pub(crate) fn of_run(metas: &[SpanMeta]) -> Option<Self> {
        let first = metas.first()?;
        let mut facts = Self { trace_id: first.trace_id, ..Self::NO_SPANS };
        for meta in metas.iter().take_while(|meta| meta.trace_id == first.trace_id) {
            facts.bytes += u64::from(meta.len);
            facts.start = facts.start.min(meta.start_unix_nanos);
            facts.end = facts.end.max(meta.start_unix_nanos.saturating_add(meta.duration_nanos));
            facts.spans += 1;
            facts.statuses |= 1 << (meta.status as u8);
            facts.has_sampled_flag |= meta.trace_flags().is_sampled();
            facts.has_local_root |= meta.is_local_root();
        }
        Some(facts)
    }

    /// Adds the facts of further spans.
    pub(crate) fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
        self.spans = self.spans.saturating_add(other.spans);
        self.statuses |= other.statuses;
        self.has_sampled_flag |= other.has_sampled_flag;
        self.has_local_root |= other.has_local_root;
    }
}

impl<'a> LocalTrace<'a> {
    /// The trace id.
    pub fn trace_id(&self) -> TraceId {
        self.facts.trace_id
    }

    /// Whether a local root has ended. Otherwise the wait was over, or memory was needed.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The spans, in the order in which the exporter drained them.
    pub fn spans(&self) -> LocalSpans<'a> {
        LocalSpans { trace: *self, chunk: None, metas: [].iter(), next: self.first_run }
    }

    /// Number of spans.
    pub fn span_count(&self) -> usize {
        self.facts.spans as usize
    }

    /// Encoded bytes of all spans.
    pub fn encoded_bytes(&self) -> u64 {
        self.facts.bytes
    }

    /// The local root: the first span in this process, which has no parent or a remote one. With several, the one
    /// that ended last.
    pub fn local_root(&self) -> Option<LocalSpan<'a>> {
        let has_root = self.facts.has_local_root;
        has_root.then(|| self.spans().filter(|span| span.meta.is_local_root()).last()).flatten()
    }

    /// Whether a span has the status `Error`.
    pub fn has_error(&self) -> bool {
        self.has_status(StatusCode::Error)
    }

    /// Whether a span has this status.
    pub fn has_status(&self, status: StatusCode) -> bool {
        self.facts.statuses & (1 << (status as u8)) != 0
    }

    /// Whether a span has the W3C flag "sampled": the head sampler sampled it.
    pub fn has_sampled_flag(&self) -> bool {
        self.facts.has_sampled_flag
    }

    /// The time from the earliest start to the latest end.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.facts.end.saturating_sub(self.facts.start))
    }

    /// The earliest start, nanoseconds since the Unix epoch.
    pub fn start_unix_nanos(&self) -> u64 {
        self.facts.start
    }

    /// The latest end, nanoseconds since the Unix epoch.
    pub fn end_unix_nanos(&self) -> u64 {
        self.facts.end
    }

    /// Whether the trace belongs to this part of all traces, 0 to 1, by the randomness of its id: every process that asks
    /// with the same ratio gets the same answer, and a larger ratio contains a smaller one.
    pub fn is_in_ratio(&self, ratio: f64) -> bool {
        let randomness = (self.facts.trace_id.0 & u128::from(MAX_RANDOMNESS)) as u64;
        let threshold = (1.0 - ratio.clamp(0.0, 1.0)) * (MAX_RANDOMNESS + 1) as f64;
        randomness as f64 >= threshold
    }
}

/// The spans of a [`LocalTrace`].
pub struct LocalSpans<'a> {
    trace: LocalTrace<'a>,
    chunk: Option<&'a Chunk>,
    metas: slice::Iter<'a, SpanMeta>,
    next: u32,
}

impl<'a> Iterator for LocalSpans<'a> {
    type Item = LocalSpan<'a>;

    fn next(&mut self) -> Option<LocalSpan<'a>> {
        let LocalTrace { resource, scopes, .. } = self.trace;
        loop {
            if let (Some(chunk), Some(meta)) = (self.chunk, self.metas.next()) {
                let scope = scopes.get(meta.scope as usize).map_or(&[][..], |scope| scope);
                return Some(LocalSpan { meta, field: chunk.field(meta), resource, scope });
            }
            let run = self.trace.runs.run(self.next)?;
            (self.chunk, self.metas, self.next) = (Some(run.chunk), run.metas.iter(), run.next);
        }
    }
}

/// An ended span of a [`LocalTrace`].
///
/// # Cost
/// Ids, times, kind and status are beside the span's bytes. A method that reads the bytes walks over the span.
#[derive(Clone, Copy)]
pub struct LocalSpan<'a> {
    meta: &'a SpanMeta,
    field: &'a [u8],
    resource: &'a [u8],
    scope: &'a [u8],
}

impl<'a> LocalSpan<'a> {
    /// The span id.
    pub fn span_id(&self) -> SpanId {
        self.meta.span_id
    }

    /// The parent's span id; invalid for a root.
    pub fn parent_span_id(&self) -> SpanId {
        self.meta.parent_span_id
    }

    /// Whether it has no parent or a remote one.
    pub fn is_local_root(&self) -> bool {
        self.meta.is_local_root()
    }

    /// The kind.
    pub fn kind(&self) -> SpanKind {
        self.meta.kind
    }

    /// The status code.
    pub fn status(&self) -> StatusCode {
        self.meta.status
    }

    /// The time from its start to its end.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.meta.duration_nanos)
    }

    /// Whether the head sampler sampled it.
    pub fn has_sampled_flag(&self) -> bool {
        self.meta.trace_flags().is_sampled()
    }

    /// The name.
    pub fn name(&self) -> &'a str {
        self.view().and_then(|view| view.name().ok()).unwrap_or_default()
    }

    /// The value of an attribute.
    pub fn attribute(&self, key: &str) -> Option<ValueView<'a>> {
        self.view()?.attribute(key)
    }

    /// The attributes.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, ValueView<'a>)> + use<'a> {
        self.view().into_iter().flat_map(|view| view.attributes()).filter_map(Result::ok)
    }

    /// All fields of the span, with those of its resource and its scope.
    pub fn view(&self) -> Option<SpanView<'a>> {
        let span = message(self.field, SPANS)?;
        let resource = message(self.resource, RESOURCE).unwrap_or_default();
        let scope = message(self.scope, SCOPE).unwrap_or_default();
        SpanView::of(span, resource, scope).ok()
    }
}

/// The message in the first field with this number.
fn message(fields: &[u8], number: u32) -> Option<&[u8]> {
    let field = Fields::new(fields).map_while(Result::ok).find(|field| field.number == number)?;
    field.bytes().ok()
}

/// Prints numbers alone: spans contain the program's data.
impl fmt::Debug for LocalTrace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalTrace")
            .field("spans", &self.facts.spans)
            .field("is_complete", &self.is_complete)
            .finish_non_exhaustive()
    }
}

/// As [`LocalTrace`].
impl fmt::Debug for LocalSpan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSpan").field("bytes", &self.field.len()).finish_non_exhaustive()
    }
}

/// As [`LocalTrace`].
impl fmt::Debug for LocalSpans<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSpans").field("trace", &self.trace).finish_non_exhaustive()
    }
}

/// The low 56 bits of a trace id are random.
const MAX_RANDOMNESS: u64 = (1 << 56) - 1;
// opentelemetry/proto/trace/v1/trace.proto
const SPANS: u32 = 2;
const RESOURCE: u32 = 1;
const SCOPE: u32 = 1;
