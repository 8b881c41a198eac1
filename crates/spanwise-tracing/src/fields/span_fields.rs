//! [`SpanFields`]: writes the fields of a new span straight into its record.

use super::error::{EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, ErrorTexts};
use super::special::{self, parse_kind, parse_status};
use super::text::with_text;
use crate::options::ErrorOptions;
use spanwise_sdk::__private::{AttributeKey, LayerSpan as _};
use spanwise_sdk::{Span, StatusCode, Value};
use std::error::Error;
use std::fmt;
use tracing_core::field::{Field, Visit};

/// The visitor of the fields of a span that no other thread can see yet.
pub(crate) struct SpanFields<'a> {
    pub(crate) span: &'a mut Span,
    /// The keys of the fields by index, for those that have one.
    pub(crate) keys: &'a [Option<AttributeKey>],
    pub(crate) errors: ErrorOptions,
    pub(crate) max_bytes: usize,
}

impl SpanFields<'_> {
    #[inline(always)]
    fn attribute(&mut self, field: &Field, value: Value<'_>) {
        if let Some(Some(key)) = self.keys.get(field.index())
            && self.span.try_attribute(key, value)
        {
            return;
        }
        self.attribute_by_name(field, &value);
    }

    /// Of a special field, or one with a long name or value, or one that the span has.
    #[inline(never)]
    fn attribute_by_name(&mut self, field: &Field, value: &Value<'_>) {
        let name = field.name();
        if let Value::Str(text) = value
            && special::is_special(name)
            && set_special(self.span, name, text)
        {
            return;
        }
        self.span.attribute(name, *value);
    }
}

/// Sets the name, the kind or the status of a span from a special field. Returns false for any other field.
pub(super) fn set_special(span: &mut Span, name: &str, text: &str) -> bool {
    match name {
        special::NAME => {
            span.rename(text);
        }
        special::KIND => {
            if let Some(kind) = parse_kind(text) {
                span.set_kind(kind);
            }
        }
        special::STATUS_CODE => match parse_status(text) {
            StatusCode::Ok => {
                span.ok();
            }
            StatusCode::Error => special::set_error(span, ""),
            StatusCode::Unset => {}
        },
        special::STATUS_DESCRIPTION => {
            span.error(text);
        }
        _ => return false,
    }
    true
}

impl Visit for SpanFields<'_> {
    #[inline]
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.attribute(field, Value::Bool(value));
    }

    #[inline]
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.attribute(field, Value::I64(value));
    }

    #[inline]
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.attribute(field, Value::U64(value));
    }

    #[inline]
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.attribute(field, Value::F64(value));
    }

    #[inline]
    fn record_str(&mut self, field: &Field, value: &str) {
        self.attribute(field, Value::Str(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Metrics count a span that records nothing by its name and its kind.
        if self.span.is_recording() || special::is_special(field.name()) {
            with_text(self.max_bytes, value, |text| self.record_str(field, text));
        }
    }

    #[cold]
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let ErrorTexts { message, chain } = ErrorTexts::of(value, self.max_bytes);
        if self.errors.fields_to_exceptions {
            self.span.attribute(EXCEPTION_MESSAGE, &*message);
            self.span.attribute(EXCEPTION_STACKTRACE, Value::Strings(&chain));
        }
        self.span.attribute(field.name(), &*message);
        self.span.attribute(&format!("{}.chain", field.name()), Value::Strings(&chain));
    }
}
