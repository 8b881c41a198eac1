//! Events: a `tracing` event inside of a span becomes a span event.

use super::entered;
use super::open_spans::OpenSpans;
use crate::fields::{Collected, ErrorTexts, EventFields, EventName, special, with_collected};
use crate::metadata::location;
use opentelemetry::KeyValue;
use opentelemetry::trace::Event as ApiEvent;
use spanwise_sdk::__private::LayerSpan as _;
use spanwise_sdk::Value;
use std::time::SystemTime;
use tracing_core::{Event, Level, Metadata};

impl OpenSpans {
    /// Adds an event to the span it occurred in; outside of a span it adds nothing.
    pub(crate) fn event(&self, event: &Event<'_>) {
        let id = self.span_of(event).filter(|&id| self.is_recording(id));
        let Some(id) = id else { return };
        with_collected(|collected| self.event_in(id, event, collected));
    }

    /// Counts an event of the span it occurred in, for the attribute `otel.tracing_event_count`.
    pub(crate) fn count_event(&self, event: &Event<'_>) {
        let mut in_map = None;
        if let Some(id) = self.span_of(event)
            && let Some(slot) = self.table.find(id, &mut in_map)
        {
            slot.count_event();
        }
    }

    #[inline]
    fn span_of(&self, event: &Event<'_>) -> Option<u64> {
        match event.parent() {
            Some(parent) => Some(parent.into_u64()),
            None if event.is_contextual() => entered::current(self.layer),
            None => None,
        }
    }

    fn event_in(&self, id: u64, event: &Event<'_>, collected: &mut Collected) {
        let mut fields = EventFields {
            collected,
            errors: self.options.errors,
            max_bytes: self.max_bytes,
            name: EventName::Callsite,
            status: None,
            span_error: None,
        };
        event.record(&mut fields);
        let EventFields { collected, name, status, span_error, .. } = fields;
        #[cfg(feature = "tracing-log")]
        let normalized = tracing_log::NormalizeEvent::normalized_metadata(event);
        #[cfg(feature = "tracing-log")]
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        #[cfg(not(feature = "tracing-log"))]
        let metadata = event.metadata();
        let name = name.text(collected, event.metadata().name());
        let status = match (status, *metadata.level() == Level::ERROR) {
            (Some(description), _) => Some(collected.text(&description)),
            (None, true) => Some(""),
            (None, false) => None,
        };
        let collected = &*collected;
        let is_located = self.options.location;
        let attributes = || {
            let location = is_located.then(|| location(metadata)).into_iter().flatten();
            let location = location.map(|(key, value): (&str, _)| (key, value));
            of_metadata(metadata).into_iter().chain(collected.iter()).chain(location)
        };
        self.change(
            id,
            |span| {
                if let Some(description) = status {
                    special::set_error(span, description);
                }
                for (key, value) in span_error.iter().flat_map(ErrorTexts::attributes) {
                    span.attribute(key, value);
                }
                span.event_with(name, attributes());
            },
            |builder| {
                if let Some(description) = status {
                    special::set_error_status(&mut builder.status, description);
                }
                let of_error = span_error.iter().flat_map(ErrorTexts::attributes);
                let of_span = builder.span.attributes.get_or_insert_default();
                of_span.extend(of_error.map(|(key, value)| KeyValue::new(key, value)));
                let attributes =
                    attributes().map(|(key, value)| KeyValue::new(key.to_owned(), value)).collect();
                let event = ApiEvent::new(name.to_owned(), SystemTime::now(), attributes, 0);
                builder.span.events.get_or_insert_default().push(event);
            },
        );
    }
}

/// The attributes of all events.
fn of_metadata<'a>(metadata: &'a Metadata<'_>) -> [(&'a str, Value<'a>); 2] {
    [("level", Value::Str(metadata.level().as_str())), ("target", Value::Str(metadata.target()))]
}
