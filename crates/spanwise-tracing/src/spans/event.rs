//! Events: a `tracing` event inside of a span becomes a span event.

use super::entered;
use super::open_spans::OpenSpans;
use crate::fields::{Collected, EventFields, EventName, with_collected};
use crate::metadata::each_location;
use opentelemetry::KeyValue;
use opentelemetry::trace::Status;
use spanwise_sdk::__private::LayerSpan as _;
use spanwise_sdk::{Span, StatusCode, Value};
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
        if let Some(slot) = self.span_of(event).and_then(|id| self.table.find(id)) {
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
        let location = |put: &mut dyn FnMut(&'static str, Value<'_>)| {
            if self.options.location {
                each_location(metadata, &mut |key, value| put(key, value));
            }
        };
        self.change(
            id,
            |span| {
                if let Some(description) = status {
                    set_error(span, description);
                }
                for (key, value) in span_error.iter().flat_map(|error| error.attributes()) {
                    span.attribute(key, value);
                }
                let (first, location) =
                    (of_metadata(metadata), Location::of(metadata, self.options.location));
                span.event_with(
                    name,
                    first.into_iter().chain(collected.iter()).chain(location.iter()),
                );
            },
            |builder| {
                if let Some(description) = status
                    && builder.status != Status::Ok
                    && (builder.status == Status::Unset || !description.is_empty())
                {
                    builder.status = Status::error(description.to_owned());
                }
                let attributes = builder.span.attributes.get_or_insert_default();
                if let Some(error) = &span_error {
                    attributes.extend(error.api_attributes());
                }
                let mut attributes: Vec<KeyValue> = of_metadata(metadata)
                    .into_iter()
                    .filter_map(|(key, value)| match value {
                        Value::Str(text) => Some(KeyValue::new(key.to_owned(), text.to_owned())),
                        _ => None,
                    })
                    .chain(collected.api_attributes())
                    .collect();
                location(&mut |key, value| match value {
                    Value::Str(text) => attributes.push(KeyValue::new(key, text.to_owned())),
                    Value::I64(number) => attributes.push(KeyValue::new(key, number)),
                    _ => {}
                });
                let event = opentelemetry::trace::Event::new(
                    name.to_owned(),
                    SystemTime::now(),
                    attributes,
                    0,
                );
                builder.span.events.get_or_insert_default().push(event);
            },
        );
    }
}

/// The attributes of all events.
fn of_metadata<'a>(metadata: &'a Metadata<'_>) -> [(&'a str, Value<'a>); 2] {
    [("level", Value::Str(metadata.level().as_str())), ("target", Value::Str(metadata.target()))]
}

/// Sets the status to error. An event of level error without a description retains one that is there.
fn set_error(span: &mut Span, description: &str) {
    if !description.is_empty() || span.status_code() == StatusCode::Unset {
        span.error(description);
    }
}

/// The location of an event, as an array to iterate over.
struct Location<'a>([Option<(&'a str, Value<'a>)>; 3]);

impl<'a> Location<'a> {
    fn of(metadata: &'a Metadata<'_>, is_recorded: bool) -> Self {
        if !is_recorded {
            return Self([None; 3]);
        }
        Self([
            metadata.file().map(|file| ("code.file.path", Value::Str(file))),
            metadata.module_path().map(|module| ("code.module.name", Value::Str(module))),
            metadata.line().map(|line| ("code.line.number", Value::I64(line.into()))),
        ])
    }

    fn iter(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + Clone {
        self.0.into_iter().flatten()
    }
}
