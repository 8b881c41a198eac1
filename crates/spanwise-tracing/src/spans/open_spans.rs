//! [`OpenSpans`]: the state that the layer, the subscriber and the extension trait share.

use super::callsites::Callsites;
use super::field_keys::FieldKeys;
use super::places::Places;
use super::store::Store;
use super::table::SpanTable;
use crate::options::{MAX_OPEN_SPANS, Options};
use spanwise_sdk::__private::LayerTracer as _;
use spanwise_sdk::Tracer;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tracing_core::dispatcher::{self, Dispatch};

/// The open spans of a layer or a subscriber, and what it needs to start them.
pub(crate) struct OpenSpans {
    pub(super) tracer: Tracer,
    pub(crate) options: Options,
    pub(super) table: Store,
    pub(super) callsites: Callsites,
    pub(super) field_keys: FieldKeys,
    /// A number that no other layer or subscriber of the process has.
    pub(super) layer: u64,
    /// The most bytes of text of an attribute.
    pub(super) max_bytes: usize,
}

impl OpenSpans {
    /// The open spans of a layer: a registry assigns their ids.
    pub(crate) fn of_layer(tracer: Tracer) -> Self {
        Self::new(tracer, |_| Store::Table(SpanTable::new(MAX_OPEN_SPANS)))
    }

    /// The open spans of a subscriber, which assigns the ids itself.
    pub(crate) fn of_subscriber(tracer: Tracer) -> Self {
        Self::new(tracer, |number| Store::Places(Places::new(number, MAX_OPEN_SPANS)))
    }

    fn new(tracer: Tracer, store: impl FnOnce(u64) -> Store) -> Self {
        static LAYERS: AtomicU64 = AtomicU64::new(1);
        let max_bytes = tracer.max_text_bytes();
        let layer = LAYERS.fetch_add(1, Relaxed);
        let callsites = Callsites::new();
        let field_keys = FieldKeys::new();
        let options = Options::default();
        Self { tracer, options, table: store(layer), callsites, field_keys, layer, max_bytes }
    }

    /// Starts the next spans by another tracer.
    pub(crate) fn set_tracer(&mut self, tracer: Tracer) {
        self.max_bytes = tracer.max_text_bytes();
        self.tracer = tracer;
    }

    /// Replaces the memory of open spans by one for at most `max_open`, before a subscriber has the layer: no span is open.
    pub(crate) fn set_max_open(&mut self, max_open: usize) {
        self.table = match self.table {
            Store::Table(_) => Store::Table(SpanTable::new(max_open)),
            Store::Places(_) => Store::Places(Places::new(self.layer, max_open)),
        };
    }
}

impl Drop for OpenSpans {
    /// Ends all open spans, also those that wait for their start. A slot has the context of its span, and that context a reference to
    /// the slot: without this, both would stay allocated, and the span without an outcome.
    ///
    /// Samplers and processors that log while these spans start and end reach no subscriber: `tracing_subscriber::reload` drops a layer under
    /// the lock that an event takes.
    fn drop(&mut self) {
        dispatcher::with_default(&Dispatch::none(), || {
            for slot in self.table.slots() {
                self.ensure_started(&slot);
                let freed = slot.free(&mut slot.lock());
                drop(freed);
            }
        });
    }
}
