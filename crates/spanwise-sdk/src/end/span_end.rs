//! [`SpanEnd`]: the last fields of a span. Records and pooled spans both end through it.

use crate::core::Core;
use crate::redaction::{RedactionBuffers, SpanRedaction};
use spanwise_ledger::Counter;
use spanwise_wire::SpanMeta;
use spanwise_wire::write::{DroppedCounts, FinishedSpan, SpanHeader, SpanWriter};

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
    pub(crate) fn finish(
        self,
        core: &Core,
        (writer, buffers): (&mut SpanWriter, &mut RedactionBuffers),
        is_observed: bool,
    ) {
        if let Some(redaction) = &core.redaction {
            return self.finish_redacted((core, redaction), (writer, buffers), |redacted| {
                redacted.pass(core, is_observed);
            });
        }
        let (end, meta) = self.counted(core, writer);
        end.pass(core, &writer.finish(&end.header), meta, is_observed);
    }

    /// As [`finish`](Self::finish), for a span that metrics count too. The writer is never plain, and the fast way is tried here. Returns
    /// whether the queue took the span, as far as the call can know.
    #[inline]
    pub(crate) fn finish_measured(
        mut self,
        core: &Core,
        writer: &mut SpanWriter,
        is_observed: bool,
    ) -> bool {
        if is_observed {
            let (end, meta) = self.counted(core, writer);
            end.pass(core, &writer.finish(&end.header), meta, true);
            return end.is_exported(core);
        }
        self.header.end_unix_nanos = self.header.end_unix_nanos.max(self.header.start_unix_nanos);
        if !writer.has_no_rare_fields() {
            core.queue.count_dropped(&writer.dropped_counts());
        }
        let meta = self.meta(writer);
        let span = writer.finish(&self.header);
        let is_stored = core.queue.try_push_local(&span, || meta);
        if !is_stored {
            core.queue.push(&span, meta);
        }
        is_stored
    }

    /// Passes the redacted span to `then`.
    #[cold]
    #[inline(never)]
    pub(crate) fn finish_redacted<T>(
        mut self,
        (core, redaction): (&Core, &SpanRedaction),
        (writer, buffers): (&mut SpanWriter, &mut RedactionBuffers),
        then: impl FnOnce(RedactedEnd<'_>) -> T,
    ) -> T {
        self.header.end_unix_nanos = self.header.end_unix_nanos.max(self.header.start_unix_nanos);
        let (meta, dropped) = (self.meta(writer), writer.dropped_counts());
        let span_bytes = core.limits.load().span_bytes;
        let span = writer.finish(&self.header);
        redaction.redact(span, span_bytes, buffers, |span, grown| {
            then(RedactedEnd { end: &self, span, meta, dropped: [&dropped, grown] })
        })
    }

    /// The end, not before the start. Counts the data that the limits dropped.
    fn counted(mut self, core: &Core, writer: &SpanWriter) -> (Self, SpanMeta) {
        self.header.end_unix_nanos = self.header.end_unix_nanos.max(self.header.start_unix_nanos);
        if !writer.is_plain() {
            core.queue.count_dropped(&writer.dropped_counts());
        }
        let meta = self.meta(writer);
        (self, meta)
    }

    /// Passes a span to the processors, if they have seen its start, and to the export queue.
    fn pass(&self, core: &Core, span: &FinishedSpan<'_>, meta: SpanMeta, is_observed: bool) {
        if is_observed {
            core.on_end(&self.header, &meta, span);
            let is_sampled = self.header.flags.trace_flags().is_sampled();
            if !(core.exports && (is_sampled || core.records_all)) {
                if core.exports {
                    core.ledger.record_only_ended(1);
                }
                return;
            }
        }
        core.queue.push(span, meta);
    }

    /// Whether the queue takes the span after its processors, as far as the call can know.
    pub(crate) fn is_exported(&self, core: &Core) -> bool {
        let is_sampled = self.header.flags.trace_flags().is_sampled();
        is_sampled && core.exports && !core.queue.is_refusing()
    }

    /// Counts a span whose end is before its start.
    pub(crate) fn check_order(&self, core: &Core) {
        if self.starts_after_by() > CLOCK_TOLERANCE_NANOS {
            core.ledger.count(Counter::EndBeforeStart, 1);
        }
    }

    /// The duration; 0 if the end is before the start.
    #[inline(always)]
    pub(crate) fn nanos(&self) -> u64 {
        self.header.end_unix_nanos.saturating_sub(self.header.start_unix_nanos)
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

/// The end of a span that rules have changed.
pub(crate) struct RedactedEnd<'a> {
    pub(crate) end: &'a SpanEnd,
    pub(crate) span: &'a FinishedSpan<'a>,
    pub(crate) meta: SpanMeta,
    /// The data that the limits dropped, and that which did not fit after the rules.
    dropped: [&'a DroppedCounts; 2],
}

impl RedactedEnd<'_> {
    /// Counts the data that was dropped, and passes the span on as [`SpanEnd::finish`] does.
    pub(crate) fn pass(&self, core: &Core, is_observed: bool) {
        for dropped in self.dropped.into_iter().filter(|dropped| !dropped.is_none()) {
            core.queue.count_dropped(dropped);
        }
        self.end.pass(core, self.span, self.meta, is_observed);
    }
}

/// How far the system clock may lag behind the span clock before the end counts as wrong.
const CLOCK_TOLERANCE_NANOS: u64 = 100_000;
