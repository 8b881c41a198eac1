//! [`EventFields`]: collects the fields of an event: its message is the name of the span event.

use super::collected::Collected;
use super::error::{EXCEPTION, EXCEPTION_MESSAGE, ErrorTexts};
use crate::options::ErrorOptions;
use std::error::Error;
use std::fmt;
use std::ops::Range;
use tracing_core::field::{Field, Visit};

/// The visitor of an event's fields.
pub(crate) struct EventFields<'a> {
    pub(crate) collected: &'a mut Collected,
    pub(crate) errors: ErrorOptions,
    pub(crate) max_bytes: usize,
    pub(crate) name: EventName,
    /// The description of the status that the event gives its span.
    pub(crate) status: Option<Range<usize>>,
    /// The error that the event gives its span as attributes.
    pub(crate) span_error: Option<ErrorTexts>,
}

/// The name of a span event.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum EventName {
    /// The event has no message: its name is that of the callsite.
    Callsite,
    Exception,
    /// The message, in the collected text.
    Message(Range<usize>),
}

impl EventFields<'_> {
    /// The field `error` of an event without a message, as `#[instrument(err)]` makes it.
    fn error_text(&mut self, text: Range<usize>) {
        if self.errors.events_to_status {
            self.status = Some(text.clone());
        }
        if self.errors.events_to_exceptions {
            self.name = EventName::Exception;
            self.collected.push_text(EXCEPTION_MESSAGE, text);
        } else {
            self.collected.push_text("error", text);
        }
    }

    fn text(&mut self, field: &Field, text: Range<usize>) {
        match field.name() {
            // As without a message: a span event needs a name.
            "message" if text.is_empty() => self.name = EventName::Callsite,
            "message" => self.name = EventName::Message(text),
            "error" if self.name == EventName::Callsite => self.error_text(text),
            name => self.collected.push_text(name, text),
        }
    }

    fn number_is_message(&mut self, field: &Field, value: &dyn fmt::Display) -> bool {
        let is_message = field.name() == "message";
        if is_message {
            let text = self.collected.put_text(self.max_bytes, format_args!("{value}"));
            self.name = EventName::Message(text);
        }
        is_message
    }
}

impl Visit for EventFields<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        if !is_of_log(field) && !self.number_is_message(field, &value) {
            self.collected.push_bool(field.name(), value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if !is_of_log(field) && !self.number_is_message(field, &value) {
            self.collected.push_i64(field.name(), value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if !is_of_log(field) && !self.number_is_message(field, &value) {
            self.collected.push_u64(field.name(), value);
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if !is_of_log(field) && !self.number_is_message(field, &value) {
            self.collected.push_f64(field.name(), value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if !is_of_log(field) {
            let text = self.collected.put_str(self.max_bytes, value);
            self.text(field, text);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !is_of_log(field) {
            let text = self.collected.put_text(self.max_bytes, format_args!("{value:?}"));
            self.text(field, text);
        }
    }

    #[cold]
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let texts = ErrorTexts::of(value, self.max_bytes);
        if self.errors.records_to_exceptions {
            self.span_error = Some(texts.clone());
        }
        self.collected.push_error(field.name(), texts, self.errors.fields_to_exceptions);
    }
}

/// Whether the field is metadata of a record of the `log` crate.
#[inline]
fn is_of_log(field: &Field) -> bool {
    cfg!(feature = "tracing-log") && field.name().starts_with("log.")
}

impl EventName {
    pub(crate) fn text<'a>(&self, collected: &'a Collected, callsite: &'a str) -> &'a str {
        match self {
            Self::Callsite => callsite,
            Self::Exception => EXCEPTION,
            Self::Message(range) => collected.text(range),
        }
    }
}
