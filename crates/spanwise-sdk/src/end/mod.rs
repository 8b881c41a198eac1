//! The end of a span: the code that writes the last fields and pushes the bytes to the export queue.

mod pooled;
mod span_end;

pub(crate) use pooled::finish_pooled;
pub use pooled::{FinishError, Finished};
pub(crate) use span_end::SpanEnd;
