//! The references of a subscriber to its open spans, in place of a registry's.

use super::entered;
use super::open_spans::OpenSpans;
use super::places::Places;
use super::store::Store;
use spanwise_sdk::__private::LayerTracer as _;
use tracing_core::Metadata;
use tracing_core::span::{Attributes, Id};

impl OpenSpans {
    /// Starts a span, and assigns its id. It refers to its parent, which is open until it is closed.
    #[inline]
    pub(crate) fn open(&self, attributes: &Attributes<'_>) -> Id {
        let (parent, open_parent) = if attributes.is_contextual() {
            let entered = entered::current(self.layer);
            (self.contextual(entered), entered)
        } else {
            let parent = attributes.parent();
            (self.explicit(parent), parent.map(Id::into_u64))
        };
        let charge = |bytes| self.tracer.try_charge(bytes);
        let (id, slot) = match &self.table {
            Store::Places(places) => places.reserve(attributes.metadata(), open_parent, charge),
            Store::Table(_) => (u64::MAX, None),
        };
        self.new_span_below(attributes, (id, slot), parent);
        Id::from_u64(id)
    }

    /// Adds a reference.
    #[inline]
    pub(crate) fn retain(&self, id: &Id) {
        if let Some(places) = self.places() {
            places.retain(id.into_u64());
        }
    }

    /// Gives up a reference. The last one closes the span, and gives up the span's reference to its parent. Returns whether
    /// it was the last one.
    #[inline]
    pub(crate) fn release(&self, id: Id) -> bool {
        let Some(places) = self.places() else { return false };
        let mut released = false;
        let mut next = Some(id.into_u64());
        // A loop: a program may nest more spans than a stack has frames.
        while let Some(id) = next
            && let Some((slot, open)) = places.release(id)
        {
            self.end(slot, open, id);
            next = places.free(id);
            released = true;
        }
        released
    }

    /// The span that the thread has entered last.
    pub(crate) fn current(&self) -> Option<(Id, &'static Metadata<'static>)> {
        let id = entered::current(self.layer)?;
        let metadata = self.places()?.metadata(id)?;
        Some((Id::from_u64(id), metadata))
    }

    #[inline(always)]
    fn places(&self) -> Option<&Places> {
        match &self.table {
            Store::Places(places) => Some(places),
            Store::Table(_) => None,
        }
    }
}
