//! The end of a span: the fields known last, and the hand-over of its bytes to the export pipeline.

mod pooled;
mod span_end;

pub(crate) use pooled::finish_pooled;
pub use pooled::{FinishError, Finished};
pub(crate) use span_end::SpanEnd;
