//! The flushes and shutdowns that wait for a reply.

use spanwise_export::sans_io::FlushId;
use std::time::Instant;

/// The calls of a world.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Calls that no turn has seen.
    pub(super) inbox: Vec<Call>,
    /// Calls that wait for their reply.
    pub(super) waiting: Vec<(FlushId, Call)>,
    /// A shutdown has closed the queue.
    pub(super) is_closed: bool,
}

/// A flush or a shutdown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) deadline: Instant,
    pub(super) is_shutdown: bool,
    /// Spans that had ended before it.
    pub(super) ended: usize,
    /// The time since which every one of these spans has an outcome.
    pub(super) settled_since: Option<Instant>,
}

impl Calls {
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    pub(super) fn has_new(&self) -> bool {
        !self.inbox.is_empty()
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.inbox.is_empty()
    }

    /// The exporter's thread has ended: all callers return at once.
    pub(super) fn release(&mut self) {
        self.inbox.clear();
        self.waiting.clear();
    }
}
