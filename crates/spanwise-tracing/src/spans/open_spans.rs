//! [`OpenSpans`]: the state that the layer, the subscriber and the extension trait share.

use super::callsites::Callsites;
use super::field_keys::FieldKeys;
use super::open_span::Slot;
use super::places::Places;
use super::store::Store;
use super::table::SpanTable;
use crate::options::{MAX_OPEN_SPANS, Options};
use spanwise_sdk::__private::LayerTracer as _;
use spanwise_sdk::Tracer;
use spanwise_worker::oneshot;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use std::{mem, thread};
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

impl OpenSpans {
    /// Ends all open spans, also those that wait for their start. Samplers and processors log to no subscriber meanwhile.
    fn end_all(&self) {
        dispatcher::with_default(&Dispatch::none(), || {
            for slot in self.table.slots() {
                self.ensure_started(&slot);
                let freed = slot.free(&mut slot.lock());
                drop(freed);
            }
        });
    }

    /// Ends all open spans on a thread of their own, and waits for it briefly.
    fn end_all_apart(&mut self) {
        let table = mem::replace(&mut self.table, Store::Table(SpanTable::new(1)));
        let mut spans = Self::new(self.tracer.clone(), |_| table);
        spans.options = self.options;
        let spans = Arc::new(spans);
        let (ended, wait) = oneshot::channel();
        let ends = {
            let spans = Arc::clone(&spans);
            move || {
                spans.end_all();
                ended.send(());
            }
        };
        match thread::Builder::new().name("spanwise-spans".to_owned()).spawn(ends) {
            Ok(_) => _ = wait.recv_timeout(MAX_WAIT),
            Err(_) => spans.end_all(),
        }
    }
}

/// A layer that is dropped waits for at most this long until its open spans have ended, so that a shutdown that follows finds them
/// ended.
const MAX_WAIT: Duration = Duration::from_millis(100);

impl Drop for OpenSpans {
    /// Ends all open spans. A slot has the context of its span, and that context a reference to the slot: without this, both would stay
    /// allocated, and the span without an outcome.
    ///
    /// `tracing_subscriber::reload` drops a layer under a lock that `tracing` takes for each new callsite of the program, whatever the
    /// subscriber of the thread. So samplers and processors, which may log, run on another thread, for which the drop waits briefly.
    fn drop(&mut self) {
        let is_open = |slot: &Arc<Slot>| slot.id() != 0;
        match self.table.slots().iter().any(is_open) {
            true if self.tracer.starts_plainly() => self.end_all(),
            true => self.end_all_apart(),
            false => {}
        }
    }
}
