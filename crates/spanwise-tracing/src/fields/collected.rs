//! [`Collected`]: fields in memory of the thread, for a span that other threads may use.
//!
//! The code of the program that a field runs (`Debug`, `Display`, `Error`) has ended before a lock is taken to write
//! the fields.

use super::error::{EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, ErrorTexts};
use super::span_fields::set_special;
use super::special::{self, parse_kind, parse_status, set_error_status, set_status};
use super::text::{append, cut};
use opentelemetry::trace::{SpanBuilder, Status};
use opentelemetry::{Key, KeyValue};
use spanwise_sdk::{Span, StatusCode, Value};
use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::ops::Range;
use tracing_core::field::{Field, Visit};

/// Fields with their values.
#[derive(Default)]
pub(crate) struct Collected {
    /// The texts of all values, one behind the other.
    text: String,
    items: Vec<(FieldKey, FieldValue)>,
    lists: Vec<Vec<String>>,
}

#[derive(Clone)]
enum FieldKey {
    Name(&'static str),
    Text(Range<usize>),
}

#[derive(Clone)]
enum FieldValue {
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Text(Range<usize>),
    List(usize),
}

/// Runs `f` with empty memory of the thread. Code of the program that `f` runs may come here again: it gets memory of
/// its own.
pub(crate) fn with_collected<T>(f: impl FnOnce(&mut Collected) -> T) -> T {
    let mut collected = COLLECTED.try_with(Cell::take).ok().flatten().unwrap_or_default();
    collected.clear();
    let result = f(&mut collected);
    // The texts of errors and of their sources are in memory of their own.
    collected.lists.clear();
    if collected.text.capacity() <= RETAINED_BYTES && collected.items.capacity() <= RETAINED_ITEMS {
        let _ = COLLECTED.try_with(|cached| cached.set(Some(collected)));
    }
    result
}

impl Collected {
    fn clear(&mut self) {
        self.text.clear();
        self.items.clear();
        self.lists.clear();
    }

    /// The fields with their values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Value<'_>)> + Clone {
        self.items.iter().map(|(key, value)| (self.key(key), self.value(value)))
    }

    pub(crate) fn text(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    fn key(&self, key: &FieldKey) -> &str {
        match key {
            FieldKey::Name(name) => name,
            FieldKey::Text(range) => self.text(range),
        }
    }

    fn value(&self, value: &FieldValue) -> Value<'_> {
        match value {
            FieldValue::Bool(value) => Value::Bool(*value),
            FieldValue::I64(value) => Value::I64(*value),
            FieldValue::U64(value) => Value::U64(*value),
            FieldValue::F64(value) => Value::F64(*value),
            FieldValue::Text(range) => Value::Str(self.text(range)),
            FieldValue::List(index) => {
                Value::Strings(self.lists.get(*index).map(Vec::as_slice).unwrap_or_default())
            }
        }
    }

    /// Sets the fields on a started span.
    pub(crate) fn set_on(&self, span: &mut Span) {
        for (key, value) in self.iter() {
            let is_set = match value {
                Value::Str(text) if special::is_special(key) => set_special(span, key, text),
                _ => false,
            };
            if !is_set {
                span.attribute(key, value);
            }
        }
    }

    /// Sets the fields on a span that is not started yet.
    pub(crate) fn set_on_builder(&self, builder: &mut SpanBuilder, status: &mut Status) {
        for ((key, value), (static_key, _)) in self.iter().zip(&self.items) {
            match (key, value) {
                (special::NAME, Value::Str(text)) => builder.name = text.to_owned().into(),
                (special::KIND, Value::Str(text)) => {
                    builder.span_kind =
                        parse_kind(text).map(Into::into).or(builder.span_kind.take());
                }
                (special::STATUS_CODE, Value::Str(text)) => match parse_status(text) {
                    StatusCode::Ok => *status = Status::Ok,
                    StatusCode::Error => set_error_status(status, ""),
                    StatusCode::Unset => {}
                },
                (special::STATUS_DESCRIPTION, Value::Str(text)) => {
                    set_status(status, Status::error(text.to_owned()));
                }
                (key, value) => {
                    let key = match static_key {
                        FieldKey::Name(name) => Key::from_static_str(name),
                        FieldKey::Text(_) => Key::new(key.to_owned()),
                    };
                    let attributes = builder.attributes.get_or_insert_default();
                    attributes.push(KeyValue::new(key, value));
                }
            }
        }
    }

    pub(super) fn put_text(
        &mut self,
        max_bytes: usize,
        arguments: fmt::Arguments<'_>,
    ) -> Range<usize> {
        let start = self.text.len();
        append(&mut self.text, max_bytes, arguments);
        start..self.text.len()
    }

    pub(super) fn put_str(&mut self, max_bytes: usize, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(cut(text, max_bytes));
        start..self.text.len()
    }

    fn push(&mut self, key: &'static str, value: FieldValue) {
        self.items.push((FieldKey::Name(key), value));
    }

    pub(super) fn push_text(&mut self, key: &'static str, text: Range<usize>) {
        self.push(key, FieldValue::Text(text));
    }

    pub(super) fn push_bool(&mut self, key: &'static str, value: bool) {
        self.push(key, FieldValue::Bool(value));
    }

    pub(super) fn push_i64(&mut self, key: &'static str, value: i64) {
        self.push(key, FieldValue::I64(value));
    }

    pub(super) fn push_u64(&mut self, key: &'static str, value: u64) {
        self.push(key, FieldValue::U64(value));
    }

    pub(super) fn push_f64(&mut self, key: &'static str, value: f64) {
        self.push(key, FieldValue::F64(value));
    }

    /// Adds an error: its message, and the list of the messages of its sources.
    #[cold]
    pub(super) fn push_error(&mut self, key: &'static str, texts: ErrorTexts, as_exception: bool) {
        let message = self.put_str(usize::MAX, &texts.message);
        self.lists.push(texts.chain);
        let list = FieldValue::List(self.lists.len() - 1);
        if as_exception {
            self.push(EXCEPTION_MESSAGE, FieldValue::Text(message.clone()));
            self.push(EXCEPTION_STACKTRACE, list.clone());
        }
        self.push(key, FieldValue::Text(message));
        let chain_key = self.put_text(usize::MAX, format_args!("{key}.chain"));
        self.items.push((FieldKey::Text(chain_key), list));
    }
}

/// Collects the fields of a span.
pub(crate) struct CollectSpan<'a> {
    pub(crate) collected: &'a mut Collected,
    pub(crate) errors_to_exceptions: bool,
    pub(crate) max_bytes: usize,
}

impl Visit for CollectSpan<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.collected.push_bool(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.collected.push_i64(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.collected.push_u64(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.collected.push_f64(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = self.collected.put_str(self.max_bytes, value);
        self.collected.push_text(field.name(), text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = self.collected.put_text(self.max_bytes, format_args!("{value:?}"));
        self.collected.push_text(field.name(), text);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let texts = ErrorTexts::of(value, self.max_bytes);
        self.collected.push_error(field.name(), texts, self.errors_to_exceptions);
    }
}

/// Memory that a thread retains for its next event.
const RETAINED_BYTES: usize = 16 * 1024;
const RETAINED_ITEMS: usize = 256;

thread_local! {
    static COLLECTED: Cell<Option<Box<Collected>>> = const { Cell::new(None) };
}
