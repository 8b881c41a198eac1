//! Changes of an open span: fields that are recorded later, links, and what the extension trait sets.

use super::open_span::State;
use super::open_spans::OpenSpans;
use super::unstarted::Builder;
use crate::fields::{CollectSpan, with_collected};
use opentelemetry::trace::{Link, SpanContext};
use spanwise_sdk::Span;
use tracing_core::span::{Id, Record};

impl OpenSpans {
    /// Sets fields of an open span.
    pub(crate) fn record(&self, id: &Id, values: &Record<'_>) {
        let id = id.into_u64();
        if !self.table.find(id, &mut None).is_some_and(|slot| slot.is_counted()) {
            return;
        }
        with_collected(|collected| {
            let errors_to_exceptions = self.options.errors.fields_to_exceptions;
            let max_bytes = self.max_bytes;
            values.record(&mut CollectSpan { collected, errors_to_exceptions, max_bytes });
            self.change(
                id,
                |span| collected.set_on(span),
                |builder| collected.set_on_builder(&mut builder.span, &mut builder.status),
            );
        });
    }

    /// Adds a link to the span that the span `id` follows from, if that is open.
    #[cold]
    pub(crate) fn follows_from(&self, id: &Id, follows: &Id) {
        let Some(context) = self.span_context_of(follows.into_u64()) else { return };
        self.add_link(id.into_u64(), &context, &[]);
    }

    pub(crate) fn add_link(
        &self,
        id: u64,
        to: &SpanContext,
        attributes: &[opentelemetry::KeyValue],
    ) {
        self.change(
            id,
            |span| opentelemetry::trace::Span::add_link(span, to.clone(), attributes.to_vec()),
            |builder| {
                let link = Link::new(to.clone(), attributes.to_vec(), 0);
                builder.span.links.get_or_insert_default().push(link);
            },
        );
    }

    /// The span context of an open span, which starts if it has not.
    pub(crate) fn span_context_of(&self, id: u64) -> Option<SpanContext> {
        let mut in_map = None;
        let slot = self.table.find(id, &mut in_map)?;
        self.ensure_started(slot);
        let mut open = slot.lock();
        if slot.id() != id {
            return None;
        }
        open.used().map(|span| span.context().clone())
    }

    /// Whether the open span `id` records what it is given.
    #[inline]
    pub(super) fn is_recording(&self, id: u64) -> bool {
        self.table.find(id, &mut None).is_some_and(|slot| slot.is_recording())
    }

    /// Changes the open span `id`, whether it has started or not.
    #[inline]
    pub(crate) fn change(
        &self,
        id: u64,
        started: impl FnOnce(&mut Span),
        unstarted: impl FnOnce(&mut Builder),
    ) {
        let mut in_map = None;
        let Some(slot) = self.table.find(id, &mut in_map) else { return };
        let mut open = slot.lock();
        if slot.id() != id {
            return;
        }
        match &mut open.state {
            State::Started(span) => started(span),
            State::Unstarted(builder) => {
                unstarted(builder);
                if builder.is_full() {
                    drop(open);
                    self.ensure_started(slot);
                }
            }
            State::Starting(starting) => starting.change(unstarted),
            State::Free => {}
        }
    }
}
