//! The parts of tracers and spans that `spanwise-tracing` needs beside the public API.

use crate::record::Span;
use crate::start::{Tracer, is_context_readable, is_suppressed, suppressed};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use spanwise_batch::Charge;
use spanwise_ledger::DropReason;
use spanwise_wire::write::{AttributeKey, EncodeValue};
use spanwise_wire::{SpanKind, StatusCode, Value};
use spanwise_worker::clock;
use std::mem;

/// Questions that `spanwise-tracing` asks a tracer.
pub trait LayerTracer {
    /// Whether a start runs code of Spanwise alone, and needs nothing but name, kind and parent: the sampler is one
    /// threshold or follows the parent, and no processor sees the start.
    fn starts_plainly(&self) -> bool;

    /// Starts a span of the kind `Internal` below `parent`; without a valid one it makes a new trace.
    fn start_below(&self, name: &str, parent: Option<&SpanContext>) -> Span;

    /// As [`start_below`](Self::start_below), below the current span of the API's context. If it has none, and `waits` returns true,
    /// no span starts. One look at the context.
    fn start_below_current(&self, name: &str, waits: impl FnOnce() -> bool) -> Option<Span>;

    /// Counts a span that cannot start, because too many are open or start inside of each other, as dropped.
    fn refuse_untracked(&self);

    /// Charges `bytes` to the byte budget of the provider, if they fit.
    fn try_charge(&self, bytes: usize) -> Option<Charge>;

    /// The most bytes of text that an attribute of a span can have.
    fn max_text_bytes(&self) -> usize;

    /// Decides again about `span`, which this tracer has started and whose context no other code has, below `parent` or as a root.
    /// The ledger counts each transition:
    ///
    /// - recorded before and after: once as created, with the result and the origin of the parent of the first decision;
    /// - recorded, then not sampled: once as created, and as sampled out;
    /// - sampled out or refused, then sampled: twice as created, once with each outcome, because no count falls.
    ///
    /// `name` is that of a span that was not recorded. Returns false and changes nothing if processors have seen the start.
    fn restart(&self, span: &mut Span, name: &str, parent: Option<&SpanContext>) -> bool;
}

impl LayerTracer for Tracer {
    #[inline(always)]
    fn starts_plainly(&self) -> bool {
        !self.core().has_observer() && self.core().sampler.is_fast()
    }

    #[inline(always)]
    fn start_below(&self, name: &str, parent: Option<&SpanContext>) -> Span {
        match is_suppressed() {
            true => suppressed(),
            false => start_internal(self, name, parent),
        }
    }

    #[inline(always)]
    fn start_below_current(&self, name: &str, waits: impl FnOnce() -> bool) -> Option<Span> {
        let root = || (!waits()).then(|| start_internal(self, name, None));
        if !is_context_readable() {
            return root();
        }
        // The borrow of the API's stack lasts for the start, which runs code of Spanwise alone.
        Context::map_current(|current| {
            if current.is_telemetry_suppressed() {
                Some(suppressed())
            } else if current.has_active_span() {
                Some(start_internal(self, name, Some(current.span().span_context())))
            } else {
                root()
            }
        })
    }

    fn refuse_untracked(&self) {
        self.core().ledger.dropped_at_start(DropReason::TooManyOpenSpans);
    }

    fn try_charge(&self, bytes: usize) -> Option<Charge> {
        self.core().budget().try_charge(bytes)
    }

    fn max_text_bytes(&self) -> usize {
        self.core().limits.load().span_bytes
    }

    fn restart(&self, span: &mut Span, name: &str, parent: Option<&SpanContext>) -> bool {
        Tracer::restart(self, span, name, parent)
    }
}

/// One function for all callsites: the name of a span of `tracing` is no constant, so that inlining it saves nothing.
#[inline(never)]
fn start_internal(tracer: &Tracer, name: &str, parent: Option<&SpanContext>) -> Span {
    tracer.start_unsuppressed(name, SpanKind::Internal, parent)
}

/// Operations of `spanwise-tracing` on a span.
pub trait LayerSpan {
    /// Adds an event now, with attributes that no slice has.
    fn event_with<'k, V: EncodeValue>(
        &mut self,
        name: &str,
        attributes: impl IntoIterator<Item = (&'k str, V)>,
    );

    /// Sets an attribute, if the span is recording, its key is new and its value short. Returns false for any other, which it does not
    /// set.
    fn try_attribute(&mut self, key: &AttributeKey, value: Value<'_>) -> bool;

    /// Replaces the kind.
    fn set_kind(&mut self, kind: SpanKind);

    /// Whether metrics count the span, which records nothing, by its name and its kind.
    fn is_measured(&self) -> bool;

    /// The status so far.
    fn status_code(&self) -> StatusCode;

    /// The reading of the span clock at the start, for `clock::end`.
    fn clock_start(&self) -> clock::Start;

    /// Ends the span at a reading of the span clock.
    fn finish_at(self, unix_nanos: u64);

    /// Counts attributes that were not recorded, because the span was not yet.
    fn add_dropped_attributes(&mut self, count: u32);

    /// Takes the span to end it, and leaves a non-recording one with its context.
    fn take(&mut self) -> Span;

    /// Ends a span that nothing can refer to, because too many spans are open: the ledger counts it as dropped.
    fn drop_untracked(self);
}

impl LayerSpan for Span {
    #[inline]
    fn event_with<'k, V: EncodeValue>(
        &mut self,
        name: &str,
        attributes: impl IntoIterator<Item = (&'k str, V)>,
    ) {
        Span::event_with(self, name, attributes);
    }

    #[inline(always)]
    fn try_attribute(&mut self, key: &AttributeKey, value: Value<'_>) -> bool {
        Span::try_attribute(self, key, value)
    }

    fn set_kind(&mut self, kind: SpanKind) {
        Span::set_kind(self, kind);
    }

    #[inline(always)]
    fn is_measured(&self) -> bool {
        Span::is_measured(self)
    }

    fn status_code(&self) -> StatusCode {
        Span::status_code(self)
    }

    #[inline(always)]
    fn clock_start(&self) -> clock::Start {
        Span::clock_start(self)
    }

    #[inline]
    fn finish_at(self, unix_nanos: u64) {
        Span::finish_at(self, unix_nanos);
    }

    fn add_dropped_attributes(&mut self, count: u32) {
        Span::add_dropped_attributes(self, count);
    }

    #[cold]
    fn take(&mut self) -> Span {
        let left = Span::from_context(self.context().clone());
        mem::replace(self, left)
    }

    fn drop_untracked(self) {
        Span::drop_untracked(self);
    }
}
