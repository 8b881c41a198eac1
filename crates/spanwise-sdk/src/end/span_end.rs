//! [`SpanEnd`]: the last fields of a span. Records and pooled spans both end through it.

use crate::core::Core;
use spanwise_wire::SpanMeta;
use spanwise_wire::write::{SpanHeader, SpanWriter};

/// The fields of an ended span that its writer does not have.
pub(crate) struct SpanEnd {
    /// The start and end times. An end before the start becomes the start.
    pub(crate) header: SpanHeader,
    /// Index of the instrumentation scope.
    pub(crate) scope: u32,
}

impl SpanEnd {
    /// Stores a plain span in the slot of its thread. Returns false if it did not: the caller then calls
    /// [`finish`](Self::finish).
    #[inline(always)]
    pub(crate) fn try_finish(&self, core: &Core, writer: &SpanWriter) -> bool {
        self.starts_after_by() == 0
            && writer
                .finish_plain(&self.header)
                .is_some_and(|span| core.queue.try_push_local(&span, || self.meta(writer)))
    }

    /// Counts the data that the limits dropped, passes the span to the processors if they have seen its
    /// start, and pushes it to the export queue. Without tail sampling, a span that is recorded and not
    /// sampled goes to the processors alone, as all spans of a provider that exports nothing.
    pub(crate) fn finish(mut self, core: &Core, writer: &mut SpanWriter, is_observed: bool) {
        self.header.end_unix_nanos = self.header.end_unix_nanos.max(self.header.start_unix_nanos);
        if !writer.is_plain() {
            core.queue.count_dropped(&writer.dropped_counts());
        }
        let meta = self.meta(writer);
        let span = writer.finish(&self.header);
        if is_observed {
            core.on_end(&self.header, &meta, &span);
            let is_sampled = self.header.flags.trace_flags().is_sampled();
            if !(core.exports && (is_sampled || core.records_all)) {
                if core.exports {
                    core.ledger.record_only_ended();
                }
                return;
            }
        }
        core.queue.push(&span, meta);
    }

    /// Nanoseconds by which the start is after the end; 0 for a correct span.
    #[inline(always)]
    pub(crate) fn starts_after_by(&self) -> u64 {
        self.header.start_unix_nanos.saturating_sub(self.header.end_unix_nanos)
    }

    #[inline(always)]
    fn meta(&self, writer: &SpanWriter) -> SpanMeta {
        SpanMeta::of(&self.header, self.scope, writer.status_code())
    }
}
