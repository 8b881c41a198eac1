//! [`OpenSpans`]: what the layer and the extension trait share.

use super::callsites::Callsites;
use super::places::Places;
use super::store::Store;
use super::table::SpanTable;
use crate::options::Options;
use spanwise_sdk::__private::LayerTracer as _;
use spanwise_sdk::Tracer;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The open spans of a layer or a subscriber, and what it needs to start them.
pub(crate) struct OpenSpans {
    pub(super) tracer: Tracer,
    pub(super) options: Options,
    pub(super) table: Store,
    pub(super) callsites: Callsites,
    /// A number that no other layer or subscriber of the process has.
    pub(super) layer: u64,
    /// The most bytes of text of an attribute.
    pub(super) max_bytes: usize,
}

impl OpenSpans {
    /// The open spans of a layer: a registry assigns their ids.
    pub(crate) fn of_layer(tracer: Tracer, options: Options, max_open: usize) -> Self {
        Self::new(tracer, options, |_| Store::Table(SpanTable::new(max_open)))
    }

    /// The open spans of a subscriber, which assigns the ids itself.
    pub(crate) fn of_subscriber(tracer: Tracer, options: Options, max_open: usize) -> Self {
        Self::new(tracer, options, |number| Store::Places(Places::new(number, max_open)))
    }

    fn new(tracer: Tracer, options: Options, store: impl FnOnce(u64) -> Store) -> Self {
        static LAYERS: AtomicU64 = AtomicU64::new(1);
        let max_bytes = tracer.max_text_bytes();
        let layer = LAYERS.fetch_add(1, Relaxed);
        let callsites = Callsites::new();
        Self { tracer, options, table: store(layer), callsites, layer, max_bytes }
    }

    /// The tracer and the choices, for a layer with other ones.
    pub(crate) fn parts(&self) -> (Tracer, Options) {
        (self.tracer.clone(), self.options)
    }
}

impl Drop for OpenSpans {
    /// Ends all open spans, also those that wait for their start. A slot has the context of its span, and that context a reference to
    /// the slot: without this, both would stay allocated, and the span without an outcome.
    fn drop(&mut self) {
        for slot in self.table.slots() {
            self.ensure_started(&slot);
            let freed = slot.free(&mut slot.lock());
            drop(freed);
        }
    }
}
