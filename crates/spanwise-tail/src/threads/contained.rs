//! An output whose panics stay inside.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::shared::Shared;
use crate::engine::{DecidedTrace, SampledRequest, TailOutput};
use crate::explain::Explanation;

/// Passes everything to the user's output, and counts its panics.
pub(crate) struct Contained<O: TailOutput> {
    /// `None` once it is dropped.
    inner: Option<O>,
    shared: Arc<Shared>,
}

impl<O: TailOutput> Contained<O> {
    pub(crate) fn new(inner: O, shared: Arc<Shared>) -> Self {
        Self { inner: Some(inner), shared }
    }

    fn call(&mut self, call: impl FnOnce(&mut O)) {
        // The user's state is the user's to repair: the next call gets it as the panic left it.
        let called = catch_unwind(AssertUnwindSafe(|| self.inner.as_mut().map(call)));
        if let Err(payload) = called {
            self.shared.output_panics.fetch_add(1, Ordering::Relaxed);
            // The destructor of a payload may panic as well.
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
            dropped.unwrap_or_else(std::mem::forget);
        }
    }
}

impl<O: TailOutput> TailOutput for Contained<O> {
    fn request(&mut self, request: SampledRequest<'_>) {
        self.call(|inner| inner.request(request));
    }

    fn decided(&mut self, trace: &DecidedTrace<'_>) {
        self.call(|inner| inner.decided(trace));
    }

    fn explained(&mut self, explanation: &Explanation) {
        self.call(|inner| inner.explained(explanation));
    }
}

impl<O: TailOutput> Drop for Contained<O> {
    fn drop(&mut self) {
        let inner = self.inner.take();
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(inner)));
        if let Err(payload) = dropped {
            self.shared.output_panics.fetch_add(1, Ordering::Relaxed);
            std::mem::forget(payload);
        }
    }
}
