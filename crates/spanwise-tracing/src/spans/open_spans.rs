//! [`OpenSpans`]: what the layer and the extension trait share.

use super::callsites::Callsites;
use super::table::SpanTable;
use crate::options::Options;
use spanwise_sdk::__private::LayerTracer as _;
use spanwise_sdk::Tracer;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The open spans of a layer, and what it needs to start them.
pub(crate) struct OpenSpans {
    pub(super) tracer: Tracer,
    pub(super) options: Options,
    pub(super) table: SpanTable,
    pub(super) callsites: Callsites,
    /// A number that no other layer of the process has.
    pub(super) layer: u64,
    /// The most bytes of text of an attribute.
    pub(super) max_bytes: usize,
}

impl OpenSpans {
    pub(crate) fn new(tracer: Tracer, options: Options, max_open: usize) -> Self {
        static LAYERS: AtomicU64 = AtomicU64::new(1);
        let max_bytes = tracer.max_text_bytes();
        let layer = LAYERS.fetch_add(1, Relaxed);
        let (table, callsites) = (SpanTable::new(max_open), Callsites::new());
        Self { tracer, options, table, callsites, layer, max_bytes }
    }

    /// The tracer and the choices, for a layer with other ones.
    pub(crate) fn into_parts(self) -> (Tracer, Options) {
        (self.tracer, self.options)
    }
}
