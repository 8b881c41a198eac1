//! The start of a span that has waited for it, and a second decision about a span that has not.

use super::open_span::{OpenGuard, OpenSpan, Slot, State};
use super::open_spans::OpenSpans;
use super::start::activated;
use super::unstarted::{self, Builder, Starting};
use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt as _, Tracer as _};
use spanwise_sdk::__private::{LayerSpan as _, LayerTracer as _};
use spanwise_sdk::Span;
use std::mem;
use std::sync::Arc;
use tracing_core::Metadata;

impl OpenSpans {
    /// Starts the span of a slot, if its start has waited until now, or waits for the thread that starts it.
    #[inline]
    pub(super) fn ensure_started(&self, slot: &Arc<Slot>) {
        let mut open = slot.lock();
        match &open.state {
            State::Free | State::Started(_) => {}
            State::Starting(starting) => {
                let started = starting.by_other_thread();
                drop(open);
                if let Some(started) = started {
                    started.wait();
                }
            }
            State::Unstarted(_) => {
                let state = mem::replace(&mut open.state, State::Free);
                if let State::Unstarted(builder) = state {
                    open.state = State::Starting(Box::new(Starting::new()));
                    let generation = open.generation;
                    drop(open);
                    self.start_now(slot, generation, *builder);
                }
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn start_now(&self, slot: &Arc<Slot>, generation: u64, builder: Builder) {
        let parent = builder.parent.clone();
        let span = self.build(builder);
        put_back(slot, generation, span, |open, span| {
            slot.publish(span);
            let is_activated = self.options.context_activation;
            let context = is_activated.then(|| activated(&parent, span, slot, generation));
            mem::replace(&mut open.context, context)
        });
    }

    /// Starts a span with everything that its creation can have.
    pub(super) fn build(&self, builder: Builder) -> Span {
        let Builder { span, parent, status } = builder;
        let mut span = unstarted::nested(|| self.tracer.build_with_context(span, &parent));
        opentelemetry::trace::Span::set_status(&mut span, status);
        span
    }

    /// Decides again about the started span of a slot, which no other code has used, below its late parent.
    #[cold]
    pub(super) fn restart(
        &self,
        slot: &Arc<Slot>,
        mut open: OpenGuard<'_>,
        metadata: &'static Metadata<'static>,
        parent: &Context,
    ) -> bool {
        let starting = State::Starting(Box::new(Starting::new()));
        let State::Started(mut span) = mem::replace(&mut open.state, starting) else {
            return false;
        };
        let (generation, was_recording) = (open.generation, span.is_recording());
        drop(open);
        let above = parent.has_active_span().then(|| parent.span());
        let above = above.as_ref().map(|span| span.span_context());
        let name = metadata.name();
        let is_restarted = unstarted::nested(|| self.tracer.restart(&mut span, name, above));
        if !was_recording && span.is_recording() {
            let fields = metadata.fields().len();
            span.add_dropped_attributes(u32::try_from(fields).unwrap_or(u32::MAX));
            self.write_metadata(&mut span, metadata);
        }
        put_back(slot, generation, span, |open, span| {
            if !is_restarted {
                return None;
            }
            let exited_at = slot.exited_at();
            slot.publish(span);
            slot.set_exited_at(exited_at.unwrap_or(0));
            let is_activated = self.options.context_activation;
            let context = is_activated.then(|| activated(parent, span, slot, generation));
            mem::replace(&mut open.context, context)
        });
        is_restarted
    }
}

/// Puts the span, which the calling thread has started, back into its slot, with the changes of the meantime. A span that was closed
/// meanwhile ends.
fn put_back(
    slot: &Slot,
    generation: u64,
    mut span: Span,
    put: impl FnOnce(&mut OpenSpan, &Span) -> Option<Context>,
) {
    let mut open = slot.lock();
    if open.generation != generation {
        drop(open);
        return drop(span);
    }
    if let State::Starting(starting) = mem::replace(&mut open.state, State::Free) {
        starting.apply(&mut span);
    }
    let before = put(&mut open, &span);
    open.state = State::Started(span);
    drop(open);
    // Its values may have destructors of the program.
    drop(before);
}
