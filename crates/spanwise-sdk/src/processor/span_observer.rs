//! [`SpanObserver`]: the processors as the end of a span sees them, without the type of an open span.

use super::readable_span::ReadableSpan;

/// An observer of ended spans.
pub(crate) trait SpanObserver: Send + Sync {
    /// Whether a span that this thread starts or ends now is observed: not inside of a call of a
    /// processor, after the shutdown or in a forked child, where another thread may have held a lock of
    /// a processor.
    fn observes_now(&self) -> bool;

    /// Receives an ended span, of which it has seen the start.
    fn on_end(&self, span: &ReadableSpan<'_>);

    /// Observes no later span.
    fn close(&self);
}
