//! The observer of an exporter: it receives events, and works on the exporter's thread.

use crate::drained::DrainedChunk;
use crate::event::ExportEvent;
use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

/// Receives the exporter's events, and has a turn of its thread.
///
/// All methods run on the exporter's thread, within its tokio runtime, and must not block. A panic in
/// them is caught, counted and reported as [`ExportEvent::Panicked`]; the export goes on.
pub trait Observer: Send + 'static {
    /// Receives an event.
    fn event(&mut self, event: ExportEvent) {
        let _ignored = event;
    }

    /// Receives the chunks of a drain at `now`, before they become requests. It is called once for each drain, and an exporter that has no
    /// use for them costs nothing for each span.
    fn drained(&mut self, chunks: &[DrainedChunk], now: Instant) {
        let _unused = (chunks, now);
    }

    /// The exporter's thread calls it at least every 100 ms: after it has booked the requests that
    /// ended, and before it answers flushes. Returns the latest time of the next call, if any; calls
    /// that only this time asks for are at least 1 ms apart.
    fn turn(&mut self, now: Instant) -> Option<Instant> {
        let _unused = now;
        None
    }

    /// The last work of the observer, when every span has its outcome: the thread runs the future on its runtime, at
    /// most until `until`, the deadline of the shutdown, and then reports [`ExportEvent::ShutDown`] and answers the
    /// shutdown. Default none.
    fn last_work(&mut self, until: Instant) -> Option<LastWork> {
        let _unused = until;
        None
    }
}

/// The future of [`Observer::last_work`].
pub type LastWork = Pin<Box<dyn Future<Output = ()> + Send>>;

/// No observer.
impl Observer for () {}
