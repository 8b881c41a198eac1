//! [`Ring`]: decoded spans within a bound of bytes.

use super::trace_choice::TraceChoice;
use crate::start::Scopes;
use spanwise_batch::{Budget, Charge};
use spanwise_wire::read::{ScopeSpans, SpanView};
use spanwise_wire::{Chunk, SpanId, SpanKind, SpanMeta, StatusCode, TraceId};
use spanwise_worker::sanitize;
use std::collections::VecDeque;
use std::sync::Arc;

/// An ended span as a live view shows it: without attributes, events and links, whose values may be secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveSpan {
    /// Trace id.
    pub trace_id: TraceId,
    /// Span id.
    pub span_id: SpanId,
    /// Span id of the parent; invalid for a root.
    pub parent_span_id: SpanId,
    /// Name, of at most 128 bytes without control characters.
    pub name: String,
    /// Kind.
    pub kind: SpanKind,
    /// Status code.
    pub status: StatusCode,
    /// The name of the instrumentation scope, of at most 128 bytes.
    pub scope: Arc<str>,
    /// Start, nanoseconds since the Unix epoch.
    pub start_unix_nanos: u64,
    /// Duration in nanoseconds.
    pub duration_nanos: u64,
}

/// The newest spans of the traces that are shown.
pub(super) struct Ring {
    spans: VecDeque<LiveSpan>,
    /// Bytes of `spans`, at most those of the charge.
    bytes: usize,
    choice: TraceChoice,
    /// The scope of the last span, which is often that of the next.
    scope: Option<(u32, Arc<str>)>,
    charge: Charge,
}

impl Ring {
    /// A ring whose memory `budget` has: 256 KiB, or a sixteenth of a small budget. `None`: it has none left.
    pub(super) fn charged(budget: &Budget) -> Option<Self> {
        let charge = budget.try_charge(MAX_BYTES.min(budget.limit() / 16))?;
        let (spans, choice) = (VecDeque::new(), TraceChoice::new());
        Some(Self { spans, bytes: 0, choice, scope: None, charge })
    }

    /// Adds the spans of the traces that are shown, in place of the oldest.
    pub(super) fn push(&mut self, chunk: &Chunk, scopes: &Scopes, now: u64) {
        for meta in chunk.metas() {
            if !self.choice.takes(meta.trace_id, now) {
                continue;
            }
            let Some(name) = name_of(chunk.field(meta)) else { continue };
            let scope = self.scope(meta.scope, scopes);
            self.push_span(span(meta, name, scope));
        }
    }

    /// The spans, the newest last.
    pub(super) fn list(&self) -> Vec<LiveSpan> {
        self.spans.iter().cloned().collect()
    }

    fn push_span(&mut self, span: LiveSpan) {
        self.bytes += bytes_of(&span);
        self.spans.push_back(span);
        while self.bytes > self.charge.bytes() || self.spans.len() > MAX_SPANS {
            let Some(oldest) = self.spans.pop_front() else { return };
            self.bytes -= bytes_of(&oldest);
        }
    }

    fn scope(&mut self, index: u32, scopes: &Scopes) -> Arc<str> {
        if let Some((last, name)) = &self.scope
            && *last == index
        {
            return name.clone();
        }
        let header = scopes.header(index).unwrap_or_default();
        let name = ScopeSpans::parse(&header).ok().and_then(|it| it.name().ok());
        let name: Arc<str> = sanitize(name.unwrap_or_default(), MAX_NAME_BYTES).into();
        self.scope = Some((index, name.clone()));
        name
    }
}

fn span(meta: &SpanMeta, name: String, scope: Arc<str>) -> LiveSpan {
    LiveSpan {
        trace_id: meta.trace_id,
        span_id: meta.span_id,
        parent_span_id: meta.parent_span_id,
        name,
        kind: meta.kind,
        status: meta.status,
        scope,
        start_unix_nanos: meta.start_unix_nanos,
        duration_nanos: meta.duration_nanos,
    }
}

/// The name of the span in a field of `ScopeSpans`: its tag, its length and its message.
fn name_of(field: &[u8]) -> Option<String> {
    let group = ScopeSpans::parse(field).ok()?;
    let view: SpanView<'_> = group.spans().next()?.ok()?;
    Some(sanitize(view.name().ok()?, MAX_NAME_BYTES))
}

/// Memory of a span. The scope counts in full, though spans share it.
fn bytes_of(span: &LiveSpan) -> usize {
    // A deque may have twice the space that it uses.
    2 * size_of::<LiveSpan>() + span.name.capacity() + span.scope.len()
}

const MAX_BYTES: usize = 256 << 10;
const MAX_SPANS: usize = 300;
const MAX_NAME_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;

    #[test]
    fn the_ring_stays_within_its_charge_and_returns_it() {
        let budget = Budget::new(1 << 20);
        let mut ring = Ring::charged(&budget).unwrap();
        assert_eq!(budget.charged(), 64 << 10);
        for number in 0..2000_u64 {
            let meta = SpanMeta { start_unix_nanos: number, ..SpanMeta::default() };
            ring.push_span(span(&meta, "x".repeat(128), "scope".into()));
            assert!(ring.bytes <= 64 << 10);
        }
        let list = ring.list();
        assert!(list.len() > 50, "{}", list.len());
        assert_eq!(list.last().unwrap().start_unix_nanos, 1999);
        drop(ring);
        assert_eq!(budget.charged(), 0);
    }

    #[test]
    fn a_full_budget_has_no_ring() {
        let budget = Budget::new(1 << 20);
        let _all = budget.try_charge(1 << 20).unwrap();
        assert!(Ring::charged(&budget).is_none());
    }
}
