//! Fields of spans and events, as `tracing` passes them to a visitor.

mod collected;
mod error;
mod event_fields;
mod span_fields;
pub(crate) mod special;
mod text;

pub(crate) use collected::{CollectSpan, Collected, with_collected};
pub(crate) use error::ErrorTexts;
pub(crate) use event_fields::{EventFields, EventName};
pub(crate) use span_fields::SpanFields;
