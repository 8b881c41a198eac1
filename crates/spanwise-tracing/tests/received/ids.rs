//! A subscriber beneath a layer that gives ids and checks none: a stale id reaches the layer.

use std::sync::atomic::{AtomicU64, Ordering};
use tracing::{Event, Metadata, Subscriber};
use tracing_core::span::{Attributes, Current, Id, Record};

#[derive(Default)]
pub struct Ids {
    pub last: AtomicU64,
    /// Spans that are dropped stay open.
    pub leaks: bool,
}

impl Subscriber for Ids {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    /// The tests clone no span of this subscriber.
    fn try_close(&self, _: Id) -> bool {
        !self.leaks
    }

    fn current_span(&self) -> Current {
        Current::none()
    }
}
