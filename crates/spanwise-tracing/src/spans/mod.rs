//! The open spans of a layer: from the start of a `tracing` span to its close.

mod api_changes;
mod api_span;
mod close;
mod enter;
mod entered;
mod event;
mod open_span;
mod open_spans;
mod record;
mod start;
mod table;
mod unstarted;

pub(crate) use open_spans::OpenSpans;
