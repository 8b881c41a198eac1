//! [`opentelemetry::trace::Span`] implemented by [`Span`].
//!
//! These methods run under locks of the API (`Mutex<BoxedSpan>`) and of `tracing-opentelemetry`:
//! they never block, never log, never touch the current context.

use super::record::{Record, State};
use super::span::Span;
use crate::value::pairs;
use opentelemetry::trace::{SpanContext, Status};
use opentelemetry::{Key, KeyValue, Value};
use spanwise_wire::StatusCode;
use spanwise_worker::clock;
use std::borrow::Cow;
use std::time::SystemTime;

impl opentelemetry::trace::Span for Span {
    fn add_event<T>(&mut self, name: T, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        self.put_event(&name.into(), clock::end, &attributes);
    }

    fn add_event_with_timestamp<T>(
        &mut self,
        name: T,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    ) where
        T: Into<Cow<'static, str>>,
    {
        let given = clock::to_unix_nanos(timestamp);
        self.put_event(&name.into(), |start| clock::align(start, given), &attributes);
    }

    #[inline(always)]
    fn span_context(&self) -> &SpanContext {
        self.record.context.get()
    }

    #[inline(always)]
    fn is_recording(&self) -> bool {
        self.record.state == State::Recording
    }

    #[inline(always)]
    fn set_attribute(&mut self, mut attribute: KeyValue) {
        // SAFETY: the write replaces what was dropped in place, before `attribute` is used again, and
        // nothing panics in between.
        unsafe {
            self.put_attribute(&mut attribute.key, &mut attribute.value);
            std::ptr::write(&mut attribute, KeyValue::new("", false));
        }
        // The compiler removes the write with this. Not a `ManuallyDrop` at the beginning: the API's objects
        // pass a pointer to the attribute that they have just stored, and a move would wait for these stores.
        std::mem::forget(attribute);
    }

    #[inline]
    fn set_attributes(&mut self, attributes: impl IntoIterator<Item = KeyValue>) {
        for attribute in attributes {
            self.set_attribute(attribute);
        }
    }

    fn set_status(&mut self, status: Status) {
        let (code, description) = match &status {
            // `tracing-opentelemetry` sets `Unset` for every span, which changes no status.
            Status::Unset => return,
            Status::Ok => (StatusCode::Ok, ""),
            Status::Error { description } => (StatusCode::Error, &**description),
        };
        self.record
            .write(|writer, core| writer.status(&core.limits.of_attributes(), code, description));
    }

    fn update_name<T>(&mut self, new_name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        self.rename(&new_name.into());
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        self.put_link(&span_context, pairs(&attributes));
    }

    /// Reads the span clock if the span is recording. The API's default would always read the system
    /// clock.
    #[inline]
    fn end(&mut self) {
        self.record.end_now();
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        let given = clock::to_unix_nanos(timestamp);
        let end = if self.record.state.is_open() {
            clock::align(self.record.clock_start, given)
        } else {
            given
        };
        self.record.end_at(end);
    }
}

impl Span {
    /// Sets all, as the API's `set_attributes` does, without a move of each out of the list.
    #[inline(never)]
    pub(crate) fn put_attributes(&mut self, mut attributes: Vec<KeyValue>) {
        let count = attributes.len();
        // SAFETY: 0 is within the capacity. The loop drops each element, which the list no longer does;
        // after a panic the others would leak.
        unsafe { attributes.set_len(0) };
        for attribute in attributes.spare_capacity_mut().get_mut(..count).unwrap_or_default() {
            // SAFETY: the first `count` elements are initialised, and the loop visits each once.
            unsafe {
                let KeyValue { key, value, .. } = attribute.assume_init_mut();
                self.put_listed_attribute(key, value);
            }
        }
    }

    /// As [`put_attribute`](Self::put_attribute), for a value whose type the compiler does not know: two
    /// comparisons for what most values are, where five types would become a jump through a table.
    ///
    /// # Safety
    /// As [`put_attribute`](Self::put_attribute).
    #[inline(always)]
    unsafe fn put_listed_attribute(&mut self, key: &mut Key, value: &mut Value) {
        let record = &mut *self.record;
        // SAFETY: each value is dropped once, after its last use: text and key here, any other value in
        // `put_other`.
        unsafe {
            match value {
                Value::I64(value) => record.attribute(key.as_str(), value),
                Value::String(text) => {
                    record.attribute(key.as_str(), text.as_str());
                    std::ptr::drop_in_place(text);
                }
                _ => put_other(record, key, value),
            }
            std::ptr::drop_in_place(key);
        }
    }

    /// Sets the attribute, and drops it in place.
    ///
    /// Matches on the type of the value, and drops it as that type: the drop of a [`Value`] of an unknown
    /// type takes longer than writing a number, and a string that is moved out of its value is stored as
    /// single words and loaded in pairs, which stalls.
    ///
    /// # Safety
    /// The caller neither uses nor drops `key` and `value` after this.
    #[inline(always)]
    unsafe fn put_attribute(&mut self, key: &mut Key, value: &mut Value) {
        let record = &mut *self.record;
        // SAFETY: each value is dropped once, after its last use: text and key here, any other value in
        // `put_other`. Numbers need no drop.
        unsafe {
            match value {
                Value::I64(value) => record.attribute(key.as_str(), value),
                Value::Bool(value) => record.attribute(key.as_str(), value),
                Value::F64(value) => record.attribute(key.as_str(), value),
                Value::String(text) => {
                    record.attribute(key.as_str(), text.as_str());
                    std::ptr::drop_in_place(text);
                }
                _ => put_other(record, key, value),
            }
            std::ptr::drop_in_place(key);
        }
    }

    pub(crate) fn put_event<'a>(
        &mut self,
        name: &str,
        time: impl FnOnce(clock::Start) -> u64,
        attributes: impl IntoIterator<Item = &'a KeyValue>,
    ) {
        let clock_start = self.record.clock_start;
        self.record.write(|writer, core| {
            writer.event(&core.limits.load(), time(clock_start), name, pairs(attributes));
        });
    }
}

/// Sets an attribute with a value of any type, and drops the value.
///
/// # Safety
/// The caller neither uses nor drops `value` after this.
#[cold]
#[inline(never)]
unsafe fn put_other(record: &mut Record, key: &Key, value: &mut Value) {
    record.attribute(key.as_str(), &*value);
    // SAFETY: by this function's contract.
    unsafe { std::ptr::drop_in_place(value) };
}
