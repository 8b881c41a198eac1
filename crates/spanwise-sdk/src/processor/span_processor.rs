//! [`SpanProcessor`]: the trait of the specification.

use super::readable_span::ReadableSpan;
use crate::record::Span;
use opentelemetry::Context;
use spanwise_wire::read::ResourceSpans;
use std::error::Error;
use std::time::Duration;

/// The error of a span processor's flush or shutdown.
pub type ProcessorError = Box<dyn Error + Send + Sync>;

/// A span processor (specification, *Span processor*): sees each recorded span at its start and at its
/// end. [`SpanwiseBuilder::with_span_processor`](crate::SpanwiseBuilder::with_span_processor) registers it.
///
/// Processors run beside the export and do not feed it: a processor sees spans that the queue drops later,
/// and cannot keep a span from its export. All methods have a default that does nothing.
///
/// A panic of a method is caught and counted
/// ([`Counter::ProcessorPanicked`](crate::Counter::ProcessorPanicked)); the other processors still run,
/// and the span is exported. A span that a method starts inside of [`on_start`](Self::on_start) or
/// [`on_end`](Self::on_end) is exported and not passed to the processors of any provider, so that it causes
/// no loop.
///
/// # Cost
/// A provider without processors pays nothing. With one, the start and the end of each span leave the path
/// of the usual span, and the processor's own time comes on top, on the thread of the span. The provider
/// allocates nothing for it, but a [`Context`] for each span of [`Tracer::root`](crate::Tracer::root) and
/// [`child`](crate::Tracer::child).
pub trait SpanProcessor: Send + Sync + 'static {
    /// `OnStart`: a recorded span has started, with the attributes, events and links of its builder.
    /// Runs on the thread that starts the span; the method may change the span.
    ///
    /// `parent` is the context that the caller passed to the API, or the current one. For
    /// [`Tracer::root`](crate::Tracer::root) and [`child`](crate::Tracer::child) it is the current context
    /// with the given parent, if any, as its span.
    ///
    /// The method must not block, and must not attach a context: the API borrows the current one
    /// meanwhile.
    fn on_start(&self, span: &mut Span, parent: &Context) {
        let _ = (span, parent);
    }

    /// `OnEnd`: the span has ended, and its data is final. Runs on the thread that ends the span, before
    /// the span goes to the export queue, and must not block.
    ///
    /// The span is [sampled](ReadableSpan::is_sampled), or the sampler decided to record it without
    /// sampling; the provider exports only a sampled one. The provider passes no span that ends after its
    /// shutdown or in a forked child.
    fn on_end(&self, span: &ReadableSpan<'_>) {
        let _ = span;
    }

    /// `ForceFlush`: completes the work on all spans that ended before the call, within `timeout`.
    ///
    /// Runs on a thread of the provider while the provider flushes its own queue. The provider waits for it
    /// until the deadline of the flush, and returns then, also if the method has not.
    ///
    /// # Errors
    /// The processor failed; the flush returns [`FlushError::Processor`](crate::FlushError::Processor).
    fn force_flush(&self, timeout: Duration) -> Result<(), ProcessorError> {
        let _ = timeout;
        Ok(())
    }

    /// `Shutdown`: completes the work and frees what the processor holds, within `timeout`. The provider
    /// calls it once, as [`force_flush`](Self::force_flush), and no other method afterwards.
    ///
    /// # Errors
    /// As [`force_flush`](Self::force_flush).
    fn shutdown(&self, timeout: Duration) -> Result<(), ProcessorError> {
        let _ = timeout;
        Ok(())
    }

    /// The resource of the provider, once, before the first span. A builder that is cloned shares its
    /// processors: each provider of it calls the method.
    fn set_resource(&self, resource: &ResourceSpans<'_>) {
        let _ = resource;
    }
}
