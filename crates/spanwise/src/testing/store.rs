//! The end of the pipeline: a sink that decodes and stores.

use super::decode::spans;
use super::span::CollectedSpan;
use crate::{Failure, Outcome};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Decoded spans, at most [`LIMIT`] bytes as they were encoded.
#[derive(Debug, Default)]
pub(super) struct Store(Mutex<Stored>);

#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) spans: Vec<CollectedSpan>,
    /// Of the requests they came in.
    bytes: usize,
    /// Spans that did not fit any more.
    pub(super) refused: u64,
}

impl Store {
    /// Decodes a request and stores its spans, or refuses all of them.
    pub(super) fn add(&self, request: &[u8]) -> Outcome {
        let refused = |mut stored: MutexGuard<'_, Stored>| {
            let count = crate::wire::read::TraceRequest::new(request).count_spans();
            stored.refused += count.unwrap_or(1);
            Outcome::Failed(Failure::TooLarge)
        };
        let stored = self.lock();
        if stored.bytes.saturating_add(request.len()) > LIMIT {
            return refused(stored);
        }
        drop(stored);
        let Ok(spans) = spans(request) else { return Outcome::Failed(Failure::Unsendable) };
        let mut stored = self.lock();
        // Requests arrive one at a time on the worker thread; `clear` only makes space.
        stored.bytes += request.len();
        stored.spans.extend(spans);
        Outcome::Accepted { rejected: 0, message: None }
    }

    pub(super) fn clear(&self) {
        *self.lock() = Stored::default();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Stored> {
        // A panic of another thread leaves a list of whole spans.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decoded they take several times as much.
pub(super) const LIMIT: usize = 64 << 20;
