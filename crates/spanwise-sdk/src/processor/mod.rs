//! Span processors: code of the user that runs at the start and at the end of each span.
//!
//! A provider without a processor has none of this on its path: the queue of a provider with processors
//! is never "accepting", and its spans are never "plain", two flags that every start and every end tests.

mod lifecycle;
mod processors;
mod readable_span;
mod registry;
mod span_observer;
mod span_processor;

pub(crate) use lifecycle::{Command, Pending};
pub(crate) use processors::Processors;
pub use readable_span::ReadableSpan;
pub(crate) use span_observer::SpanObserver;
pub use span_processor::{ProcessorError, SpanProcessor};
