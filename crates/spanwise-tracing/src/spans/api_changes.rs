//! Changes that the extension trait makes.

use super::open_span::State;
use super::open_spans::OpenSpans;
use crate::SetParentError;
use crate::fields::special;
use opentelemetry::trace::{Event, Span as _, Status};
use opentelemetry::{Context, KeyValue};
use std::borrow::Cow;
use std::mem;
use std::time::SystemTime;
use tracing_core::Metadata;

impl OpenSpans {
    /// Makes an open span whose context no code has a child of the current span of `parent`.
    pub(crate) fn set_parent(
        &self,
        id: u64,
        metadata: &'static Metadata<'static>,
        parent: Context,
    ) -> Result<(), SetParentError> {
        let mut in_map = None;
        let slot = self.table.find(id, &mut in_map).ok_or(SetParentError::SpanDisabled)?;
        let mut open = slot.lock();
        if slot.id() != id {
            return Err(SetParentError::SpanDisabled);
        }
        let is_used = open.is_used;
        match &mut open.state {
            State::Unstarted(builder) => {
                let before = mem::replace(&mut builder.parent, parent);
                drop(open);
                // Its values may have destructors of the program.
                drop(before);
            }
            State::Started(_) if !is_used => {
                if !self.restart(slot, open, metadata, &parent) {
                    return Err(SetParentError::AlreadyStarted);
                }
            }
            State::Started(_) | State::Starting(_) => return Err(SetParentError::AlreadyStarted),
            State::Free => return Err(SetParentError::SpanDisabled),
        }
        self.callsites.got_late_parent(metadata);
        Ok(())
    }

    pub(crate) fn set_attribute(&self, id: u64, attribute: KeyValue) {
        let attribute = std::cell::Cell::new(Some(attribute));
        self.change(
            id,
            |span| attribute.take().map_or((), |attribute| span.set_attribute(attribute)),
            |builder| builder.span.attributes.get_or_insert_default().extend(attribute.take()),
        );
    }

    pub(crate) fn set_status(&self, id: u64, status: Status) {
        self.change(
            id,
            |span| span.set_status(status.clone()),
            |builder| special::set_status(&mut builder.status, status.clone()),
        );
    }

    pub(crate) fn add_event(
        &self,
        id: u64,
        name: Cow<'static, str>,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    ) {
        let event = std::cell::Cell::new(Some((name, attributes)));
        self.change(
            id,
            |span| {
                if let Some((name, attributes)) = event.take() {
                    span.add_event_with_timestamp(name, timestamp, attributes);
                }
            },
            |builder| {
                let event = event
                    .take()
                    .map(|(name, attributes)| Event::new(name, timestamp, attributes, 0));
                builder.span.events.get_or_insert_default().extend(event);
            },
        );
    }
}
