//! The observer, behind a fence: a panic in it goes no further.

use crate::drained::DrainedChunk;
use crate::event::ExportEvent;
use crate::observer::Observer;
use spanwise_worker::__private::timer_deadline;
use spanwise_worker::{CaughtPanic, catch_panic, catch_panic_async};
use std::time::Instant;

/// An observer whose panics are caught, counted and reported to it.
pub(super) struct FencedObserver {
    /// `None` at the end: its drop may panic too.
    observer: Option<Box<dyn Observer>>,
    panics: u64,
}

impl FencedObserver {
    pub(super) fn new(observer: Box<dyn Observer>) -> Self {
        Self { observer: Some(observer), panics: 0 }
    }

    /// Reports an event.
    pub(super) fn report(&mut self, event: ExportEvent) {
        let Some(observer) = &mut self.observer else { return };
        if let Err(panic) = catch_panic(|| observer.event(event)) {
            self.panicked(OBSERVER, panic);
        }
    }

    /// Passes on the chunks of a drain.
    pub(super) fn drained(&mut self, chunks: &[DrainedChunk], now: Instant) {
        let Some(observer) = &mut self.observer else { return };
        if let Err(panic) = catch_panic(|| observer.drained(chunks, now)) {
            self.panicked(OBSERVER, panic);
        }
    }

    /// Runs the observer's turn. Returns when the next turn is due.
    pub(super) fn turn(&mut self, now: Instant) -> Option<Instant> {
        let observer = self.observer.as_mut()?;
        catch_panic(|| observer.turn(now)).unwrap_or_else(|panic| {
            self.panicked(OBSERVER, panic);
            None
        })
    }

    /// Runs the observer's last work, at most until `until`.
    pub(super) async fn last_work(&mut self, until: Instant) {
        let Some(observer) = &mut self.observer else { return };
        let work = catch_panic(|| observer.last_work(until));
        let ended = match work {
            Ok(None) => return,
            Ok(Some(work)) => {
                let work = catch_panic_async(work);
                tokio::time::timeout_at(timer_deadline(until).into(), work).await.unwrap_or(Ok(()))
            }
            Err(panic) => Err(panic),
        };
        if let Err(panic) = ended {
            self.panicked(OBSERVER, panic);
        }
    }

    /// Counts and reports a panic.
    pub(super) fn panicked(&mut self, code: &'static str, panic: CaughtPanic) {
        self.panics = self.panics.saturating_add(1);
        let event = ExportEvent::Panicked { code, panic, count: self.panics };
        if let Some(observer) = &mut self.observer {
            // An observer that panics again has no one to report to.
            let _ = catch_panic(|| observer.event(event));
        }
    }
}

impl Drop for FencedObserver {
    fn drop(&mut self) {
        let observer = self.observer.take();
        let _ = catch_panic(|| drop(observer));
    }
}

/// The name of an observer in reports of its panics.
const OBSERVER: &str = "the exporter's observer";
