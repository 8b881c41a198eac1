//! [`Builder`]: a span whose start waits until its parent is known, and the changes of a span while a thread starts it.

use crate::fields::special;
use opentelemetry::trace::{Span as _, SpanBuilder, Status};
use opentelemetry::{Context, KeyValue};
use spanwise_sdk::__private::LayerSpan as _;
use spanwise_sdk::Span;
use std::cell::Cell;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// A span that has fields, and neither ids nor a sampling decision.
pub(crate) struct Builder {
    pub(crate) span: SpanBuilder,
    pub(crate) parent: Context,
    pub(crate) status: Status,
}

/// A span that a thread starts or decides about again.
///
/// The sampler, and processors that see the start, are code of the program: no lock is held while they run. The changes that other
/// threads make meanwhile, or this code, are collected and applied after it.
pub(crate) struct Starting {
    thread: ThreadId,
    /// Its drop notifies the threads that wait: the span has started, or was closed.
    started: StartedOnDrop,
    changes: Builder,
    /// Changes beyond the bound.
    dropped: u32,
}

impl Builder {
    /// Whether the span starts now, because it holds the bound: its memory is of no budget.
    pub(super) fn is_full(&self) -> bool {
        let of_attributes =
            |attributes: &[KeyValue]| attributes.iter().map(bytes_of).sum::<usize>();
        let attributes = self.span.attributes.as_deref().unwrap_or_default();
        let events = self.span.events.as_deref().unwrap_or_default();
        let links = self.span.links.as_deref().unwrap_or_default();
        let bytes = of_attributes(attributes)
            + events.iter().map(|it| it.name.len() + of_attributes(&it.attributes)).sum::<usize>()
            + links.iter().map(|it| of_attributes(&it.attributes)).sum::<usize>();
        attributes.len() + events.len() + links.len() >= MAX_CHANGES || bytes >= MAX_BYTES
    }
}

impl Starting {
    /// Of the calling thread.
    pub(super) fn new() -> Self {
        let changes = Builder {
            span: SpanBuilder::from_name(""),
            parent: Context::new(),
            status: Status::Unset,
        };
        let started = StartedOnDrop::default();
        Self { thread: thread::current().id(), started, changes, dropped: 0 }
    }

    /// The start, to wait for it, if another thread than the calling one starts the span.
    pub(super) fn by_other_thread(&self) -> Option<Arc<Started>> {
        (self.thread != thread::current().id()).then(|| self.started.0.clone())
    }

    /// Collects a change.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Builder)) {
        match self.changes.is_full() {
            false => change(&mut self.changes),
            true => self.dropped = self.dropped.saturating_add(1),
        }
    }

    /// Makes the collected changes.
    pub(super) fn apply(self, span: &mut Span) {
        let Builder { span: changes, status, .. } = self.changes;
        if !changes.name.is_empty() {
            span.rename(&changes.name);
        }
        if let Some(kind) = &changes.span_kind {
            span.set_kind(kind.into());
        }
        for attribute in changes.attributes.unwrap_or_default() {
            span.set_attribute(attribute);
        }
        for event in changes.events.unwrap_or_default() {
            span.add_event_with_timestamp(event.name, event.timestamp, event.attributes);
        }
        for link in changes.links.unwrap_or_default() {
            span.add_link(link.span_context, link.attributes);
        }
        match status {
            Status::Error { description } => special::set_error(span, &description),
            status => span.set_status(status),
        }
        if self.dropped > 0 {
            span.add_dropped_attributes(self.dropped);
        }
    }
}

/// Whether a thread has started a span.
#[derive(Default)]
pub(super) struct Started {
    is_started: Mutex<bool>,
    changed: Condvar,
}

impl Started {
    /// Waits until the other thread has started the span. Not for long: that thread may wait for this one.
    pub(super) fn wait(&self) {
        let is_started = self.is_started.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.changed.wait_timeout_while(is_started, MAX_WAIT, |is_started| !*is_started);
    }
}

#[derive(Default)]
struct StartedOnDrop(Arc<Started>);

impl Drop for StartedOnDrop {
    fn drop(&mut self) {
        *self.0.is_started.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }
}

/// Runs `start`, whose code of the program may start spans.
pub(super) fn nested<T>(start: impl FnOnce() -> T) -> T {
    NESTED.set(NESTED.get() + 1);
    let started = start();
    NESTED.set(NESTED.get() - 1);
    started
}

/// Whether the code of the program that a start runs has started spans, whose starts ran it again, and so on: without an end, the
/// stack would overflow.
pub(super) fn is_nested_too_deep() -> bool {
    NESTED.get() >= MAX_NESTED
}

fn bytes_of(attribute: &KeyValue) -> usize {
    let value = match &attribute.value {
        opentelemetry::Value::String(text) => text.as_str().len(),
        opentelemetry::Value::Array(opentelemetry::Array::String(list)) => {
            list.iter().map(|text| text.as_str().len()).sum()
        }
        _ => 0,
    };
    attribute.key.as_str().len() + value
}

/// Attributes, events and links that a span holds before it starts.
const MAX_CHANGES: usize = 256;
/// Bytes of their texts.
const MAX_BYTES: usize = 256 * 1024;
/// The longest time that a thread waits for another one.
const MAX_WAIT: Duration = Duration::from_millis(100);
/// Starts inside of each other.
const MAX_NESTED: u32 = 8;

thread_local! {
    // Without a destructor: readable until the thread has ended.
    static NESTED: Cell<u32> = const { Cell::new(0) };
}
