//! [`SpanEnd`]: the fields of a span that are known last. The one place that writes them.

use crate::core::Core;
use spanwise_wire::SpanMeta;
use spanwise_wire::write::{SpanHeader, SpanWriter};

/// An ended span, beside the attributes, events and links in its writer.
pub(crate) struct SpanEnd<'a> {
    /// Its end may be before its start; the span then ends where it starts.
    pub(crate) header: SpanHeader<'a>,
    /// Index of the instrumentation scope.
    pub(crate) scope: u32,
}

impl SpanEnd<'_> {
    /// Stores the span in its thread's own slot, if it has nothing but a header and what is written
    /// already. Otherwise returns false, and [`finish`](Self::finish) is to be called.
    #[inline(always)]
    pub(crate) fn try_finish(&self, core: &Core, writer: &SpanWriter) -> bool {
        self.starts_after_by() == 0
            && writer
                .finish_plain(&self.header)
                .is_some_and(|span| core.queue.try_push_local(&span, || self.meta(writer)))
    }

    /// Counts what the limits took, and hands the span to the export pipeline.
    pub(crate) fn finish(mut self, core: &Core, writer: &mut SpanWriter) {
        self.header.end_unix_nanos = self.header.end_unix_nanos.max(self.header.start_unix_nanos);
        if !writer.is_plain() {
            core.queue.count_dropped(&writer.dropped_counts());
        }
        let meta = self.meta(writer);
        core.queue.push(&writer.finish(&self.header), meta);
    }

    /// Nanoseconds by which the span starts after its end; 0 is as it should be.
    #[inline(always)]
    pub(crate) fn starts_after_by(&self) -> u64 {
        self.header.start_unix_nanos.saturating_sub(self.header.end_unix_nanos)
    }

    #[inline(always)]
    fn meta(&self, writer: &SpanWriter) -> SpanMeta {
        SpanMeta::of(&self.header, self.scope, writer.status_code())
    }
}
