//! [`Unstarted`]: a span whose start waits until its parent is known.

use opentelemetry::Context;
use opentelemetry::trace::{SpanBuilder, Status};
use std::sync::{Mutex, PoisonError};

/// A span that has fields, and neither ids nor a sampling decision.
///
/// The sampler, and processors that see the start, are code of the program: the builder is taken out, and no lock is
/// held while they run.
pub(crate) struct Unstarted(Mutex<Option<Box<Builder>>>);

pub(crate) struct Builder {
    pub(crate) span: SpanBuilder,
    pub(crate) parent: Context,
    pub(crate) status: Status,
}

impl Unstarted {
    pub(super) fn new(builder: Builder) -> Self {
        Self(Mutex::new(Some(Box::new(builder))))
    }

    /// Takes the builder; `None` while a thread starts the span, and after that.
    pub(super) fn take(&self) -> Option<Box<Builder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Changes the builder. Returns false while a thread starts the span, and after that.
    pub(super) fn change(&self, change: impl FnOnce(&mut Builder)) -> bool {
        let mut builder = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        builder.as_deref_mut().map(change).is_some()
    }
}
