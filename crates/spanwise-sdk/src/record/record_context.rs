//! [`RecordContext`]: the span context of a record, with a trace state that outlives its span.

use super::span_start::SpanIds;
use opentelemetry::trace::{SpanContext, TraceFlags, TraceState};
use spanwise_sampling::Threshold;
use spanwise_sampling::trace_state::OT;
use spanwise_wire::write::TraceStateField;
use std::mem::{self, ManuallyDrop};
use std::ptr;

/// The span context of a record.
///
/// A trace state is a list of owned strings, and each span that is sampled by a ratio has one: the
/// threshold of its sampler. The record retains the trace state of one threshold from span to span, so
/// that such a span does not allocate; it frees any other trace state with its span.
pub(super) struct RecordContext {
    /// A start overwrites it without a drop, so that the compiler builds the new value in place instead of
    /// copying it. While the record is idle no code reads it, and it owns nothing: [`reset`](Self::reset)
    /// moves its trace state or drops it.
    context: ManuallyDrop<SpanContext>,
    owned: Owned,
    /// The value of the threshold that is retained, or [`NONE`].
    threshold: u64,
    /// The encoded trace state of this threshold.
    field: TraceStateField,
    /// The trace state of this threshold, while `context` does not have it.
    cached: TraceState,
}

/// The trace state that a context owns.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Owned {
    None,
    /// That of the retained threshold.
    Threshold,
    Other,
}

impl Default for RecordContext {
    fn default() -> Self {
        Self {
            context: ManuallyDrop::new(SpanContext::NONE),
            owned: Owned::None,
            threshold: NONE,
            field: TraceStateField::default(),
            cached: TraceState::NONE,
        }
    }
}

impl RecordContext {
    /// The context of the span.
    #[inline(always)]
    pub(super) fn get(&self) -> &SpanContext {
        &self.context
    }

    /// Sets the context of a span that starts, without a trace state.
    #[inline(always)]
    pub(super) fn start(&mut self, ids: SpanIds, flags: TraceFlags) {
        let (trace_id, span_id) = (ids.trace_id.into(), ids.span_id.into());
        self.context =
            ManuallyDrop::new(SpanContext::new(trace_id, span_id, flags, false, TraceState::NONE));
    }

    /// Gives the context the trace state of `threshold`, and returns its encoding.
    #[inline(always)]
    pub(super) fn set_threshold(&mut self, threshold: Threshold) -> &TraceStateField {
        if self.threshold != threshold.value() {
            self.retain(threshold);
        }
        self.owned = Owned::Threshold;
        let cached = mem::take(&mut self.cached);
        self.replace_trace_state(cached);
        &self.field
    }

    /// Gives the context a trace state.
    pub(super) fn set_trace_state(&mut self, trace_state: TraceState) {
        self.owned = Owned::Other;
        self.replace_trace_state(trace_state);
    }

    #[inline(always)]
    fn replace_trace_state(&mut self, trace_state: TraceState) {
        let (trace_id, span_id) = (self.context.trace_id(), self.context.span_id());
        let flags = self.context.trace_flags();
        self.context =
            ManuallyDrop::new(SpanContext::new(trace_id, span_id, flags, false, trace_state));
    }

    /// Sets a context that was made elsewhere.
    pub(super) fn set(&mut self, context: SpanContext) {
        let has_trace_state = *context.trace_state() != TraceState::NONE;
        self.owned = if has_trace_state { Owned::Other } else { Owned::None };
        self.context = ManuallyDrop::new(context);
    }

    /// The `tracestate` header, in one allocation.
    #[cold]
    #[inline(never)]
    pub(super) fn header(&self) -> String {
        let members = || self.context.trace_state().into_iter();
        let len = members().map(|(key, value)| key.len() + value.len() + 2).sum();
        let mut header = String::with_capacity(len);
        for (key, value) in members() {
            let comma = if header.is_empty() { "" } else { "," };
            header.extend([comma, key, "=", value]);
        }
        header
    }

    /// Prepares the context for the next span.
    #[inline(always)]
    pub(super) fn reset(&mut self) {
        match self.owned {
            Owned::None => return,
            Owned::Threshold => self.reclaim(),
            Owned::Other => self.drop_context(),
        }
        self.owned = Owned::None;
    }

    /// Moves the trace state from the context back to `cached`. The API has no method that returns it, and a
    /// copy would take three allocations a span.
    #[inline(always)]
    fn reclaim(&mut self) {
        let trace_state = self.context.trace_state();
        let offset =
            ptr::from_ref(trace_state).addr().wrapping_sub(ptr::from_ref(&self.context).addr());
        let last = size_of::<SpanContext>().checked_sub(size_of::<TraceState>());
        // The compiler evaluates this comparison, since the trace state is a field of the context. If the
        // API stores it elsewhere one day, others may share it.
        if last.is_none_or(|last| offset > last) {
            return self.reclaim_copy();
        }
        // SAFETY: the reference is valid, and the trace state lies in the bytes of `context`, which so owns
        // it. No code uses it there again: `owned` is not `Threshold` after this, and the next start
        // overwrites these bytes without a drop.
        let trace_state = unsafe { ptr::read(trace_state) };
        // `cached` has been empty since the start: there is nothing to drop.
        mem::forget(mem::replace(&mut self.cached, trace_state));
    }

    #[cold]
    #[inline(never)]
    fn reclaim_copy(&mut self) {
        self.cached = self.context.trace_state().clone();
        self.drop_context();
    }

    /// Makes the trace state of `threshold`.
    #[cold]
    #[inline(never)]
    fn retain(&mut self, threshold: Threshold) {
        let value = format!("th:{threshold}");
        // The header has 20 bytes at most, and fits.
        self.field = TraceStateField::new(&format!("{OT}={value}")).unwrap_or_default();
        // The API accepts the member: key and value are valid.
        self.cached = TraceState::from_key_value([(OT, value)]).unwrap_or_default();
        self.threshold = threshold.value();
    }

    #[cold]
    #[inline(never)]
    fn drop_context(&mut self) {
        let none = ManuallyDrop::new(SpanContext::NONE);
        drop(ManuallyDrop::into_inner(mem::replace(&mut self.context, none)));
    }
}

/// No threshold has this value.
const NONE: u64 = u64::MAX;
