//! [`DynamicLimits`]: the limits of spans, which can be replaced while threads make spans.

use spanwise_wire::SpanLimits;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

/// The limits of spans. A thread reads those that it needs by plain loads.
///
/// A span that is made while they are replaced may get some of the earlier ones: each limit holds by itself.
pub(crate) struct DynamicLimits {
    attributes: AtomicU32,
    events: AtomicU32,
    links: AtomicU32,
    attributes_per_event: AtomicU32,
    attributes_per_link: AtomicU32,
    value_chars: AtomicUsize,
    span_bytes: AtomicUsize,
}

impl DynamicLimits {
    pub(crate) fn new(limits: SpanLimits) -> Self {
        Self {
            attributes: AtomicU32::new(limits.attributes),
            events: AtomicU32::new(limits.events),
            links: AtomicU32::new(limits.links),
            attributes_per_event: AtomicU32::new(limits.attributes_per_event),
            attributes_per_link: AtomicU32::new(limits.attributes_per_link),
            value_chars: AtomicUsize::new(limits.value_chars),
            span_bytes: AtomicUsize::new(limits.span_bytes),
        }
    }

    /// Replaces all limits.
    pub(crate) fn set(&self, limits: SpanLimits) {
        // ORDER: Relaxed, here and below. The limits publish no memory, and each holds by itself.
        self.attributes.store(limits.attributes, Relaxed);
        self.events.store(limits.events, Relaxed);
        self.links.store(limits.links, Relaxed);
        self.attributes_per_event.store(limits.attributes_per_event, Relaxed);
        self.attributes_per_link.store(limits.attributes_per_link, Relaxed);
        self.value_chars.store(limits.value_chars, Relaxed);
        self.span_bytes.store(limits.span_bytes, Relaxed);
    }

    /// The limits of attributes and of all bytes, which the start of each span reads; the others are the defaults.
    #[inline(always)]
    pub(crate) fn of_attributes(&self) -> SpanLimits {
        SpanLimits::default()
            .with_attributes(self.attributes.load(Relaxed))
            .with_value_chars(self.value_chars.load(Relaxed))
            .with_span_bytes(self.span_bytes.load(Relaxed))
    }

    /// All limits.
    #[inline]
    pub(crate) fn load(&self) -> SpanLimits {
        self.of_attributes()
            .with_events(self.events.load(Relaxed))
            .with_links(self.links.load(Relaxed))
            .with_attributes_per_event(self.attributes_per_event.load(Relaxed))
            .with_attributes_per_link(self.attributes_per_link.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_replaced() {
        let next = SpanLimits::default()
            .with_attributes(1)
            .with_events(2)
            .with_links(3)
            .with_attributes_per_event(4)
            .with_attributes_per_link(5)
            .with_value_chars(6)
            .with_span_bytes(7);
        let limits = DynamicLimits::new(SpanLimits::default());
        assert_eq!(limits.load(), SpanLimits::default());
        limits.set(next);
        assert_eq!(limits.load(), next);
        assert_eq!(DynamicLimits::new(next).load(), next);
        let default = SpanLimits::default();
        let of_attributes = default.with_attributes(1).with_value_chars(6).with_span_bytes(7);
        assert_eq!(limits.of_attributes(), of_attributes);
    }
}
